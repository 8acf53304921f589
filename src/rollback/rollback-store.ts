/** What a rollback asks of Postgres. The adapter is store/writing/postgres-rollback-store.ts. */
import type { StateRoots } from "../commitment/state-root.ts";
import type { BlockHeader } from "../domain/block.ts";
import type {
	ChainId,
	Generation,
	Height,
	Hex,
	MemoryKey,
	RollbackId,
	VersionId,
} from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import type { Shadow } from "../restore/shadow-store.ts";
import type { Checkpoint, CommitBatch, VectorPointers } from "../writer/commit-batch.ts";
import type { Problem } from "../writer/writer-store.ts";
import type { RollbackOrder } from "./orders.ts";
import type { Counts, NewRollback, RollbackRecord, Stage, Strategy } from "./rollback-record.ts";

/** What a stage says of itself; every field that is given is written. */
export interface StageProgress {
	readonly stage: Stage;
	readonly done: number;
	readonly total: number;
	readonly stageMs: Readonly<Partial<Record<Stage, number>>>;
}

/** A piece of a prepared change set. */
export interface Part {
	readonly part: string;
	readonly seq: number;
	readonly body: string;
}

export interface RollbackCommit {
	readonly rollbackId: RollbackId;
	readonly attempt: number;
	readonly fence: bigint;
	readonly batch: CommitBatch;
	readonly fromGeneration: Generation;
	readonly ancestor: Height;
	readonly counts: Counts;
	/** JSON. */
	readonly report: string;
	/** How the generation that ends stood. */
	readonly ended: {
		readonly height: Height;
		readonly hash: Hex;
		readonly versionId: VersionId;
		readonly pointers: VectorPointers;
	};
	/** Where each collection goes back to. */
	readonly pointers: VectorPointers;
	/**
	 * The ancestor's state where it was restored: the rows are brought to it before the batch is applied.
	 * Undefined: the batch has all that changes.
	 */
	readonly shadow: Pick<Shadow, "shadowId" | "height"> | undefined;
	readonly stageMs: Readonly<Partial<Record<Stage, number>>>;
	/** Of the ancestor's state where handlers derived it anew; undefined: it is as it was sealed. */
	readonly ancestorRoots?: StateRoots | undefined;
	/** Recovery that let it go below finality: with this commit it is done, and the chain's halt over. */
	readonly recoveryId?: string | undefined;
}

/** How an attempt failed for good. */
export interface Failure {
	readonly stage: Stage;
	readonly error: Problem;
	/** True: a change set that is whole stays, and a retry goes on with it. */
	readonly keepsPrepared: boolean;
}

export interface RollbackStore {
	/**
	 * Records it with its outbox entry, in one transaction. `supersedes` ends another in the same
	 * transaction, deletes what that one prepared, and hands on whether it is paused. Throws
	 * `RetryableError("chain_busy")` while another is active, when the chain is in another generation than
	 * the rollback is from, and when the one to be superseded is over.
	 */
	record(rollback: NewRollback, supersedes: RollbackId | undefined): Promise<void>;
	load(rollbackId: RollbackId): Promise<RollbackRecord | undefined>;
	active(chainId: ChainId): Promise<RollbackRecord | undefined>;
	/** Forks of that generation whose rollback failed and was not abandoned, the newest 100 first. */
	failedForks(chainId: ChainId, generation: Generation): Promise<readonly RollbackRecord[]>;
	/**
	 * Undefined: it is over, paused, or another live process has it. A change set that is whole stays with
	 * its attempt; else a new attempt begins, and what the one before left is deleted. One that was taken over
	 * too often fails here, as `takenOverTooOften` says, and is over.
	 */
	claim(rollbackId: RollbackId, holder: string, ttlMs: number): Promise<RollbackRecord | undefined>;
	/**
	 * The next six throw `RetryableError("rollback_fenced")` when the attempt is not the newest, and when
	 * the rollback is over.
	 */
	renewClaim(rollbackId: RollbackId, attempt: number, ttlMs: number): Promise<void>;
	/** Begins a stage, whose time is counted from here. False: it is paused, and nothing was written. */
	begin(rollbackId: RollbackId, attempt: number, progress: StageProgress): Promise<boolean>;
	/** How far the stage is that was begun last. */
	progress(rollbackId: RollbackId, attempt: number, progress: StageProgress): Promise<void>;
	/** Says how this attempt gets the ancestor's state, and why so. */
	planned(
		rollbackId: RollbackId,
		attempt: number,
		choice: { readonly strategy: Strategy; readonly reason: string },
	): Promise<void>;
	/** Writes the change set and says that it is whole; the stage under way ends. */
	prepared(
		rollbackId: RollbackId,
		attempt: number,
		result: { readonly parts: readonly Part[]; readonly counts: Counts },
	): Promise<void>;
	/** Everything in one transaction. Throws `rollback_fenced` also when it is paused or not prepared. */
	commit(commit: RollbackCommit): Promise<void>;
	parts(rollbackId: RollbackId, attempt: number): Promise<readonly Part[]>;
	/** Ends it as failed; what it prepared is deleted, or kept as said. False: as for `cancel`. */
	fail(rollbackId: RollbackId, attempt: number, failure: Failure): Promise<boolean>;
	/**
	 * Ends it, as the branch is gone, and deletes what it prepared. False: it is over, or another attempt
	 * has begun, and nothing was written.
	 */
	cancel(rollbackId: RollbackId, attempt: number): Promise<boolean>;
	/**
	 * Gives the claim up, so that another try can begin at once; nothing if the attempt was overtaken.
	 * `failure`: why the strategy of this attempt does not do, for the planner of the next. Without
	 * `keepsPrepared` the next try prepares anew.
	 */
	release(
		rollbackId: RollbackId,
		attempt: number,
		how: { readonly failure: Problem | undefined; readonly keepsPrepared: boolean },
	): Promise<void>;
	/**
	 * Does what an operator ordered, as `obeyed` decides on the locked row, in one transaction: of two at
	 * once the second meets what the first made of it. A retry and a resume have their outbox entry.
	 * Answers the rollback as it is then. Throws what `obeyed` throws, and `FatalError("rollback_not_found")`.
	 */
	order(rollbackId: RollbackId, order: RollbackOrder): Promise<RollbackRecord>;
	checkpoint(chainId: ChainId, height: Height): Promise<Checkpoint | undefined>;
	/** Header of a block of the present generation, also below the window; undefined: it is not kept. */
	block(chainId: ChainId, height: Height): Promise<BlockHeader | undefined>;
	/** Memories that changed above the ancestor, or ended by themselves in (ancestor, to]. */
	touched(
		chainId: ChainId,
		range: { readonly ancestor: Height; readonly to: Height; readonly limit: number },
	): Promise<readonly MemoryKey[]>;
	/**
	 * Of each memory the rows of the present generation that begin above the ancestor, and the newest
	 * of those that do not.
	 */
	versionsAround(
		chainId: ChainId,
		keys: readonly MemoryKey[],
		ancestor: Height,
	): Promise<ReadonlyMap<MemoryKey, readonly Version[]>>;
}
