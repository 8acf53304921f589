/**
 * Heights by time, exactly. Timestamps rise with heights, so the height is searched by halves.
 *
 * 1. Headers that are kept are asked first; in the window there are no others.
 * 2. Below it not every header is kept. A search that ends between two that are has found a gap; the node
 *    is asked for headers in it, which are final there.
 */
import type { BlockHeader } from "../../domain/block.ts";
import type { Height } from "../../domain/ids.ts";

/** Lowest height whose block is not older; between the two, both inclusive, where no header is kept. */
export interface HeightRange {
	readonly from: Height;
	readonly to: Height;
}

/** Headers that are kept, of one branch. */
export interface KeptHeaders {
	/** The lowest at or above `height`. */
	headerFrom(height: Height): Promise<BlockHeader | undefined>;
	/** The highest below `height`. */
	headerBelow(height: Height): Promise<BlockHeader | undefined>;
}

/** Where the first block stands that is not older than `seconds`; `head + 1` if none up to the head is. */
export async function keptHeightAt(
	headers: KeptHeaders,
	head: Height,
	seconds: bigint,
): Promise<HeightRange> {
	let from = 0n;
	let to = head + 1n;
	while (from < to) {
		const middle = (from + to) / 2n;
		const above = await headers.headerFrom(middle);
		if (above !== undefined && above.number < to && above.timestamp < seconds) {
			from = above.number + 1n;
			continue;
		}
		if (above?.number === middle) {
			to = middle;
			continue;
		}
		// Nothing is kept at the middle, and what is kept above it is not older.
		const below = await headers.headerBelow(middle);
		const end = above === undefined || above.number > to ? to : above.number;
		if (below === undefined || below.number < from) return { from, to: end };
		if (below.timestamp < seconds) return { from: below.number + 1n, to: end };
		to = below.number;
	}
	return { from, to };
}

/** Settles a range by asking for the blocks in it; `timestamp` answers in seconds. */
export async function heightWithin(
	range: HeightRange,
	seconds: bigint,
	timestamp: (height: Height) => Promise<bigint>,
): Promise<Height> {
	let { from, to } = range;
	while (from < to) {
		const middle = (from + to) / 2n;
		if ((await timestamp(middle)) < seconds) from = middle + 1n;
		else to = middle;
	}
	return from;
}
