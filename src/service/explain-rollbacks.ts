/** Which rollbacks touched a memory, and what each did to it: told from its spans alone. */
import type { Generation, Height } from "../domain/ids.ts";
import { FOREVER } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import { visibleAt } from "../memory/span-changes.ts";
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

/** Undefined: it did nothing to the memory. */
export function rollbackEffect(
	began: StoredGeneration,
	history: readonly Version[],
	wasJudged: boolean,
): ExplainedRollback | undefined {
	const { generation, ancestor, endedAt, rollback, rollbackId } = began;
	const before = saidAt(history, { height: endedAt + 1n, generation: generation - 1n });
	// What the new branch brought is told by its own blocks; up to its head it is the rollback's.
	const after = saidAt(history, { height: (rollback?.toHeight ?? ancestor) + 1n, generation });
	const effect = effectOf(before, after);
	if (effect === "kept" && !wasJudged) return undefined;
	return {
		rollbackId,
		generation,
		cause: rollback?.cause,
		ancestor,
		from: endedAt,
		finishedAt: rollback?.finishedAt,
		effect,
		before: before?.contentHash,
		after: after?.contentHash,
	};
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
