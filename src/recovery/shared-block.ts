/**
 * The highest block that is kept here and is on a provider's chain as well: by bisection, since whoever shares
 * a block shares all below it. Headers are kept sparsely below the window, so that the chains may have parted
 * above the block that is found; that one is shared for certain.
 */
import type { Height, Hex } from "../domain/ids.ts";
import type { Place } from "../rollback/rollback-record.ts";

export interface KeptBlocks {
	readonly lowest: Place;
	readonly head: Place;
	/** The highest block that is kept at or below a height; undefined: below the lowest. */
	readonly atOrBelow: (height: Height) => Promise<Place | undefined>;
}

export interface OtherChain {
	readonly head: Height;
	/** Throws where it has no block at a height up to its head. */
	readonly hashAt: (height: Height) => Promise<Hex>;
}

/** Undefined: not even the lowest block is shared. Asks twice for each of some log2(height) heights. */
export async function highestShared(
	kept: KeptBlocks,
	other: OtherChain,
): Promise<Place | undefined> {
	const isShared = async ({ height, hash }: Place) => (await other.hashAt(height)) === hash;
	const top = kept.head.height < other.head ? kept.head : await kept.atOrBelow(other.head);
	if (top === undefined || !(await isShared(kept.lowest))) return undefined;
	if (await isShared(top)) return top;
	let shared = kept.lowest;
	// Up to `low` no higher one is shared; at `high` the chains differ.
	let low = shared.height;
	let high = top.height;
	while (high - low > 1n) {
		const middle = (low + high) / 2n;
		const place = await kept.atOrBelow(middle);
		if (place === undefined || place.height <= shared.height) low = middle;
		else if (await isShared(place)) {
			shared = place;
			low = middle;
		} else high = place.height;
	}
	return shared;
}
