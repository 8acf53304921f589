/**
 * What the follower does about a head that it saw: a pure function of the committed window and the
 * observation. It knows no longest-chain rule; the node's head is what counts.
 *
 * The follower calls it in a loop. It begins a round with the node's head alone as the branch, and as
 * long as the answer is `need`, it fetches that, lets the branch grow downward (branch.ts) and asks
 * again. Nothing changes before the answer is something else, and a block that the node cannot give
 * just ends the round. Each `need` that is met lowers the branch, which has a floor, so a round ends
 * after at most LIMITS.groupBlocks + LIMITS.windowMostBlocks of them.
 *
 * 1. A head that is committed already is never a reorg, however low: lagging nodes exist.
 * 2. The tip is built upon only by a block that names it as its parent.
 * 3. A reorg's ancestor is the highest block that both branches share, and its new branch ends in the
 *    head that revealed it.
 * 4. Nothing at or below the finalized block is ever orphaned. That block may be the ancestor, and so
 *    may the window's oldest.
 * 5. No observation throws: what does not link is answered with `inconsistent`.
 *
 * A start after downtime is an ordinary round over the stored window.
 */
import type { BlockHeader } from "../domain/block.ts";
import type { Height } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { validateLinked } from "./branch.ts";
import type { Backfill, Decision, Halt, Ignore, Need, Wait } from "./decision.ts";
import type { HeadBelow } from "./head-below.ts";
import type { HeaderWindow } from "./header-window.ts";
import { higher } from "./height.ts";

export interface Observed {
	/** The head that the node showed, or the top of the group that a backfill has just read. */
	readonly head: BlockHeader;
	/** Ascending and linked, ending in `head`; at first `[head]`. */
	readonly branch: readonly BlockHeader[];
	/**
	 * The finalized height of the committed chain as of its last commit, inclusive. Not the node's tag
	 * of this moment: a tip that was orphaned while nobody looked was never final.
	 */
	readonly finalized: Height;
	/** See head-below.ts; `isAgreed`: a quorum of the providers says so, and time is not waited for. */
	readonly headBelow: Pick<HeadBelow, "polls" | "elapsedMs"> & { readonly isAgreed?: boolean };
}

/** `window` undefined: the chain has no block yet. */
export function reconcile(window: HeaderWindow | undefined, observed: Observed): Decision {
	const { head, branch } = observed;
	const lowest = branch[0];
	const last = branch.at(-1);
	if (lowest === undefined || last?.hash !== head.hash || last.number !== head.number) {
		return { type: "inconsistent", message: `the branch does not end in its head ${head.hash}` };
	}
	const broken = validateLinked(branch);
	if (broken !== undefined) return { type: "inconsistent", message: broken.message };
	if (window === undefined) return { type: "start", head };
	if (window.has(head)) return canonicalHead(window, observed);
	if (head.number < window.oldest.number) {
		return mayLag(observed, "below_window") ?? wait(observed, "head_below_window");
	}
	if (lowest.number > window.tip.number + 1n) return gapBelow(lowest, window);

	const ancestor = highestShared(window, branch);
	if (ancestor === undefined) return walkBack(lowest, window, observed);
	const blocks = branch.filter((block) => block.number > ancestor.number);
	if (ancestor.number === window.tip.number) return { type: "extend", blocks };
	return (
		tooDeep(ancestor.number + 1n, window, observed) ?? {
			type: "reorg",
			ancestor,
			orphaned: window.above(ancestor.number),
			blocks,
		}
	);
}

function canonicalHead(window: HeaderWindow, observed: Observed): Decision {
	const { head, finalized } = observed;
	if (head.number === window.tip.number) return { type: "ignore", reason: "same_head" };
	const lagging = mayLag(observed, "canonical_below");
	if (lagging !== undefined) return lagging;
	if (head.number < finalized) return wait(observed, "head_below_finality");
	return { type: "shrink", ancestor: head, orphaned: window.above(head.number) };
}

/** A head below the tip that nothing contradicts. Undefined once it has stayed so for long enough. */
function mayLag(observed: Observed, reason: Ignore["reason"]): Ignore | Wait | undefined {
	const { polls, elapsedMs, isAgreed = false } = observed.headBelow;
	if (polls === 0) return { type: "ignore", reason };
	const isLong = polls >= LIMITS.shrinkPolls && elapsedMs >= LIMITS.shrinkMs;
	return isLong || isAgreed ? undefined : wait(observed, "unconfirmed_shrink");
}

function wait({ headBelow }: Observed, reason: Wait["reason"]): Wait {
	return { type: "wait", reason, polls: headBelow.polls, elapsedMs: headBelow.elapsedMs };
}

/**
 * Up to a group's size a gap is closed in one round and one commit: a larger commit gains nothing.
 * Above it every header of the gap would have to be held before the first block could be committed.
 */
function gapBelow(lowest: BlockHeader, { tip }: HeaderWindow): Need | Backfill {
	const from = tip.number + 1n;
	const to = lowest.number - 1n;
	if (to - tip.number > BigInt(LIMITS.groupBlocks)) {
		return { type: "backfill", from, to, parentHash: tip.hash };
	}
	return { type: "need", what: "gap", hash: lowest.parentHash, from, to };
}

/** Both sides link, so the highest block that they share proves all below it. */
function highestShared(
	window: HeaderWindow,
	branch: readonly BlockHeader[],
): BlockHeader | undefined {
	const inBranch = branch.findLast((block) => window.has(block));
	if (inBranch !== undefined) return inBranch;
	const lowest = branch[0];
	if (lowest === undefined) return undefined;
	const parent = window.at(lowest.number - 1n);
	return parent?.hash === lowest.parentHash ? parent : undefined;
}

/**
 * The branch does not meet the window yet. It asks for one block more than it knows up to the tip, so what it
 * knows doubles: a walk of 60 blocks takes six questions, and hardly more blocks are asked for in vain, below
 * the ancestor, than were orphaned. Never for the floor itself: its child names it.
 */
function walkBack(lowest: BlockHeader, window: HeaderWindow, observed: Observed): Need | Halt {
	const to = lowest.number - 1n;
	const halt = tooDeep(higher(to, window.oldest.number), window, observed);
	if (halt !== undefined) return halt;
	const floor = higher(observed.finalized, window.oldest.number);
	const known = window.tip.number - to;
	const from = higher(to - known, floor + 1n);
	return { type: "need", what: "parent", hash: lowest.parentHash, from, to };
}

/** `differsAt`: a height of the window at which the branch is known to have another block. */
function tooDeep(
	differsAt: Height,
	window: HeaderWindow,
	{ head, finalized }: Observed,
): Halt | undefined {
	const oldest = window.oldest.number;
	if (differsAt > finalized && differsAt > oldest) return undefined;
	const final = differsAt <= finalized;
	return {
		type: "halt",
		code: final ? "fork_below_finality" : "fork_below_window",
		message:
			`the node's head ${head.number} ${head.hash} is on a branch that differs from the committed ` +
			`chain at height ${differsAt}, ` +
			(final
				? `at or below the finalized height ${finalized}`
				: `and ${oldest} is the lowest height that is kept`),
		hint:
			"check that the node serves the right chain and is in sync; if its branch is right, " +
			"`recant recover` shows what is possible",
		fields: {
			headHeight: head.number.toString(),
			headHash: head.hash,
			differsAt: differsAt.toString(),
			committedHash: window.at(differsAt)?.hash ?? "",
			committedHead: window.tip.number.toString(),
			finalized: finalized.toString(),
			oldestRetained: oldest.toString(),
		},
	};
}
