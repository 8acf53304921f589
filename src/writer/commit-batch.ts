/**
 * What one commit changes: everything, in one transaction, or nothing.
 *
 * A batch is made against a log position and a generation; the store applies it only when both are
 * still so and the writer's fence is still the newest (INV-2, INV-3).
 */

import type { LeafChange } from "../commitment/leaf-changes.ts";
import type { StateRoots } from "../commitment/state-root.ts";
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
import type { AnchorSet, OperationReason, OperationStatus } from "../domain/operation.ts";
import type { SourceRef } from "../domain/provenance.ts";
import type { ThinnedRange } from "../domain/thinned-range.ts";
import type { StateChanges } from "../memory/state-editor.ts";

export type LogKind =
	| "block"
	| "derived"
	| "finality"
	| "halt"
	| "operation"
	| "refused"
	| "repair"
	| "report"
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

/** A sealed block before its roots are known. */
export interface Sealed {
	readonly height: Height;
	readonly blockHash: Hex;
	/**
	 * The last entry that speaks of the block or of what is below it: no version there has a higher one, and what
	 * follows goes on behind it. That is the block's own entry, or that of the group which it ends.
	 */
	readonly logPosition: LogPosition;
	readonly versionId: VersionId;
	readonly pointers: VectorPointers;
}

export interface Checkpoint extends Sealed {
	readonly roots: StateRoots;
}

/** What changes in the state tree up to a sealed block; the last step of a batch ends in the pending slot. */
export interface LeafStep {
	readonly changes: readonly LeafChange[];
	readonly sealed: Sealed | undefined;
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
	/** True: it takes effect although what it rests on is gone. */
	readonly suspect: boolean;
	/** Where its anchors stand now. */
	readonly anchors: AnchorSet;
}

/** One source of one alternative of what an operation was derived from. */
export interface Derivation {
	/** Of the operation, see Version.position. */
	readonly position: LogPosition;
	readonly setNo: number;
	readonly sourceNo: number;
	/** The memory that was derived. */
	readonly memoryKey: MemoryKey;
	readonly source: SourceRef;
	/** 1: derived from what is not derived itself. */
	readonly depth: number;
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
	/** With the pending slot. */
	readonly roots: StateRoots;
	readonly head: BlockHeader | undefined;
	readonly safe: Height | undefined;
	readonly finalized: Height | undefined;
	readonly log: readonly LogEntry[];
	readonly changes: StateChanges;
	readonly vectors: readonly EmbeddedVersion[];
	readonly blocks: readonly BlockHeader[];
	readonly checkpoints: readonly Checkpoint[];
	readonly operations: readonly OperationUpdate[];
	/** Of operations that are admitted, and of what the writer derives itself. */
	readonly derivations: readonly Derivation[];
	/** Inbox entries that this batch settles. */
	readonly settledEntries: readonly bigint[];
	/** Heights that are not all readable; undefined: none of this batch's. */
	readonly thinned: ThinnedRange | undefined;
}

/** A batch as it is assembled. Whoever holds the state tree applies the steps and gets its roots. */
export type UnrootedBatch = Omit<CommitBatch, "roots" | "checkpoints"> & {
	readonly steps: readonly LeafStep[];
};

/** Whether the batch's blocks follow one another; a backfilled group leaves blocks out. */
export function isChain(batch: CommitBatch): boolean {
	return batch.blocks.every((block, index) => {
		const parent = batch.blocks[index - 1];
		return parent === undefined || parent.hash === block.parentHash;
	});
}

/** Whether a table went back to an older version. */
export function movedBack(before: VectorPointers, now: VectorPointers): boolean {
	return Object.entries(before).some(([name, pointer]) => {
		const versionId = now[name]?.versionId;
		return versionId !== undefined && versionId < pointer.versionId;
	});
}
