/** What a version rests on, from what its operation does. Pure. */
import { FOREVER } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import { type Ground, highest, type Lost } from "../memory/ground.ts";
import type { StoredOperation } from "../memory/operation-codec.ts";
import type { Rests } from "./log-draft.ts";

/** What is kept as it is does not become suspect by itself. */
export function restsOf(ground: Ground, { policy }: StoredOperation): Rests {
	// What is kept as it is rests on what no block will ever bring back by itself: it is never final.
	if (ground.type === "absent") {
		return { grounds: policy === "keep" ? FOREVER : undefined, suspect: policy === "flag" };
	}
	return { grounds: ground.grounds, suspect: ground.suspect };
}

/** What is patched goes on from what it was. */
export function restsOnBoth(own: Rests, present: Version | undefined): Rests {
	return {
		grounds: highest(own.grounds, present?.grounds),
		suspect: own.suspect || present?.suspect === true,
	};
}

/** How deep what rests on it is derived; 0: it is not. */
export function depthOf(ground: Ground): number {
	return ground.type === "holds" ? ground.depth : 0;
}

export function nameOfLost(lost: Lost): string {
	if (lost.kind !== "source") return `${lost.kind} ${lost.hash} is not on the chain`;
	return `"${lost.id}" of namespace "${lost.namespace}" has not said ${lost.contentHash} on this branch`;
}
