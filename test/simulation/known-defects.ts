/**
 * What the simulation found in production code and is not mended yet. A run that ends in one of them counts
 * as such, and not as failed; whoever mends one takes it out of here.
 */
interface KnownDefect {
	readonly failure: RegExp;
	/** What is wrong, and a seed that shows it. */
	readonly what: string;
}

export const KNOWN_DEFECTS: readonly KnownDefect[] = [
	{
		failure: /ImpossibleHistory: 0x\w+ is not on the chain/,
		what: "an operation that waited in the inbox while the block of its anchor was orphaned and finality passed it is admitted: below the window anchorProblem (writer/preview-entry.ts) takes any block for canonical. Seed 3166",
	},
];

export function isKnown(failure: string): boolean {
	return KNOWN_DEFECTS.some((each) => each.failure.test(failure));
}
