/**
 * What an operation rests on, and whether that holds: its anchors, and one set of its sources. Pure.
 *
 * 1. A source holds where the history that is believed has a version with its content hash; what is
 *    said of the memory later does not matter.
 * 2. Of the sets that hold, one without a suspect member is taken first, then the one that holds from
 *    the lowest slot, then the first named. So every instance takes the same.
 */
import type { Height, Hex, MemoryKey } from "../domain/ids.ts";
import type { AnchorSet, AnchorTarget } from "../domain/operation.ts";
import type { SourceRef, Sources } from "../domain/provenance.ts";
import { anchorHeight } from "./anchors.ts";
import { memoryKey } from "./memory-key.ts";

/** A version that is part of history. */
export interface Held {
	/** Lowest slot from which it is. */
	readonly slot: Height;
	/** Highest block that it rests on itself; undefined: none. */
	readonly grounds: Height | undefined;
	readonly suspect: boolean;
	/** How deep it is derived; 0: it is not. */
	readonly depth: number;
}

export interface Resting {
	readonly anchors: AnchorSet;
	readonly sources: Sources;
}

/** Something that an operation rests on and that is not there. */
export type Lost =
	| { readonly kind: "block"; readonly hash: Hex }
	| { readonly kind: "transaction"; readonly hash: Hex }
	| ({ readonly kind: "source" } & SourceRef);

export type Ground =
	| {
			readonly type: "holds";
			/** Slot from which it holds; 0: always. */
			readonly slot: Height;
			/** Highest block that it rests on; undefined: none. */
			readonly grounds: Height | undefined;
			readonly suspect: boolean;
			/** Of what is derived from it; 0: not derived. */
			readonly depth: number;
	  }
	| {
			readonly type: "absent";
			readonly reason: "anchor_absent" | "source_absent";
			readonly lost: readonly Lost[];
	  };

export type HeldOf = (source: SourceRef) => Held | undefined;

/** Tells one version of one memory from all others. */
export type HeldKey = `${MemoryKey}:${Hex}`;

export function heldKey(key: MemoryKey, contentHash: Hex): HeldKey {
	return `${key}:${contentHash}`;
}

export function sourceKey({ namespace, id }: SourceRef): MemoryKey {
	return memoryKey(namespace, id);
}

export function groundOf({ anchors, sources }: Resting, held: HeldOf): Ground {
	const anchored = anchorHeight(anchors);
	const set = sources.length === 0 ? NOTHING : bestSet(sources, held);
	if (anchored !== undefined && set !== undefined) {
		return {
			type: "holds",
			slot: anchored > set.slot ? anchored : set.slot,
			grounds: highest(anchors.anchors.length === 0 ? undefined : anchored, set.grounds),
			suspect: set.suspect,
			depth: set.depth,
		};
	}
	return {
		type: "absent",
		reason: anchored === undefined ? "anchor_absent" : "source_absent",
		lost: [
			...(anchored === undefined ? lostAnchors(anchors) : []),
			...(set === undefined ? lostSources(sources, held) : []),
		],
	};
}

/** The higher of two grounds; undefined is none. */
export function highest(a: Height | undefined, b: Height | undefined): Height | undefined {
	if (a === undefined || b === undefined) return a ?? b;
	return a > b ? a : b;
}

const NOTHING: Held = { slot: 0n, grounds: undefined, suspect: false, depth: 0 };

function bestSet(sources: Sources, held: HeldOf): Held | undefined {
	let best: Held | undefined;
	for (const set of sources) {
		const together = togetherHeld(set, held);
		if (together !== undefined && (best === undefined || isBetter(together, best))) best = together;
	}
	return best;
}

function togetherHeld(set: readonly SourceRef[], held: HeldOf): Held | undefined {
	let all: Held = NOTHING;
	for (const source of set) {
		const found = held(source);
		if (found === undefined) return undefined;
		all = {
			slot: found.slot > all.slot ? found.slot : all.slot,
			grounds: highest(all.grounds, found.grounds),
			suspect: all.suspect || found.suspect,
			depth: Math.max(all.depth, found.depth + 1),
		};
	}
	return all;
}

function isBetter(a: Held, b: Held): boolean {
	if (a.suspect !== b.suspect) return b.suspect;
	return a.slot < b.slot;
}

function lostAnchors({ anchors }: AnchorSet): readonly Lost[] {
	return anchors.filter(({ place }) => place === undefined).map(lostAnchor);
}

function lostAnchor(anchor: AnchorTarget): Lost {
	if (anchor.kind === "block") return { kind: "block", hash: anchor.blockHash };
	return { kind: "transaction", hash: anchor.transactionHash };
}

function lostSources(sources: Sources, held: HeldOf): readonly Lost[] {
	const lost = new Map<HeldKey, Lost>();
	for (const source of sources.flat()) {
		if (held(source) !== undefined) continue;
		lost.set(heldKey(sourceKey(source), source.contentHash), { kind: "source", ...source });
	}
	return [...lost.values()];
}
