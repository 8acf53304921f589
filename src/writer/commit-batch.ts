/**
 * What one commit changes: everything, in one transaction, or nothing.
 *
 * A batch is made against a log position and a generation; the store applies it only when both are
 * still so and the writer's fence is still the newest (INV-2, INV-3).
 */

import type { StateDigest } from "../commitment/state-digest.ts";
import type { BlockHeader } from "../domain/block.ts";
import type {
	ChainId,
	Generation,
	Height,
	Hex,
	LogPosition,
	MemoryKey,
	OperationId,
	VersionId,
} from "../domain/ids.ts";
import type { Layer } from "../domain/layer.ts";
import type { OperationReason, OperationStatus } from "../domain/operation.ts";
import type { StateChanges } from "../memory/state-editor.ts";

export type LogKind =
	| "block"
	| "derived"
	| "finality"
	| "halt"
	| "operation"
	| "refused"
	| "rollback"
	| "verdict";

export interface LogEntry {
	readonly position: LogPosition;
	readonly generation: Generation;
	readonly height: Height;
	readonly kind: LogKind;
	readonly operationId: OperationId | undefined;
	readonly memoryKey: MemoryKey | undefined;
	/** JSON. */
	readonly body: string;
}

export interface VectorPointer {
	readonly tableVersion: bigint;
	readonly versionId: VersionId;
	/** Milliseconds since the epoch at which the table version was made. */
	readonly at: number;
}

/** By collection. */
export type VectorPointers = Readonly<Record<string, VectorPointer>>;

export interface Checkpoint {
	readonly height: Height;
	readonly blockHash: Hex;
	readonly logPosition: LogPosition;
	readonly versionId: VersionId;
	readonly digest: StateDigest;
	readonly pointers: VectorPointers;
}

/** Where an agent's operation stands after the commit. */
export interface OperationUpdate {
	readonly operationId: OperationId;
	readonly status: Exclude<OperationStatus, "queued">;
	readonly reason: OperationReason | undefined;
	readonly position: LogPosition;
	readonly originalSlot: Height;
	readonly effectiveSlot: Height | undefined;
	readonly judgedSlot: Height;
	readonly versionId: VersionId | undefined;
	/** Where its anchor stands now; undefined: as before. */
	readonly anchor: { readonly blockHash: Hex; readonly height: Height } | undefined;
}

/** A version that has a vector. */
export interface EmbeddedVersion {
	readonly collection: string;
	readonly versionId: VersionId;
	readonly memoryKey: MemoryKey;
	readonly namespace: string;
	readonly layer: Layer;
	readonly fromBlock: Height;
	readonly vector: Float32Array;
}

export interface CommitBatch {
	readonly chainId: ChainId;
	/** Generation of the rows in this batch. */
	readonly generation: Generation;
	/** Log position before the batch. */
	readonly basePosition: LogPosition;
	readonly logPosition: LogPosition;
	readonly versionSeq: VersionId;
	readonly digest: StateDigest;
	readonly head: BlockHeader | undefined;
	readonly safe: Height | undefined;
	readonly finalized: Height | undefined;
	readonly log: readonly LogEntry[];
	readonly changes: StateChanges;
	readonly vectors: readonly EmbeddedVersion[];
	readonly blocks: readonly BlockHeader[];
	readonly checkpoints: readonly Checkpoint[];
	readonly operations: readonly OperationUpdate[];
	/** Inbox entries that this batch settles. */
	readonly settledEntries: readonly bigint[];
}
