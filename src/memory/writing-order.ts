/** The order in which memories were written, which forks do not change. */
import type { Version } from "../domain/memory.ts";

type Written = Pick<Version, "position" | "versionId">;

/** One operation may write several memories: then in the order in which it wrote them. */
export function byWriting(a: Written, b: Written): number {
	if (a.position !== b.position) return a.position < b.position ? -1 : 1;
	if (a.versionId === b.versionId) return 0;
	return a.versionId < b.versionId ? -1 : 1;
}
