/**
 * Heights that a backfill left out: of a range only some stay readable, and what was believed between two of
 * them is not kept.
 *
 * Kept are the multiples of the chain's `every`, every height that has a checkpoint far below the head, and the
 * range's last, which was a committed head.
 */
import type { Height } from "./ids.ts";
import { LIMITS } from "./limits.ts";

/** Both bounds inclusive. */
export interface ThinnedRange {
	readonly from: Height;
	readonly to: Height;
	/** At least 2. */
	readonly every: number;
}

/** The lowest height, at or above this one, that stays readable in a range without end. */
export function keptAtOrAbove(height: Height, every: number): Height {
	const [one, other] = [every, LIMITS.checkpointIntervalBlocks].map((step) => {
		const size = BigInt(step);
		return ((height + size - 1n) / size) * size;
	}) as [Height, Height];
	return one < other ? one : other;
}

/** Undefined: the height is readable. Else the nearest readable ones, as far as the range has them. */
export function missingAt(
	height: Height,
	{ from, to, every }: ThinnedRange,
): { readonly below: Height; readonly above: Height } | undefined {
	if (height < from || height >= to) return undefined;
	const above = keptAtOrAbove(height, every);
	if (above === height) return undefined;
	const below = keptAtOrBelow(height, every);
	// What stands right below the range is whole.
	return { below: below < from ? from - 1n : below, above: above > to ? to : above };
}

function keptAtOrBelow(height: Height, every: number): Height {
	const [one, other] = [every, LIMITS.checkpointIntervalBlocks].map((step) => {
		const size = BigInt(step);
		return (height / size) * size;
	}) as [Height, Height];
	return one > other ? one : other;
}
