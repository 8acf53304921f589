/**
 * Leaves out of a group what no readable height shows: of the operations by which handlers write one memory
 * between two heights that are kept, all but the last.
 *
 * It happens before anything is applied, so that rows, vectors, leaves and the group's entry are those of a
 * chain that never had the others, and deriving the group again gives the same once more.
 */
import type { Height } from "../domain/ids.ts";
import type { JsonObject } from "../domain/operation.ts";
import { keptAtOrAbove } from "../domain/thinned-range.ts";
import type { HandlerOperation } from "../memory/handler-operation.ts";
import type { DerivedBlock, DerivedGroup } from "./derived-blocks.ts";

/** The same group where nothing is left out. */
export function thinHistory(group: DerivedGroup): DerivedGroup {
	const { historyEvery } = group;
	if (historyEvery === undefined || group.mode !== "backfill") return group;
	return { ...group, blocks: thinned(group.blocks, historyEvery) };
}

/** What a group's entry in the log says of the heights that were kept. */
export function historyEveryOf({ every }: JsonObject): number | undefined {
	return typeof every === "number" ? every : undefined;
}

function thinned(blocks: readonly DerivedBlock[], every: number): readonly DerivedBlock[] {
	const later = new Set<string>();
	let kept: Height | undefined;
	return blocks
		.toReversed()
		.map((block) => {
			const shownAt = keptAtOrAbove(block.header.number, every);
			if (shownAt !== kept) later.clear();
			kept = shownAt;
			const operations = block.operations
				.toReversed()
				.filter((operation) => isLast(operation, later))
				.toReversed();
			return operations.length === block.operations.length ? block : { ...block, operations };
		})
		.toReversed();
}

function isLast({ namespace, id }: HandlerOperation, later: Set<string>): boolean {
	const name = `${namespace}\u0000${id}`;
	if (later.has(name)) return false;
	later.add(name);
	return true;
}
