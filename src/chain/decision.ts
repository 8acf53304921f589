/**
 * What the follower may be told to do about a head, one type each. reconcile.ts decides.
 */
import type { BlockHeader } from "../domain/block.ts";
import type { Height, Hex } from "../domain/ids.ts";
import type { BranchSupport, ForkDemands } from "./branch-support.ts";

/** Nothing is to be done. below_window: too low to tell whether it is canonical. */
export interface Ignore {
	readonly type: "ignore";
	readonly reason: "same_head" | "canonical_below" | "below_window";
}

/** The chain has no window yet: the follower chooses its first block. */
interface Start {
	readonly type: "start";
	readonly head: BlockHeader;
}

/** `blocks` ascend from the tip's child to the head. */
interface Extend {
	readonly type: "extend";
	readonly blocks: readonly BlockHeader[];
}

/**
 * Headers `from` to `to`, both inclusive, of which the one at `to` has this hash. Asked for by number
 * in one go they are a guess; what does not link is dropped, and if nothing does, `hash` is asked for.
 */
export interface Need {
	readonly type: "need";
	/** gap: between the tip and the branch. parent: the walk back from a fork. */
	readonly what: "gap" | "parent";
	readonly hash: Hex;
	readonly from: Height;
	readonly to: Height;
}

/**
 * The head is far above the tip: heights `from` to `to`, both inclusive, are to be taken in groups.
 * This does NOT say that the tip is still canonical. Before a group is committed, its headers, or the
 * lowest of them alone, are reconciled as a head of their own; only `extend` lets it be committed.
 */
export interface Backfill {
	readonly type: "backfill";
	readonly from: Height;
	readonly to: Height;
	/** Hash of the tip: what the block at `from` must name as its parent. */
	readonly parentHash: Hex;
}

/** The committed chain above `ancestor` gives way to another branch. Both lists ascend from there. */
export interface Reorg {
	readonly type: "reorg";
	readonly ancestor: BlockHeader;
	/** Up to the tip; never empty. */
	readonly orphaned: readonly BlockHeader[];
	/** Up to the head; never empty. */
	readonly blocks: readonly BlockHeader[];
}

/** The chain was rolled back to `ancestor`, its head. `orphaned` ascends up to the tip. */
export interface Shrink {
	readonly type: "shrink";
	readonly ancestor: BlockHeader;
	readonly orphaned: readonly BlockHeader[];
}

/**
 * Nothing is to be done yet, and it should be seen that the node is behind. unconfirmed_shrink: not
 * for long enough. The others: it has stayed so, but a head below the finalized block is no evidence
 * of a fork, so the chain waits until the node catches up or shows another block.
 */
export interface Wait {
	readonly type: "wait";
	readonly reason: "unconfirmed_shrink" | "head_below_finality" | "head_below_window";
	readonly polls: number;
	readonly elapsedMs: number;
}

/**
 * Why another branch is taken for the node's. parent_mismatch: the block above the tip names another parent.
 * other_hash: a block at a committed height is another. head_below: the head is lower than the tip.
 * tag_off_chain: the safe or the finalized block is not on the committed chain. removed_logs: a provider said
 * of logs that they were taken back.
 */
export const FORK_SIGNALS = [
	"parent_mismatch",
	"other_hash",
	"head_below",
	"tag_off_chain",
	"removed_logs",
] as const;
export type ForkSignal = (typeof FORK_SIGNALS)[number];

/** What was enough to follow a fork; see branch-support.ts. */
export const FORK_GROUNDS = ["shallow", "quorum", "polls", "grown"] as const;
export type ForkGround = (typeof FORK_GROUNDS)[number];

/** What a fork was followed on, as it stands in the rollback's record. */
export interface ForkEvidence {
	readonly signals: readonly ForkSignal[];
	/** Blocks that it orphans. */
	readonly depth: number;
	/** Of its lowest block, or of the head of a shrink; undefined: only the provider that showed it was asked. */
	readonly support: BranchSupport | undefined;
	/** Looks in a row that showed it, and milliseconds from the first of them. */
	readonly polls: number;
	readonly heldMs: number;
	readonly because: ForkGround;
}

/** A fork that is not followed yet; see branch-support.ts. */
export interface Unconfirmed {
	readonly type: "unconfirmed";
	readonly ancestor: BlockHeader;
	readonly because: "deep" | "returning" | "denied";
	readonly evidence: Omit<ForkEvidence, "because">;
	readonly demands: ForkDemands;
}

/** The fork lies deeper than may be rolled back. Has what a FatalError of that code takes. */
export interface Halt {
	readonly type: "halt";
	readonly code: "fork_below_finality" | "fork_below_window";
	readonly message: string;
	readonly hint: string;
	readonly fields: Readonly<Record<string, string>>;
}

/** The observation contradicts itself, as when the node moved between two answers: ask again. */
interface Inconsistent {
	readonly type: "inconsistent";
	readonly message: string;
}

export type Decision =
	| Ignore
	| Start
	| Extend
	| Need
	| Backfill
	| Reorg
	| Shrink
	| Wait
	| Halt
	| Inconsistent;
