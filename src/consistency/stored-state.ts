/**
 * The rows of one chain as they stand in Postgres, in one snapshot, for those who check them: raw
 * where a damaged row must not throw, and each with the word of its checksum. The adapter is
 * store/checking/stored-state-view.ts. Every stream comes in pages of at most a few thousand rows.
 */
import type { WindowSize } from "../chain/window-size.ts";
import type { StateRoots } from "../commitment/state-root.ts";
import type {
	ChainId,
	Generation,
	Height,
	Hex,
	LogPosition,
	MemoryKey,
	VersionId,
} from "../domain/ids.ts";
import type { Layer, Owner } from "../domain/layer.ts";
import type { Span, VersionBody } from "../domain/memory.ts";
import type { VectorPointer, VectorPointers } from "../writer/commit-batch.ts";
import type { KeyRange } from "./sampling.ts";
import type { StoredLogEntry } from "./stored-log-entry.ts";
import type { StoredProvenance } from "./stored-provenance.ts";

export interface StoredChain extends WindowSize {
	readonly chainId: ChainId;
	readonly generation: Generation;
	readonly head: Height | undefined;
	readonly safe: Height | undefined;
	readonly finalized: Height | undefined;
	readonly startBlock: Height;
	readonly logPosition: LogPosition;
	/** Entries at or below it were cut from the log; 0: none was. */
	readonly logCutTo: LogPosition;
	/** Of the newest lease: whoever has an older one does not write the chain any more. */
	readonly fence: bigint;
	/** Lowest height that can be read: an imported snapshot's, else 0. */
	readonly retainedFrom: Height;
	readonly versionSeq: VersionId;
	/** Undefined: what stands there is no object of roots. */
	readonly roots: StateRoots | undefined;
}

export interface StoredVersion extends Span {
	readonly memoryKey: MemoryKey;
	readonly versionId: VersionId;
	readonly position: LogPosition;
	readonly namespace: string;
	readonly id: string;
	/** Undefined: its number is none of a layer's. */
	readonly layer: Layer | undefined;
	/** Undefined: its number is none of an owner's. */
	readonly owner?: Owner | undefined;
	readonly tombstone: boolean;
	/** Undefined: layer, owner or content cannot be read. */
	readonly body: VersionBody | undefined;
	readonly contentHash: Hex;
	readonly suspect: boolean;
	readonly grounds: Height | undefined;
	/** Whether the row's checksum fits. */
	readonly intact: boolean;
}

/** Every row of one memory key, by rising (from_block, from_gen); at least one. */
export interface StoredMemory {
	readonly memoryKey: MemoryKey;
	readonly rows: readonly StoredVersion[];
}

export interface StoredName {
	readonly namespace: string;
	readonly layer: Layer | undefined;
	readonly id: string;
	readonly memoryKey: MemoryKey;
	/** Whether any row of `versions` has its key. */
	readonly hasVersions: boolean;
}

/** A row of `links`. */
export interface StoredLink {
	readonly linkKey: MemoryKey;
	readonly namespace: string;
	readonly type: string;
	readonly fromKey: MemoryKey;
	readonly toKey: MemoryKey;
	/** Whether any row of `versions` has its key. */
	readonly hasVersions: boolean;
}

export interface StoredVector {
	readonly collection: string;
	readonly versionId: VersionId;
	readonly memoryKey: MemoryKey;
	readonly namespace: string;
	readonly layer: Layer | undefined;
	readonly fromBlock: Height;
	/** Float32, little-endian, as they stand. */
	readonly bytes: Uint8Array;
	readonly intact: boolean;
}

export interface StoredHeader {
	readonly height: Height;
	readonly fromGen: Generation;
	readonly toGen: Generation;
	readonly hash: Hex;
	readonly parentHash: Hex;
	readonly intact: boolean;
}

export interface StoredCheckpoint {
	readonly height: Height;
	readonly fromGen: Generation;
	readonly toGen: Generation;
	readonly blockHash: Hex;
	readonly logPosition: LogPosition;
	readonly versionId: VersionId;
	/** Undefined: not readable. */
	readonly roots: StateRoots | undefined;
	/** Undefined: not readable. */
	readonly pointers: VectorPointers | undefined;
	readonly intact: boolean;
}

export interface StoredGeneration {
	readonly generation: Generation;
	/** Undefined for generation 0. */
	readonly ancestor: Height | undefined;
	/** True: handlers' memories were derived anew for it, at its ancestor and below. */
	readonly isDerivedAnew?: boolean | undefined;
	/** The next two are undefined while it is the present one. */
	readonly lastHeight: Height | undefined;
	readonly lastVersionId: VersionId | undefined;
}

export interface StoredCollection {
	readonly name: string;
	readonly model: string;
	readonly dimensions: number;
	readonly table: string;
	readonly pointer: VectorPointer;
}

