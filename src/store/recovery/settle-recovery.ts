import type { ChainId } from "../../domain/ids.ts";
import type { Problem } from "../../writer/writer-store.ts";
import { toJson } from "../codec.ts";
import type { Queryable, Tx } from "../sql.ts";

/** Columns of what a recovery works with, for `workEnd`; `c` is the recovery. */
export function workOf(sql: Queryable) {
	return sql`r.state as rollback, r.error as rollback_error, r.finished_at as rollback_finished_at,
		coalesce(s.progress is not null, false) as looked_at, s.error as import_error`;
}

/** Rows of what recoveries work with: `r` a rollback, `s` a snapshot. */
export function joinWork(sql: Queryable) {
	return sql`
		left join rollbacks r on r.rollback_id = (c.evidence::jsonb ->> 'rollbackId')::uuid
		left join snapshots s on s.snapshot_id = (c.evidence::jsonb -> 'snapshot' ->> 'id')::uuid`;
}

export interface WorkRow {
	readonly kind: string;
	readonly rollback: string | null;
	readonly rollback_error: Problem | null;
	readonly rollback_finished_at: Date | null;
	/** Of the snapshot: the look at it is under way, or to come. */
	readonly looked_at: boolean;
	readonly import_error: Problem | null;
}

const ACTIVE = ["recorded", "running", "prepared", "committed"];

/**
 * Why a running recovery has ended without hearing of it, as far as rows tell; undefined: it goes on, or it is
 * an import that was looked at and not refused, of which its process alone knows. An import that succeeds, and a
 * rollback that is committed, end it themselves.
 */
export function workEnd(row: WorkRow): Problem | undefined {
	if (row.kind !== "import") return rollbackEnd(row);
	// Whoever has the chain looks at it, then imports it.
	return row.looked_at ? undefined : (row.import_error ?? undefined);
}

function rollbackEnd({ rollback, rollback_error: error }: WorkRow): Problem | undefined {
	if (rollback !== null && ACTIVE.includes(rollback)) return undefined;
	if (error !== null) return error;
	return {
		code: "rollback_failed",
		message: `its rollback is ${rollback ?? "not there any more"}: the node left the branch that was agreed on, or it was begun too often`,
		hint: "look again what is possible: `recant recover`",
	};
}

/**
 * Ends the chain's running recovery if its work has ended without it. The chain's row must be locked, so that a
 * commit or a replacement is either over or has not begun. `importing`: whether the process that has the chain
 * may be importing a snapshot; what it does not import, nobody does.
 */
export async function settleRecovery(
	tx: Tx,
	chainId: ChainId,
	{ importing }: { readonly importing: boolean },
): Promise<void> {
	const [row] = await tx<(WorkRow & { readonly recovery_id: string })[]>`
		select c.recovery_id, c.kind, ${workOf(tx)} from recoveries c ${joinWork(tx)}
		where c.chain_id = ${chainId} and c.state = 'running'`;
	if (row === undefined) return;
	const isLeft = row.kind === "import" && !row.looked_at && !importing;
	const error = workEnd(row) ?? (isLeft ? LEFT : undefined);
	if (error === undefined) return;
	await tx`update recoveries set state = 'failed', error = ${toJson(error)}::text::jsonb,
		finished_at = now() where recovery_id = ${row.recovery_id}`;
}

const LEFT: Problem = {
	code: "rollback_interrupted",
	message:
		"the process that was importing the snapshot ended, lost the chain, or could not record why it failed",
	hint: "begin it again: `recant recover … import`",
};
