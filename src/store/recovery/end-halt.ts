import type { CommitBatch } from "../../writer/commit-batch.ts";
import type { Tx } from "../sql.ts";
import { isFinalAt } from "../writing/final-operations.ts";
import { tellOfHalt } from "../writing/record-halt.ts";

/**
 * What the commit of a recovery's rollback changes beside: the chain is halted no more, the recovery is
 * done, and what was final above the marks that stand now is open again. Part of its transaction, so that a
 * chain is halted until it is on the branch that was agreed on. The batch's log says so itself.
 */
export async function endHalt(
	tx: Tx,
	{ chainId, finalized }: Pick<CommitBatch, "chainId" | "finalized">,
	{ recoveryId, receivers }: { readonly recoveryId: string; readonly receivers: readonly string[] },
): Promise<void> {
	// Undefined halt: it stood on a fork whose rollback had failed, and nobody was told that it was halted.
	const [old] = await tx<{ halt: string | null }[]>`
		select halt from chains where chain_id = ${chainId} for no key update`;
	await tx`update chains set halt = null where chain_id = ${chainId}`;
	await tellOfHalt(tx, { chainId, before: old?.halt ?? undefined, now: undefined }, receivers);
	await tx`update operations set final = false
		where chain_id = ${chainId} and final and position is not null and status <> 'refused'
			and not ${isFinalAt(tx, finalized ?? 0n)}`;
	await tx`update recoveries set state = 'done', error = null, finished_at = now()
		where recovery_id = ${recoveryId}`;
}
