import type { ChainId } from "../../domain/ids.ts";
import type { Problem } from "../../writer/writer-store.ts";
import { toJson } from "../codec.ts";
import type { Tx } from "../sql.ts";

/**
 * Ends the chain's running recovery if its work has ended without it: a rollback that failed or was given up,
 * an import that was refused, or whose process died between the look at the snapshot and its replacement. The
 * chain's row must be locked, so that a commit or a replacement is either over or has not begun.
 */
export async function settleRecovery(tx: Tx, chainId: ChainId): Promise<void> {
	const [row] = await tx<RunningRow[]>`
		select c.recovery_id, c.kind, r.state as rollback, r.error as rollback_error,
			s.progress, s.error as import_error, ch.fence > (c.evidence::jsonb ->> 'fence')::bigint as moved,
			s.snapshot_id is not null as offered
		from recoveries c
		join chains ch on ch.chain_id = c.chain_id
		left join rollbacks r on r.chain_id = c.chain_id and r.recovery_id = c.recovery_id
		left join snapshots s on s.chain_id = c.chain_id
			and s.snapshot_id::text = c.evidence::jsonb -> 'snapshot' ->> 'id'
		where c.chain_id = ${chainId} and c.state = 'running'`;
	const error = row && (row.kind === "import" ? importEnd(row) : rollbackEnd(row));
	if (row === undefined || error === undefined) return;
	await tx`update recoveries set state = 'failed', error = ${toJson(error)}::text::jsonb,
		finished_at = now() where recovery_id = ${row.recovery_id}`;
}

interface RunningRow {
	readonly recovery_id: string;
	readonly kind: string;
	readonly rollback: string | null;
	readonly rollback_error: Problem | null;
	readonly progress: string | null;
	readonly import_error: Problem | null;
	/** Another process has the chain since, or the same one anew. */
	readonly moved: boolean;
	readonly offered: boolean;
}

const ACTIVE = ["recorded", "running", "prepared", "committed"];

function rollbackEnd({ rollback, rollback_error: error }: RunningRow): Problem | undefined {
	if (rollback !== null && ACTIVE.includes(rollback)) return undefined;
	if (error !== null) return error;
	return {
		code: "rollback_failed",
		message: `its rollback is ${rollback ?? "not there any more"}: the node left the branch that was agreed on, or it was begun too often`,
		hint: "look again what is possible: `recant recover`",
	};
}

function importEnd(row: RunningRow): Problem | undefined {
	if (row.progress !== null) return undefined;
	if (row.import_error !== null) return row.import_error;
	// Verified and not refused: it is being restored, by the process that began it.
	if (row.offered && !row.moved) return undefined;
	return {
		code: "rollback_interrupted",
		message: "the process that was importing the snapshot ended",
		hint: "begin it again: `recant recover … import`",
	};
}
