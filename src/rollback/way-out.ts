/**
 * What an operator can do about a rollback that failed, by the code that it failed with. Pure. Stands
 * behind the failure's own hint, which speaks of the cause; this speaks of the rollback.
 */
import type { ErrorCode } from "../domain/errors.ts";
import type { RollbackRecord } from "./rollback-record.ts";

type Way =
	/** The cause is outside of the rollback: it is mended, and the same rollback goes on. */
	| "mend"
	/** Nobody knows what it was: it may pass. */
	| "try"
	/** What is stored is damaged or gone. */
	| "restore"
	/** It can never be done as it was recorded. */
	| "ask_anew"
	/** What is final would have to be taken back. */
	| "recover";

/** Codes that a rollback is known to end with; any other is mended, as its own hint says. */
const WAYS: Partial<Record<ErrorCode, Way>> = {
	below_finality: "recover",
	chain_id_mismatch: "mend",
	configuration_invalid: "mend",
	consolidation_failed: "mend",
	dimension_mismatch: "mend",
	embedder_missing: "mend",
	embedder_refused: "mend",
	handler_failed: "mend",
	handlers_differ: "mend",
	height_in_future: "ask_anew",
	history_pruned: "restore",
	internal: "try",
	limit_exceeded: "restore",
	rollback_failed: "restore",
	rollback_fenced: "ask_anew",
	rollback_interrupted: "try",
	snapshot_chain_differs: "restore",
	snapshot_damaged: "restore",
	snapshot_format_newer: "restore",
	snapshot_incomplete: "restore",
	snapshot_not_found: "restore",
	snapshot_orphaned: "restore",
	snapshot_root_differs: "restore",
	unknown_block: "ask_anew",
	unknown_checkpoint: "restore",
	vectors_unwritable: "mend",
	verification_failed: "restore",
};

/** Names the commands; to be put behind the error's own hint. */
export function wayOut(
	code: ErrorCode,
	{ rollbackId, cause, recoveryId }: Pick<RollbackRecord, "rollbackId" | "cause" | "recoveryId">,
): string {
	// The chain is halted as it was before, and what was agreed on may not be so any more.
	if (recoveryId !== undefined) return "`recant recover` looks again at what is possible";
	const retry = `\`recant rollbacks retry ${rollbackId}\``;
	const abandon = `\`recant rollbacks abandon ${rollbackId}\``;
	const isManual = cause === "manual";
	const givenUp = isManual
		? `${abandon} gives it up, and the chain stays as it is`
		: `${abandon} gives it up, and the follower looks at the fork anew`;
	switch (WAYS[code] ?? "mend") {
		case "mend":
			return `when that is mended, ${retry} goes on with it; ${givenUp}`;
		case "try":
			return `${retry} tries it again; ${givenUp}`;
		case "restore":
			return isManual
				? `\`recant repair\`, or another \`--strategy\` after ${abandon}; ${retry} tries it again`
				: `\`recant repair\` mends what is damaged, then ${retry}; else \`recant recover\` shows what is possible`;
		case "ask_anew":
			return isManual
				? `it fits the chain no more: ${abandon}, and ask for another one`
				: `${abandon}, and the follower looks at the fork anew`;
		case "recover":
			return isManual
				? `${abandon}, and choose a height at or above the finalized block`
				: `\`recant recover\` shows what is possible; ${givenUp}`;
	}
}