export interface StoredOperationRow {
	readonly operationId: string;
	readonly namespace: string;
	readonly id: string;
	readonly status: string;
	readonly position: LogPosition | undefined;
	readonly effectiveSlot: Height | undefined;
	readonly versionId: VersionId | undefined;
	/** Kind of the log entry at its position; undefined: there is none. */
	readonly loggedAs: string | undefined;
	/** Operation that that entry names. */
	readonly loggedOperation: string | undefined;
}

/** The largest numbers that stand in rows. Undefined: there are no rows. */
export interface Watermarks {
	readonly logPosition: LogPosition | undefined;
	/** Highest version id among rows of the pending slot, the head's, and of `vector_rows`. */
	readonly versionId: VersionId | undefined;
	readonly versionGeneration: Generation | undefined;
	/** Highest slot at which a version begins. */
	readonly slot: Height | undefined;
	/** Highest block of the present generation. */
	readonly block: Height | undefined;
	readonly checkpoint: Height | undefined;
	readonly generation: Generation | undefined;
}

export interface TableSize {
	readonly table: string;
	/** With indexes and long values; of all chains. */
	readonly bytes: number;
}

/** A version as something else names it. */
export interface VersionName {
	readonly memoryKey: MemoryKey;
	readonly versionId: VersionId;
}

export interface StoredState {
	/** As it stands in the snapshot; to be read after `begin`. */
	readonly chain: StoredChain;
	readonly provenance: StoredProvenance;
	/** Takes the snapshot: everything else is read as of this moment. */
	begin(): Promise<void>;
	/** Installation id that the database holds. */
	installationId(): Promise<string | undefined>;
	watermarks(): Promise<Watermarks>;
	/** Rows of `versions`, all chains, as the planner estimates them. */
	estimatedVersions(): Promise<number>;
	/** Memories that the pending slot holds, with what is still to end in it. Reads every version. */
	visibleCounts(): Promise<Readonly<Record<Layer, number>>>;
	/** By rising key: those of the ranges, which rise as well and do not overlap; undefined: all. */
	memories(ranges: readonly KeyRange[] | undefined): AsyncIterable<readonly StoredMemory[]>;
	/** The table of names, in its order. */
	names(): AsyncIterable<readonly StoredName[]>;
	/** Which of these names the table lacks, as `memoryKey/layer`. */
	unnamed(
		names: readonly Pick<StoredVersion, "namespace" | "layer" | "id" | "memoryKey">[],
	): Promise<ReadonlySet<string>>;
	/** Rows of `links`, by rising key. */
	links(): AsyncIterable<readonly StoredLink[]>;
	/** Those of these keys that have a row. */
	linksOf(keys: readonly MemoryKey[]): Promise<readonly Omit<StoredLink, "hasVersions">[]>;
	/** Which of these memories the log says that an operation wrote. Reads the whole log. */
	inLog(keys: readonly MemoryKey[]): Promise<ReadonlySet<MemoryKey>>;
	/** Rows of `vector_rows`, by collection and rising version id. */
	vectors(): AsyncIterable<readonly StoredVector[]>;
	/** Those of these versions that have a vector. */
	vectorIdsOf(collection: string, ids: readonly VersionId[]): Promise<readonly VersionId[]>;
	vectorsOf(collection: string, ids: readonly VersionId[]): Promise<readonly StoredVector[]>;
	/** Rising ids up to one, inclusive, of embedded versions that the present generation holds. */
	flushedIds(collection: string, upTo: VersionId): AsyncIterable<readonly VersionId[]>;
	/** Every row of these versions, of any generation. */
	versionsNamed(names: readonly VersionName[]): Promise<readonly StoredVersion[]>;
	/** Every row of these memories. */
	memoriesOf(keys: readonly MemoryKey[]): Promise<readonly StoredMemory[]>;
	log(): AsyncIterable<readonly StoredLogEntry[]>;
	/** Entries of the log in its last `entries` positions. */
	countLogEnd(entries: number): Promise<number>;
	/** By rising (height, from_gen). */
	headers(): AsyncIterable<readonly StoredHeader[]>;
	/** By rising (height, from_gen). */
	checkpoints(): AsyncIterable<readonly StoredCheckpoint[]>;
	/** The one of the present generation at a height. */
	checkpoint(height: Height): Promise<StoredCheckpoint | undefined>;
	header(height: Height): Promise<StoredHeader | undefined>;
	/** Rising; without those whose rows retention may be taking away already. */
	generations(): Promise<readonly StoredGeneration[]>;
	collections(): Promise<readonly StoredCollection[]>;
	/** Agents' operations that are in the log. */
	operations(): AsyncIterable<readonly StoredOperationRow[]>;
	sizes(): Promise<readonly TableSize[]>;
}
