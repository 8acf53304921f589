/**
 * A recovery: what an operator does about a chain that cannot go on by itself, as it stands in Postgres.
 *
 * 1. The chain stays halted until the transaction that puts it right: a rollback's commit, or an import's
 *    replacement. Whatever dies before that leaves it halted, with the recovery to go on or to fail.
 * 2. One runs at a time for a chain, and at most LIMITS.recoveryAttempts for one halt.
 * 3. What providers said is kept with it, without the secrets of their URLs.
 */
import type { ChainId, Height, Hex, RollbackId } from "../domain/ids.ts";
import type { JsonObject } from "../domain/operation.ts";
import type { NewRollback, Place, Strategy } from "../rollback/rollback-record.ts";
import type { Problem } from "../writer/writer-store.ts";

/**
 * accept: back to the block that the chain shares with the node's, and on from there. import: a snapshot's
 * state. rebuild: everything anew from the chain's first block.
 */
export const RECOVERY_KINDS = ["accept", "import", "rebuild"] as const;
export type RecoveryKind = (typeof RECOVERY_KINDS)[number];

/** running: its rollback or its import is under way. */
export const RECOVERY_STATES = ["running", "done", "failed"] as const;
export type RecoveryState = (typeof RECOVERY_STATES)[number];

export interface NewRecovery {
	/** UUID. */
	readonly recoveryId: string;
	readonly chainId: ChainId;
	readonly kind: RecoveryKind;
	/** The halt that it answers. */
	readonly problem: Problem;
	/** What it rests on: see `evidenceOf`. */
	readonly evidence: JsonObject;
}

export interface Recovery extends NewRecovery {
	readonly state: RecoveryState;
	/** 1 for the first that answers this halt. */
	readonly attempt: number;
	readonly error: Problem | undefined;
	/** Of an accept or a rebuild, as long as that is kept. */
	readonly rollbackId: RollbackId | undefined;
	readonly startedAt: Date;
	readonly finishedAt: Date | undefined;
}

/** What is recorded with a recovery, in one transaction. */
export type RecoveryWork =
	| { readonly type: "rollback"; readonly rollback: NewRollback }
	| { readonly type: "import"; readonly snapshotId: string };

/** A verified snapshot. */
export interface SnapshotOffer {
	readonly snapshotId: string;
	readonly height: Height;
	readonly blockHash: Hex;
	readonly memories: number;
}

/** What a recovery would do, or does. Fields that do not concern its kind are undefined. */
export interface RecoveryPlan {
	/** Block whose state it goes on from. */
	readonly from: Place;
	/** Highest block that chain and node share. */
	readonly ancestor: Place | undefined;
	/** Head of what it takes of the new branch; the follower goes on above. */
	readonly target: Place | undefined;
	/** Committed blocks that are taken back. */
	readonly depthBlocks: number;
	/** Memories that change, `memoriesLimit` and more counting as that many. */
	readonly memories: number | undefined;
	/** Agents' operations that are judged again; of an import those that go with the old state. */
	readonly operations: number;
	readonly strategy: Strategy | undefined;
	readonly strategyReason: string | undefined;
	readonly snapshot: SnapshotOffer | undefined;
}

/** The adapter is store/recovery/postgres-recovery-store.ts. */
export interface RecoveryStore {
	/**
	 * The newest first; `after`: those that follow this one. One whose rollback or import has failed reads as
	 * failed from then on. Locks nothing.
	 */
	list(
		chainId: ChainId,
		query: { readonly after: string | undefined; readonly limit: number },
	): Promise<readonly Recovery[]>;
	load(chainId: ChainId, recoveryId: string): Promise<Recovery | undefined>;
	/** How many were begun for this halt. */
	attempts(chainId: ChainId, problem: Problem): Promise<number>;
	/** Lowest and highest block of the present generation whose state is kept; undefined: none is. */
	kept(chainId: ChainId): Promise<{ readonly lowest: Place; readonly head: Place } | undefined>;
	keptAtOrBelow(chainId: ChainId, height: Height): Promise<Place | undefined>;
	/** The highest sealed one, of those that are kept. */
	checkpointAtOrBelow(chainId: ChainId, height: Height): Promise<Place | undefined>;
	/** Verified ones, the highest first; `snapshotId`: that one alone. */
	snapshots(
		chainId: ChainId,
		which: { readonly limit: number; readonly snapshotId: string | undefined },
	): Promise<readonly SnapshotOffer[]>;
	/** Agents' operations that were admitted: what an import would lose. */
	admitted(chainId: ChainId): Promise<number>;
	/**
	 * Records it with its work, in one transaction. Throws `FatalError("recovery_exhausted")`, and
	 * `RetryableError("chain_busy")` while another or a rollback is under way, or when the halt is over.
	 */
	begin(recovery: NewRecovery, work: RecoveryWork): Promise<Recovery>;
	/**
	 * Ends the running one if its rollback or import has ended without it. For the process that holds the lease
	 * and is importing nothing; nothing is done under an older fence.
	 */
	settle(chainId: ChainId, fence: bigint): Promise<void>;
}
