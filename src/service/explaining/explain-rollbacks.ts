/** Which rollbacks touched a memory, and what each did to it: told from its spans alone. */
import type { Generation, Height, LogPosition } from "../../domain/ids.ts";
import { FOREVER } from "../../domain/ids.ts";
import type { Version } from "../../domain/memory.ts";
import { visibleAt } from "../../memory/span-changes.ts";
import type { ExplainedRollback, RollbackEffect } from "./explain-service.ts";
import type { StoredGeneration } from "./explain-store.ts";

/**
 * Generations that may have touched it: those in which a span of it began or ended, and those in which an
 * operation on it was judged. An ordinary overwrite ends a span of an older generation as well.
 */
export function touchingGenerations(
	history: readonly Version[],
	judged: readonly Generation[],
): readonly Generation[] {
	const ends = history.flatMap(({ fromGen, toGen }) => [fromGen, toGen]);
	return [...new Set([...ends, ...judged])].filter((each) => each > 0n && each < FOREVER);
}

/** One verdict of a generation on an operation. */
export interface Judgement {
	/** Of the operation; undefined: it took no effect again. */
	readonly position: LogPosition | undefined;
	readonly recordedAt: Date;
}

/** What a rollback itself judged of a memory. */
export interface Judged {
	/** Positions of operations that took effect again. */
	readonly carried: ReadonlySet<LogPosition>;
}

/**
 * Of a generation's judgements those that its rollback made: a later block of it may bring back what the
 * rollback suspended. A commit has one time, that at which its transaction began, and nothing of a generation
 * is recorded before its rollback. Where that time is not kept all of them count. Undefined: there are none.
 */
export function judgedBy(
	{ rollback }: Pick<StoredGeneration, "rollback">,
	judgements: readonly Judgement[],
): Judged | undefined {
	const end = rollback?.finishedAt;
	const own = judgements.filter(({ recordedAt }) => end === undefined || recordedAt <= end);
	if (own.length === 0) return undefined;
	return { carried: new Set(own.flatMap(({ position }) => position ?? [])) };
}

/** Undefined: it did nothing to the memory. `judged` undefined: no operation on it was. */
export function rollbackEffect(
	began: StoredGeneration,
	history: readonly Version[],
	judged: Judged | undefined,
): ExplainedRollback | undefined {
	const { generation, ancestor, endedAt, rollback, rollbackId } = began;
	const before = saidAt(history, { height: endedAt + 1n, generation: generation - 1n });
	const after = leftBy(began, history, judged);
	// What was carried on into the pending slot may have been overwritten in it since.
	const isKept = before !== undefined && judged?.carried.has(before.position) === true;
	const effect = after === undefined && isKept ? "kept" : effectOf(before, after);
	if (effect === "kept" && judged === undefined) return undefined;
	return {
		rollbackId,
		generation,
		cause: rollback?.cause,
		ancestor,
		from: endedAt,
		finishedAt: rollback?.finishedAt,
		effect,
		before: before?.contentHash,
		after: effect === "kept" ? before?.contentHash : after?.contentHash,
	};
}

/** What was said when it was committed: in the pending slot only what it carried there, not what came later. */
function leftBy(
	{ generation, ancestor, rollback }: StoredGeneration,
	history: readonly Version[],
	judged: Judged | undefined,
): Version | undefined {
	const head = rollback?.toHeight ?? ancestor;
	const pending = saidAt(history, { height: head + 1n, generation });
	if (pending !== undefined && judged?.carried.has(pending.position) === true) return pending;
	return saidAt(history, { height: head, generation });
}

function effectOf(before: Version | undefined, after: Version | undefined): RollbackEffect {
	if (before?.contentHash === after?.contentHash) return "kept";
	if (before === undefined) return "back";
	return after === undefined ? "gone" : "changed";
}

function saidAt(
	history: readonly Version[],
	at: { readonly height: Height; readonly generation: Generation },
): Version | undefined {
	return history.find((version) => version.content !== undefined && visibleAt(version, at));
}
