/** What commits ask of operations that were admitted before. */
import type { MemoryKey } from "../domain/ids.ts";
import { memoryKey } from "../memory/memory-key.ts";
import type { StoredOperation } from "../memory/operation-codec.ts";
import { keysOfLink } from "./link-graph.ts";
import type { OriginalPlace } from "./log-draft.ts";
import type { OpenOperation } from "./writer-store.ts";

export function originalOf({
	position,
	originalSlot,
	conditionPosition,
}: OpenOperation): OriginalPlace {
	return { position, originalSlot, conditionPosition };
}

/** Memories that have to be loaded before it is applied: its own, and what a link joins. */
export function keysOf({ operation }: StoredOperation): readonly MemoryKey[] {
	if (operation.kind === "link") return keysOfLink(operation);
	return [memoryKey(operation.namespace, operation.id)];
}

/** How many of the operations write each namespace. */
export function countByNamespace(
	operations: readonly StoredOperation[],
): ReadonlyMap<string, number> {
	const counts = new Map<string, number>();
	for (const { operation } of operations) {
		counts.set(operation.namespace, (counts.get(operation.namespace) ?? 0) + 1);
	}
	return counts;
}
