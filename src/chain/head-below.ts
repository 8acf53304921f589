/**
 * Counts how long a node's head has stayed below the committed tip while the node denies the tip.
 *
 * A lagging node looks exactly like a chain that was rolled back, and only time tells them apart: a
 * node that catches up shows another head soon, so another head begins the count anew.
 */
import type { Hex } from "../domain/ids.ts";
import { type BranchSupport, isQuorum, type ReorgRules } from "./branch-support.ts";

/** `polls` in a row, over `elapsedMs` from the first of them. */
export interface HeadBelow {
	readonly polls: number;
	readonly elapsedMs: number;
	/** The head that was counted, and when it was first; undefined at 0 polls. */
	readonly first: { readonly headHash: Hex; readonly atMs: number } | undefined;
	/** Of that head, of providers of which none has the tip; undefined: they were not asked. */
	readonly support: BranchSupport | undefined;
}

/** The node's head is not below the tip, or the node knows the tip. */
export const NOT_BELOW: HeadBelow = {
	polls: 0,
	elapsedMs: 0,
	first: undefined,
	support: undefined,
};

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
	const { headHash, nowMs } = poll;
	if (first === undefined || first.headHash !== headHash) {
		return { ...NOT_BELOW, polls: 1, first: { headHash, atMs: nowMs } };
	}
	return { ...NOT_BELOW, polls: previous.polls + 1, elapsedMs: nowMs - first.atMs, first };
}

/**
 * Whether a quorum of the providers has that head and none has the tip. Also then it takes a few looks, `lookMs`
 * apart: providers that have only not heard of the newest block yet say exactly the same.
 */
export function isAgreed(
	{ polls, elapsedMs, support }: Pick<HeadBelow, "elapsedMs" | "polls" | "support">,
	{ rules, lookMs }: { readonly rules: ReorgRules; readonly lookMs: number },
): boolean {
	const isHeld = polls >= rules.polls && elapsedMs >= (rules.polls - 1) * lookMs;
	return isHeld && isQuorum(support, rules.quorum);
}
