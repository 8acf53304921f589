/**
 * Counts how long a node's head has stayed below the committed tip while the node denies the tip.
 *
 * A lagging node looks exactly like a chain that was rolled back, and only time tells them apart: a
 * node that catches up shows another head soon, so another head begins the count anew.
 */
import type { Hex } from "../domain/ids.ts";

/** `polls` in a row, over `elapsedMs` from the first of them. */
export interface HeadBelow {
	readonly polls: number;
	readonly elapsedMs: number;
	/** The head that was counted, and when it was first; undefined at 0 polls. */
	readonly first: { readonly headHash: Hex; readonly atMs: number } | undefined;
}

/** The node's head is not below the tip, or the node knows the tip. */
export const NOT_BELOW: HeadBelow = { polls: 0, elapsedMs: 0, first: undefined };

/**
 * One more poll whose head was below the tip, uncontradicted, at a node that answered that it does
 * not have the tip. `nowMs` is of a clock that never goes back. Every other poll resets the count to
 * NOT_BELOW; a poll that was not answered leaves it as it is.
 */
export function countHeadBelow(
	previous: HeadBelow,
	poll: { readonly headHash: Hex; readonly nowMs: number },
): HeadBelow {
	const { first } = previous;
	if (first === undefined || first.headHash !== poll.headHash) {
		return { polls: 1, elapsedMs: 0, first: { headHash: poll.headHash, atMs: poll.nowMs } };
	}
	return { polls: previous.polls + 1, elapsedMs: poll.nowMs - first.atMs, first };
}
