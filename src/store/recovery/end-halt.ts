import type { RollbackCommit } from "../../rollback/rollback-store.ts";
import type { Tx } from "../sql.ts";
import { isFinalAt } from "../writing/final-operations.ts";

/**
 * What the commit of a recovery's rollback changes beside: the chain is halted no more, the recovery is
 * done, and what was final above the marks that stand now is open again. Part of its transaction, so that a
 * chain is halted until it is on the branch that was agreed on.
 */
export async function endHalt(
	tx: Tx,
	{ batch }: Pick<RollbackCommit, "batch">,
	recoveryId: string,
): Promise<void> {
	const { chainId, finalized } = batch;
	await tx`update chains set halt = null where chain_id = ${chainId}`;
	await tx`update operations set final = false
		where chain_id = ${chainId} and final and position is not null and status <> 'refused'
			and not ${isFinalAt(tx, finalized ?? 0n)}`;
	await tx`update recoveries set state = 'done', error = null, finished_at = now()
		where recovery_id = ${recoveryId}`;
}
