/**
 * Whether a fork that was seen is followed now, or looked at again: a pure function of how deep it is, who
 * confirms it, and for how long it was seen.
 *
 * 1. What a quorum of the providers has is followed at once, whatever else.
 * 2. What most of those who answered deny is not followed.
 * 3. A fork that orphans no more than the chain's file allows is followed at once, but for 2.
 * 4. A deeper one has to be seen in several looks in a row. So has one that leads back to a branch which was
 *    left lately, with twice the looks, and for some time: nodes behind one URL that disagree look exactly
 *    like a chain that changes its mind, and each return makes the next one harder, up to a bound.
 * 5. A branch that grows while ours stands still is the chain, also where the looks never agree for long:
 *    a node that is stuck behind the same URL must not hold the chain for good.
 *
 * So there is an end to every wait on a branch that the node goes on to show: its looks, and its time, are
 * bounded. What is denied, or comes and goes, is said in the chain's status for as long as it is so.
 */
import { LIMITS } from "../domain/limits.ts";

/** What the providers of a chain say of one block, each asked by itself; the three add up to all of them. */
export interface BranchSupport {
	/** Have exactly this block at its height. */
	readonly confirming: number;
	/** Have another block there, or none although their head is as high. */
	readonly denying: number;
	/** Gave no answer in time, are put aside, or lag below that height. */
	readonly silent: number;
}

/** As a chain's file gives them. */
export interface ReorgRules {
	/** Orphaned blocks up to which a fork is followed at once. */
	readonly confirmBeyondDepth: number;
	/** Share of the providers that answered above which they are a quorum; 0.5 to 0.99. */
	readonly quorum: number;
	/** Looks in a row where there is no quorum, 1 to LIMITS.forkPolls. */
	readonly polls: number;
}

export const DEFAULT_REORG_RULES: ReorgRules = { confirmBeyondDepth: 64, quorum: 0.5, polls: 3 };

export interface ForkLook {
	/** Blocks that it orphans. */
	readonly depth: number;
	/** Of the branch's lowest block; undefined: nobody was asked. */
	readonly support: BranchSupport | undefined;
	/** Looks in a row that showed this branch, with this one, and milliseconds from the first of them. */
	readonly looks: number;
	readonly heldMs: number;
	/** Returns to branches that had been left, lately; undefined: this one was not left lately. */
	readonly returns: number | undefined;
	/** Blocks that its head went up since it was first seen, while the committed chain did not move. */
	readonly grown: number;
}

/** Looks in a row, and milliseconds over them, that a fork without a quorum needs. */
export interface ForkDemands {
	readonly looks: number;
	readonly heldMs: number;
}

export type ForkVerdict =
	| { readonly type: "act"; readonly because: "shallow" | "quorum" | "polls" | "grown" }
	| {
			readonly type: "wait";
			readonly because: "deep" | "returning" | "denied";
			readonly demands: ForkDemands;
	  };

export function judgeFork(look: ForkLook, rules: ReorgRules): ForkVerdict {
	const demands = forkDemands(look, rules);
	if (isQuorum(look.support, rules.quorum)) return { type: "act", because: "quorum" };
	if (isDenied(look.support)) return { type: "wait", because: "denied", demands };
	if (look.looks >= demands.looks && look.heldMs >= demands.heldMs) {
		const isShallow = look.returns === undefined && look.depth <= rules.confirmBeyondDepth;
		return { type: "act", because: isShallow ? "shallow" : "polls" };
	}
	if (look.grown >= demands.looks) return { type: "act", because: "grown" };
	return { type: "wait", because: look.returns === undefined ? "deep" : "returning", demands };
}

export function forkDemands(
	{ depth, returns }: Pick<ForkLook, "depth" | "returns">,
	{ confirmBeyondDepth, polls }: ReorgRules,
): ForkDemands {
	if (returns !== undefined) {
		const times = 2 ** Math.min(returns, LIMITS.forkDoublings);
		return { looks: 2 * polls * times, heldMs: LIMITS.forkReturnMs * times };
	}
	return { looks: depth <= confirmBeyondDepth ? 1 : polls, heldMs: 0 };
}

/** Whether so many confirm it that their word is enough; one provider alone is no quorum. */
export function isQuorum(support: BranchSupport | undefined, quorum: number): boolean {
	if (support === undefined) return false;
	const answered = support.confirming + support.denying;
	return answered >= 2 && support.confirming > answered * quorum;
}

/** Whether most of those who answered deny it. */
export function isDenied(support: BranchSupport | undefined): boolean {
	return support !== undefined && support.denying > support.confirming;
}
