/** A rollback as it stands in Postgres, and the stages that it goes through. */
import type { ForkEvidence } from "../chain/decision.ts";
import type { BlockHeader } from "../domain/block.ts";
import type { ChainId, Generation, Height, Hex, RollbackId } from "../domain/ids.ts";
import type { Problem } from "../writer/writer-store.ts";

/** In this order. The first three only prepare; the last two are the lease holder's. */
export const STAGES = ["plan", "rewind", "replay", "verify", "commit"] as const;
export type Stage = (typeof STAGES)[number];

export const ACTIVE_STATES = ["recorded", "running", "prepared"] as const;
export type RollbackState =
	| (typeof ACTIVE_STATES)[number]
	| "committed"
	| "superseded"
	| "cancelled"
	| "failed"
	| "abandoned";

/** How a rollback gets the ancestor's state, see strategy.ts. */
export const STRATEGIES = ["rewind", "snapshot", "rebuild"] as const;
export type Strategy = (typeof STRATEGIES)[number];

export interface Place {
	readonly height: Height;
	readonly hash: Hex;
}

export interface Counts {
	readonly recanted: number;
	readonly suspended: number;
	readonly reinstated: number;
	readonly replayed: number;
	readonly derivedAnew: number;
}

export const NO_COUNTS: Counts = {
	recanted: 0,
	suspended: 0,
	reinstated: 0,
	replayed: 0,
	derivedAnew: 0,
};

/** handlers: the state is derived anew by other handlers, see rederive/; the chain took nothing back. */
export const ROLLBACK_CAUSES = ["reorg", "manual", "handlers"] as const;
export type RollbackCause = (typeof ROLLBACK_CAUSES)[number];

export interface NewRollback {
	readonly rollbackId: RollbackId;
	readonly chainId: ChainId;
	readonly cause: RollbackCause;
	readonly fromGeneration: Generation;
	readonly ancestor: Place;
	/** Committed head when it was recorded. */
	readonly from: Place;
	/** New branch, ascending from the ancestor's child; empty for a manual rollback. Of `handlers`: the node's. */
	readonly branch: readonly BlockHeader[];
	readonly supersessions: number;
	/** Strategy that an operator named; undefined: the planner chooses. */
	readonly wantedStrategy: Strategy | undefined;
	/** Recovery that lets it go below finality; undefined: it may not. */
	readonly recoveryId?: string | undefined;
	/** What its fork was followed on; undefined: it follows none that the follower saw. */
	readonly evidence?: ForkEvidence | undefined;
}

export interface RollbackRecord extends NewRollback {
	readonly state: RollbackState;
	/** Of the newest attempt; undefined until one has begun. */
	readonly stage: Stage | undefined;
	/** True: no stage begins before an operator lets it go on. Only while it is active. */
	readonly paused: boolean;
	/** Stage at which it failed; stays when it is abandoned. */
	readonly failedStage: Stage | undefined;
	/** How often an operator had it tried again; each time it has a job of its own. */
	readonly retries: number;
	/** Raised at each claim; every write of a stage names it (INV-6). */
	readonly attempt: number;
	/** How often it was claimed from a holder that had not given it up, since the last retry. */
	readonly takeovers: number;
	readonly claimHolder: string | undefined;
	readonly claimUntil: Date | undefined;
	/** Items of the stage. */
	readonly done: number;
	readonly total: number;
	readonly counts: Counts;
	/**
	 * Milliseconds of each stage that has ended, of the newest attempt; when the rollback has ended, of the
	 * one at which it did as well.
	 */
	readonly stageMs: Readonly<Partial<Record<Stage, number>>>;
	/** By the database's clock; undefined while no stage is under way. */
	readonly stageStartedAt: Date | undefined;
	/** When this was read, by the same clock: a rate needs no clock of the reader. */
	readonly readAt: Date;
	/** Of the newest attempt; undefined until it is planned. */
	readonly strategy: Strategy | undefined;
	readonly strategyReason: string | undefined;
	/** Why it failed, or why the newest attempt did where another strategy may do. */
	readonly error: Problem | undefined;
	readonly supersededBy: RollbackId | undefined;
	readonly createdAt: Date;
	/** When it ended; one that is abandoned ended when it failed. */
	readonly finishedAt: Date | undefined;
}

/** Head of the new branch; the ancestor itself for a manual rollback. */
export function targetOf(rollback: Pick<NewRollback, "ancestor" | "branch">): Place {
	const head = rollback.branch.at(-1);
	return head === undefined ? rollback.ancestor : { height: head.number, hash: head.hash };
}

export function isActive(state: RollbackState): boolean {
	return (ACTIVE_STATES as readonly RollbackState[]).includes(state);
}
