/**
 * Which provider is asked first: the one that was, as long as there is no reason for another.
 *
 * One at a time is asked, and not several in turn, so that a round sees one view of the chain: two nodes show a
 * new head at different times, and a walk back over both would begin anew whenever they differ.
 */

/** What is known of a provider that may be asked now. */
export interface Candidate {
	/** Place in the chain's file, from 0: the order of preference. */
	readonly index: number;
	/** What its next small request is expected to take. */
	readonly costMs: number;
	/** Whether an answer's latency was ever seen. */
	readonly isMeasured: boolean;
}

interface Held<Which extends Candidate> {
	/** Who was asked last; undefined, or not among the candidates: whoever is best. */
	readonly holder: Which | undefined;
	/** For how long it was. */
	readonly heldMs: number;
}

/** A difference below it is none: a request to the first of the file is worth so much. */
const TIE_MS = 100;
/** What makes a later one better: half the cost, and more than a local network's noise. */
const BETTER_FACTOR = 2;
const BETTER_MS = 50;
/** How long a holder is kept that only became slow. */
const HOLD_MS = 30_000;

/** `candidates` in the order of the file, not empty. */
export function preferred<Which extends Candidate>(
	candidates: readonly Which[],
	{ holder, heldMs }: Held<Which>,
): Which | undefined {
	const held = holder !== undefined && candidates.includes(holder) ? holder : undefined;
	let best = held;
	for (const candidate of candidates) {
		if (best === undefined) best = candidate;
		else if (candidate.index < best.index) {
			if (candidate.costMs <= best.costMs + TIE_MS) best = candidate;
		} else if (isBetter(candidate, best) && (best !== held || heldMs >= HOLD_MS)) best = candidate;
	}
	return best;
}

function isBetter(one: Candidate, other: Candidate): boolean {
	return one.isMeasured && one.costMs * BETTER_FACTOR + BETTER_MS < other.costMs;
}
