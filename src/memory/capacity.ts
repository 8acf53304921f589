/**
 * Which short-term memories go when a namespace holds more of them than its capacity: those that were
 * written first. Reading has no part in it, so that the same writes leave the same memories everywhere.
 */
import type { Version } from "../domain/memory.ts";

type Written = Pick<Version, "position" | "versionId">;

/** Those that go, the first to go first. `capacity` is at least 1; `visible` may come in any order. */
export function evicted<Kept extends Written>(
	visible: readonly Kept[],
	capacity: number,
): readonly Kept[] {
	if (visible.length <= capacity) return [];
	return visible.toSorted(byWriting).slice(0, visible.length - capacity);
}

/** One operation may write several memories: then in the order in which it wrote them. */
export function byWriting(a: Written, b: Written): number {
	if (a.position !== b.position) return a.position < b.position ? -1 : 1;
	if (a.versionId === b.versionId) return 0;
	return a.versionId < b.versionId ? -1 : 1;
}
