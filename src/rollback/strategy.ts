/**
 * Which way a rollback takes to the ancestor's state. Pure.
 *
 * rewind: the rows that changed above the ancestor are set back; the cost follows the changes.
 * snapshot: the newest verified snapshot at or below the ancestor, and the log forward from it.
 * rebuild: the log from its beginning, finalized blocks derived again, vectors made from their texts.
 *
 * The last two are taken when what a rewind needs is not there, is damaged or is too much, or when an
 * operator says so. One that failed is not tried again.
 */
import type { RecantError } from "../domain/errors.ts";
import type { Problem } from "../writer/writer-store.ts";
import type { Strategy } from "./rollback-record.ts";

export interface StrategyFacts {
	/** What an operator named. */
	readonly wanted: Strategy | undefined;
	/** What an earlier attempt took; `failure` undefined: it ended for another reason, and is taken again. */
	readonly before:
		| {
				readonly strategy: Strategy;
				readonly reason: string;
				readonly failure: Problem | undefined;
		  }
		| undefined;
	/** Whether there is a checkpoint at the ancestor. */
	readonly checkpoint: boolean;
	/** Memories that changed above the ancestor; more than the limit: at least so many. */
	readonly touched: number;
	readonly limit: number;
	/** Height of the newest usable snapshot; undefined: there is none. */
	readonly snapshotHeight: bigint | undefined;
	/** Whether the log reaches down to its first entry. */
	readonly logWhole: boolean;
}

export type StrategyChoice =
	| { readonly type: "go"; readonly strategy: Strategy; readonly reason: string }
	/** No strategy is left. */
	| { readonly type: "stuck"; readonly reason: string };

export function chooseStrategy(facts: StrategyFacts): StrategyChoice {
	const { before, wanted } = facts;
	if (before !== undefined && before.failure === undefined) {
		const again = possible(facts, before.strategy, before.reason);
		if (again.type === "go" || wanted !== undefined) return again;
		// Its snapshot was taken away meanwhile, the log was cut, or more memories were changed.
		return restoring({ ...facts, before: undefined }, again.reason);
	}
	if (wanted !== undefined) {
		return before === undefined
			? possible(facts, wanted, "an operator named it")
			: stuck(`${before.strategy} was asked for, and failed: ${before.failure?.message}`);
	}
	const obstacle = rewindObstacle(facts);
	if (obstacle === undefined) {
		return {
			type: "go",
			strategy: "rewind",
			reason: "what changed above the ancestor is set back",
		};
	}
	return restoring(facts, obstacle);
}

/** Why the changes cannot be set back. */
function rewindObstacle(facts: StrategyFacts): string | undefined {
	const { before, checkpoint, touched, limit } = facts;
	if (before?.failure !== undefined) return `${before.strategy} failed: ${before.failure.message}`;
	if (!checkpoint) return "there is no checkpoint at the ancestor";
	if (touched > limit) return `more than ${limit} memories changed above the ancestor`;
	return undefined;
}

function restoring(facts: StrategyFacts, obstacle: string): StrategyChoice {
	const { before, snapshotHeight, logWhole } = facts;
	const failed = before?.failure === undefined ? undefined : before.strategy;
	const triedSnapshot = failed === "snapshot" && !isSnapshotsOwn(before?.failure);
	if (snapshotHeight !== undefined && failed !== "rebuild" && !triedSnapshot) {
		const reason = `${obstacle}; there is a snapshot at ${snapshotHeight}`;
		return { type: "go", strategy: "snapshot", reason };
	}
	if (failed === "rebuild") return stuck(obstacle);
	if (!logWhole) return stuck(`${obstacle}; the log is cut, and no usable snapshot is there`);
	const why = triedSnapshot ? "" : "; no usable snapshot is there";
	return { type: "go", strategy: "rebuild", reason: `${obstacle}${why}` };
}

/** A named strategy, if it can be taken at all. */
function possible(facts: StrategyFacts, strategy: Strategy, reason: string): StrategyChoice {
	const missing =
		strategy === "rewind"
			? rewindObstacle({ ...facts, before: undefined })
			: strategy === "snapshot"
				? facts.snapshotHeight === undefined && "no usable snapshot is there"
				: !facts.logWhole && "the log is cut below its first entries";
	if (missing === undefined || missing === false) return { type: "go", strategy, reason };
	return stuck(`${strategy} cannot be taken: ${missing}`);
}

/** Codes by which a snapshot is known to be of no use; there may be another. */
const SNAPSHOT_CODES: ReadonlySet<string> = new Set([
	"snapshot_damaged",
	"snapshot_format_newer",
	"snapshot_incomplete",
	"snapshot_root_differs",
]);

export function isSnapshotsOwn(error: Pick<Problem, "code"> | undefined): boolean {
	return error !== undefined && SNAPSHOT_CODES.has(error.code);
}

/** Codes after which another strategy may do: what this one needed is damaged or not there. */
const DAMAGE_CODES: ReadonlySet<string> = new Set([
	...SNAPSHOT_CODES,
	"handlers_differ",
	"history_pruned",
	"verification_failed",
]);

/**
 * Whether a failure speaks against the strategy and not against the rollback. Rows whose spans contradict
 * one another are found by the span rules, which call it a defect: for a rewind it may be damage as well.
 */
export function isDamage(error: Pick<RecantError, "code">, strategy: Strategy): boolean {
	return DAMAGE_CODES.has(error.code) || (strategy === "rewind" && error.code === "internal");
}

function stuck(reason: string): StrategyChoice {
	return { type: "stuck", reason };
}
