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
			s.progress, s.error as import_error, s.snapshot_id is not null as offered,
			coalesce(ch.lease_holder <> c.evidence::jsonb ->> 'holder', false) as moved, ch.lease_holder
		from recoveries c
		join chains ch on ch.chain_id = c.chain_id
		left join rollbacks r on r.rollback_id = (c.evidence::jsonb ->> 'rollbackId')::uuid
		left join snapshots s on s.snapshot_id = (c.evidence::jsonb -> 'snapshot' ->> 'id')::uuid
		where c.chain_id = ${chainId} and c.state = 'running'`;
	if (row === undefined) return;
	const error = row.kind === "import" ? importEnd(row) : rollbackEnd(row);
	if (error !== undefined) {
		await tx`update recoveries set state = 'failed', error = ${toJson(error)}::text::jsonb,
			finished_at = now() where recovery_id = ${row.recovery_id}`;
	} else if (row.kind === "import" && row.moved) {
		await tx`update recoveries set evidence = jsonb_set(evidence::jsonb, '{holder}',
				to_jsonb(${row.lease_holder}::text))::text where recovery_id = ${row.recovery_id}`;
	}
}

interface RunningRow {
	readonly recovery_id: string;
	readonly kind: string;
	readonly rollback: string | null;
	readonly rollback_error: Problem | null;
	/** Of the snapshot: the look at it is under way, or to come. */
	readonly progress: string | null;
	readonly import_error: Problem | null;
	/** Another process has the chain than when it was looked at last. */
	readonly moved: boolean;
	readonly lease_holder: string | null;
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
	// Whoever has the chain looks at it, then imports it.
	if (row.progress !== null) return undefined;
	if (row.import_error !== null) return row.import_error;
	// Looked at and not refused: it is being restored, in the process that looked at it.
	if (row.offered && !row.moved) return undefined;
	return {
		code: "rollback_interrupted",
		message: "the process that was importing the snapshot ended, or lost the chain",
		hint: "begin it again: `recant recover … import`",
	};
}
