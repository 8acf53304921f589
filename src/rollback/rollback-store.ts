/** What a rollback asks of Postgres. The adapter is store/writing/postgres-rollback-store.ts. */
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
}

export interface RollbackStore {
	/**
	 * Records it with its outbox entry, in one transaction. `supersedes` ends another in the same
	 * transaction. Throws `RetryableError("chain_busy")` while another is active.
	 */
	record(rollback: NewRollback, supersedes: RollbackId | undefined): Promise<void>;
	load(rollbackId: RollbackId): Promise<RollbackRecord | undefined>;
	active(chainId: ChainId): Promise<RollbackRecord | undefined>;
	/** Undefined: it is over, or another live process has it. */
	claim(rollbackId: RollbackId, holder: string, ttlMs: number): Promise<RollbackRecord | undefined>;
	/** The next five throw `RetryableError("rollback_fenced")` when the attempt is not the newest. */
	renewClaim(rollbackId: RollbackId, attempt: number, ttlMs: number): Promise<void>;
	progress(rollbackId: RollbackId, attempt: number, progress: StageProgress): Promise<void>;
	/** Says how this attempt gets the ancestor's state, and why so. */
	planned(
		rollbackId: RollbackId,
		attempt: number,
		choice: { readonly strategy: Strategy; readonly reason: string },
	): Promise<void>;
	/** Writes the change set and says that it is whole. */
	prepared(
		rollbackId: RollbackId,
		attempt: number,
		result: { readonly parts: readonly Part[]; readonly counts: Counts },
	): Promise<void>;
	commit(commit: RollbackCommit): Promise<void>;
	parts(rollbackId: RollbackId, attempt: number): Promise<readonly Part[]>;
	/** Ends it without a commit and deletes what it prepared; nothing if it is over already. */
	end(
		rollbackId: RollbackId,
		how: { readonly state: "cancelled" } | { readonly state: "failed"; readonly error: Problem },
	): Promise<void>;
	/**
	 * Gives the claim up, so that another try can begin at once. `failure`: why the strategy of this
	 * attempt does not do, for the planner of the next.
	 */
	release(rollbackId: RollbackId, attempt: number, failure: Problem | undefined): Promise<void>;
	checkpoint(chainId: ChainId, height: Height): Promise<Checkpoint | undefined>;
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
