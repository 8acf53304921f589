/** How far what a memory rests on is out of a fork's reach. */
import type { Height } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import { FINALITIES, type Finality } from "../domain/provenance.ts";

/** The chain's marks; undefined: not known yet. Blocks above `head` are no part of what is believed. */
export interface FinalityMarks {
	readonly head: Height | undefined;
	readonly safe: Height | undefined;
	readonly finalized: Height | undefined;
}

/** A version that rests on no block is finalized: no fork can take its ground away. */
export function finalityOf(
	{ suspect, grounds }: Pick<Version, "suspect" | "grounds">,
	{ head, safe, finalized }: FinalityMarks,
): Finality {
	if (suspect) return "pending";
	if (grounds === undefined) return "finalized";
	if (finalized !== undefined && grounds <= finalized) return "finalized";
	if (safe !== undefined && grounds <= safe) return "safe";
	return head !== undefined && grounds <= head ? "latest" : "pending";
}

export function isAtLeast(finality: Finality, least: Finality): boolean {
	return FINALITIES.indexOf(finality) >= FINALITIES.indexOf(least);
}

/** Marks as a generation that a later one took back knows them: above their ancestor nothing is believed. */
export function marksUpTo(marks: FinalityMarks, ancestor: Height | undefined): FinalityMarks {
	if (ancestor === undefined) return marks;
	const least = (height: Height | undefined) =>
		height === undefined || height < ancestor ? height : ancestor;
	return {
		head: least(marks.head),
		safe: least(marks.safe),
		finalized: least(marks.finalized),
	};
}
