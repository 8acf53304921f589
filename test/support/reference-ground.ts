/** What a conclusion rests on, in the reference model: its anchors, and its sources. */
import {
	type Happening,
	type History,
	hashOf,
	higherGrounds,
	isKept,
	isSame,
	type MemoryName,
} from "./reference-history.ts";

export type ModelAnchor =
	| { readonly block: string }
	| {
			readonly transaction: string;
			/** What it did when the operation was written. */
			readonly effects: string;
	  };

export interface ModelSource extends MemoryName {
	readonly contentHash: string;
}

export interface RestsOn {
	readonly mode: "all" | "any";
	readonly anchors: readonly ModelAnchor[];
	/** Alternatives of sets; empty: derived from nothing. */
	readonly sources: readonly (readonly ModelSource[])[];
}

export interface Ground {
	/** Lowest slot in which all of it holds. */
	readonly height: bigint;
	/** What it is derived from is marked itself. */
	readonly suspect: boolean;
	readonly grounds: Happening["grounds"];
}

/** Of what holds nowhere and is kept. */
export const LOST = { suspect: false, grounds: "lost" } as const;

/** A block as the model needs it. */
export interface GroundBlock {
	readonly number: bigint;
	readonly hash: string;
	/** What each of its transactions did. */
	readonly effects: ReadonlyMap<string, string>;
}

/** Undefined: it does not hold. `history` may have what is known of later slots already. */
export function groundOf(
	{ mode, anchors, sources }: RestsOn,
	chain: readonly GroundBlock[],
	history: History,
): Ground | undefined {
	const anchored = anchorsHold(mode, anchors, chain);
	const derived = sourcesHold(sources, history);
	if (anchored === undefined || derived === undefined) return undefined;
	const { height, suspect } = derived;
	const own = anchors.length === 0 ? "none" : anchored;
	return {
		height: anchored > height ? anchored : height,
		suspect,
		grounds: higherGrounds(own, derived.grounds),
	};
}

function anchorsHold(
	mode: RestsOn["mode"],
	anchors: readonly ModelAnchor[],
	chain: readonly GroundBlock[],
): bigint | undefined {
	if (anchors.length === 0) return 0n;
	const heights = anchors.map((anchor) => anchorHolds(anchor, chain));
	const found = heights.filter((height) => height !== undefined).sort(rising);
	if (mode === "any") return found.at(0);
	return found.length === heights.length ? found.at(-1) : undefined;
}

function anchorHolds(anchor: ModelAnchor, chain: readonly GroundBlock[]): bigint | undefined {
	const holder = chain.find((block) =>
		"block" in anchor
			? block.hash === anchor.block
			: block.effects.get(anchor.transaction) === anchor.effects,
	);
	return holder?.number;
}

const ON_NOTHING: Ground = { height: 0n, suspect: false, grounds: "none" };

/** Rather a set that is not marked; of those the one that holds first. */
function sourcesHold(sources: RestsOn["sources"], history: History): Ground | undefined {
	if (sources.length === 0) return ON_NOTHING;
	const sets = sources.map((set) => setHolds(set, history)).filter((set) => set !== undefined);
	return sets.sort((a, b) => +a.suspect - +b.suspect || rising(a.height, b.height)).at(0);
}

function setHolds(set: readonly ModelSource[], history: History): Ground | undefined {
	const members = set.map((source) => sourceHolds(source, history));
	const held = members.filter((member) => member !== undefined);
	if (held.length < members.length) return undefined;
	return held.reduce(
		(all, one) => ({
			height: all.height > one.height ? all.height : one.height,
			suspect: all.suspect || one.suspect,
			grounds: higherGrounds(all.grounds, one.grounds),
		}),
		ON_NOTHING,
	);
}

/** The memory said so, whatever it says by now; rather where it said so without a mark. */
function sourceHolds(source: ModelSource, history: History): Ground | undefined {
	const said = history.filter(
		(each) =>
			isSame(each, source) &&
			each.says !== undefined &&
			hashOf(each, each.owner, each.says) === source.contentHash &&
			isKept(history, each),
	);
	const [first] = said.toSorted((a, b) => +a.suspect - +b.suspect || rising(a.slot, b.slot));
	if (first === undefined) return undefined;
	return { height: first.slot, suspect: first.suspect, grounds: first.grounds };
}

function rising(a: bigint, b: bigint): number {
	return a < b ? -1 : a > b ? 1 : 0;
}
