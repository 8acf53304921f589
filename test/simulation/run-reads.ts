/** What the judges of a run read from its stores, past all faults; of fakes and of real ones alike. */
import type { StateRoots } from "../../src/commitment/state-root.ts";
import type {
	Generation,
	Height,
	Hex,
	LogPosition,
	MemoryKey,
	OperationId,
	VersionId,
} from "../../src/domain/ids.ts";
import type { Version } from "../../src/domain/memory.ts";
import type { OperationStatus } from "../../src/domain/operation.ts";
import type { LogEntry } from "../../src/writer/commit-batch.ts";

export interface RunReads {
	/** Entries above a position, rising. */
	log(after: LogPosition): Promise<readonly LogEntry[]>;
	/** Operations that were taken in under each Idempotency-Key. */
	keys(): Promise<ReadonlyMap<string, readonly OperationId[]>>;
	/** Version of what an operation has written, as it stands now. */
	versionOf(operationId: OperationId): Promise<VersionId | undefined>;
	/** Everything, once nothing moves any more. */
	held(): Promise<HeldRun>;
}

export interface HeldCheckpoint {
	readonly height: Height;
	readonly blockHash: Hex;
	readonly roots: StateRoots;
	readonly fromGen: Generation;
	readonly toGen: Generation;
}

export interface HeldOperation {
	readonly operationId: OperationId;
	readonly status: OperationStatus;
	readonly position: LogPosition | undefined;
	readonly originalSlot: Height | undefined;
	readonly effectiveSlot: Height | undefined;
	readonly suspect: boolean;
	/** Version that it wrote, as it stands. */
	readonly versionId: VersionId | undefined;
}

/** A vector, in the tail or in a collection's table. */
export interface HeldVector {
	readonly collection: string;
	readonly versionId: VersionId;
	readonly memoryKey: MemoryKey;
	readonly vector: Float32Array;
}

export interface HeldRun {
	readonly generation: Generation;
	readonly logPosition: LogPosition;
	readonly head: { readonly height: Height; readonly hash: Hex };
	/** Of the whole state with the pending slot. */
	readonly roots: StateRoots;
	/** Every row. */
	readonly versions: readonly Version[];
	readonly checkpoints: readonly HeldCheckpoint[];
	readonly operations: readonly HeldOperation[];
	/** Reports of committed rollbacks as JSON, the oldest first. */
	readonly reports: readonly string[];
	/** Operations that nobody has admitted or refused yet. */
	readonly inbox: readonly OperationId[];
	/** Rows above the pointer of their collection. */
	readonly tail: readonly HeldVector[];
	/** Rows of each collection's table, at the version that its pointer names. */
	readonly tables: readonly HeldVector[];
}
