/** What reading asks of Postgres. The adapter is store/reading/postgres-state-store.ts. */
import type { BlockHeader } from "../../domain/block.ts";
import type { AnsweredAt, AtRequest, HistoryRange } from "../../domain/coordinate.ts";
import type {
	ChainId,
	Generation,
	Height,
	LogPosition,
	MemoryKey,
	RollbackId,
	VersionId,
} from "../../domain/ids.ts";
import type { Layer } from "../../domain/layer.ts";
import type { Version } from "../../domain/memory.ts";
import type { FinalityMarks } from "../../memory/grounds.ts";
import type { RollbackRecord } from "../../rollback/rollback-record.ts";
import type { VectorFilter } from "../../vectors/vector-tables.ts";
import type { Checkpoint, LogKind, VectorPointer } from "../../writer/commit-batch.ts";
import type { Problem } from "../../writer/writer-store.ts";

/** Place on a page of memories: names in order. */
export interface MemoryName {
	readonly namespace: string;
	readonly layer: Layer;
	readonly id: string;
}

/** State at one coordinate, in one snapshot of the database. */
export interface StateView {
	readonly at: AnsweredAt;
	/** Of the chain now, whatever the coordinate. */
	readonly present: { readonly generation: Generation; readonly versionSeq: VersionId };
	/** By which finality is told there: of the chain now, but no higher than what its generation shares with it. */
	readonly marks: FinalityMarks;
	/** The version that is visible there; undefined: none. */
	memory(key: MemoryKey): Promise<Version | undefined>;
	/** Visible versions of these memories. */
	memories(keys: readonly MemoryKey[]): Promise<ReadonlyMap<MemoryKey, Version>>;
	/**
	 * What was last said of these memories up to there: a tombstone too, and what has ended by itself since.
	 * One of which nothing was said has no entry.
	 */
	lastSaid(keys: readonly MemoryKey[]): Promise<ReadonlyMap<MemoryKey, Version>>;
	/** Vectors of these versions, whatever the coordinate; what has none is left out. */
	vectors(versionIds: readonly VersionId[]): Promise<ReadonlyMap<VersionId, Float32Array>>;
	/** Names after `after`, in the order (namespace, layer, id); links are left out. */
	page(query: {
		/** Only of these; undefined: of all. */
		readonly namespaces: readonly string[] | undefined;
		readonly layer: Layer | undefined;
		readonly after: MemoryName | undefined;
		readonly limit: number;
	}): Promise<readonly Version[]>;
	/** Where LanceDB stands for that generation, and which versions above it belong to the coordinate. */
	collection(name: string): Promise<CollectionView | undefined>;
	/** Embedded versions with ids in (above, to], by rising id, at most `limit`. */
	tail(
		collection: string,
		range: { readonly above: VersionId; readonly to: VersionId; readonly limit: number },
	): Promise<readonly TailRow[]>;
	/** How many versions are embedded with ids up to `upTo`; of more than `limit` no more are counted. */
	embeddedCount(
		collection: string,
		range: { readonly upTo: VersionId; readonly limit: number },
	): Promise<number>;
	/** Embedded versions that pass the filter with ids up to `upTo`, newest first. */
	embedded(
		collection: string,
		query: Omit<VectorFilter, "excludeVersions"> & {
			readonly upTo: VersionId;
			readonly limit: number;
		},
	): Promise<readonly TailRow[]>;
	/** Visible versions of a collection that have a text and pass the filter, by rising key. */
	texts(
		collection: string,
		query: Omit<VectorFilter, "excludeVersions"> & {
			readonly after: MemoryKey | undefined;
			readonly limit: number;
		},
	): Promise<readonly Version[]>;
	/**
	 * Heights of the generation's blocks by time: `since`, the lowest that may be no older than `from`, and
	 * `until`, the highest that may be no younger than `to`, both in seconds. Undefined: no bound. Exact where
	 * headers are kept; a height between two kept ones counts as inside.
	 */
	heightsAt(times: {
		readonly from: bigint | undefined;
		readonly to: bigint | undefined;
	}): Promise<{ readonly since: Height | undefined; readonly until: Height | undefined }>;
}

export interface CollectionView {
	readonly model: string;
	readonly dimensions: number;
	readonly table: string;
	/** Another one: rows may have changed in place, or have come back below the last id. */
	readonly epoch: string;
	readonly pointer: VectorPointer;
	/** Last version id of the coordinate's generation. */
	readonly lastVersionId: VersionId;
}

export interface TailRow {
	readonly versionId: VersionId;
	readonly memoryKey: MemoryKey;
	readonly namespace: string;
	readonly layer: Layer;
	readonly fromBlock: Height;
	/** Undefined: the version has none. */
	readonly text?: string | undefined;
	readonly vector: Float32Array;
}

export interface ChainRecord {
	readonly chainId: ChainId;
	readonly name: string;
	readonly generation: Generation;
	readonly head: BlockHeader | undefined;
	readonly safe: Height | undefined;
	readonly finalized: Height | undefined;
	readonly startBlock: Height;
	readonly retainedFrom: Height;
	readonly logPosition: LogPosition;
	readonly halt: Problem | undefined;
	readonly inbox: number;
	readonly collections: readonly {
		readonly name: string;
		readonly model: string;
		readonly dimensions: number;
		readonly tail: number;
		readonly pointer: VectorPointer;
	}[];
}

export interface StoredBlock extends BlockHeader {
	readonly fromGen: Generation;
	readonly toGen: Generation;
}

/** Place of a version in its memory's history. */
export type HistoryPlace = Pick<Version, "toGen" | "fromBlock" | "fromGen">;

/** Tells one block from all others of a chain. */
export interface BlockPlace {
	readonly height: Height;
	readonly fromGen: Generation;
}

export interface StoredCheckpoint extends Checkpoint {
	readonly fromGen: Generation;
	readonly toGen: Generation;
}

export interface StoredLogEntry {
	readonly position: LogPosition;
	readonly generation: Generation;
	readonly height: Height;
	readonly kind: LogKind;
	readonly operationId: string | undefined;
	/** JSON. */
	readonly body: string;
}

/** A rollback and the highest block that it left as it was. */
export interface TakenBack {
	readonly rollbackId: RollbackId;
	readonly ancestor: Height;
}

export interface StateStore {
	/**
	 * One snapshot at one coordinate. Throws the typed errors of coordinates that cannot be read. `collection`: is
	 * asked for together with the coordinate, so that the view answers it without another round trip.
	 */
	read<Result>(
		chainId: ChainId,
		request: AtRequest,
		work: (view: StateView) => Promise<Result>,
		collection?: string,
	): Promise<Result>;
	/** Two coordinates in one snapshot. `work` may be run anew when the server did not answer. */
	compare<Result>(
		chainId: ChainId,
		requests: { readonly from: AtRequest; readonly to: AtRequest },
		work: (views: {
			readonly from: StateView;
			readonly to: StateView;
			/** What the present generation has in the pending slot, in the same snapshot. */
			readonly pending: () => Promise<StateView>;
			/**
			 * Rollbacks between the two generations that went back further than all of them before, in order.
			 */
			readonly takenBack: () => Promise<readonly TakenBack[]>;
			/** Memories that may differ, by rising key, after `after`. */
			readonly candidates: (query: {
				readonly after: MemoryKey | undefined;
				/** Only of these; undefined: of all. */
				readonly namespaces: readonly string[] | undefined;
				readonly limit: number;
			}) => Promise<readonly MemoryKey[]>;
		}) => Promise<Result>,
	): Promise<Result>;
	chain(chainId: ChainId): Promise<ChainRecord>;
	/** By falling height, and at one height by falling first generation. */
	blocks(
		chainId: ChainId,
		query: {
			readonly from: Height | undefined;
			readonly to: Height | undefined;
			readonly fork: "canonical" | "orphaned" | "all";
			/** Which blocks are there, and canonical, is told as of this generation. */
			readonly generation: Generation;
			/** Only what comes after this block in the order of the answer. */
			readonly after: BlockPlace | undefined;
			readonly limit: number;
		},
	): Promise<readonly StoredBlock[]>;
	/** Versions of one memory, newest first; `range` undefined: all, in every generation. */
	history(
		chainId: ChainId,
		key: MemoryKey,
		query: {
			readonly range: HistoryRange | undefined;
			readonly after: HistoryPlace | undefined;
			readonly limit: number;
		},
	): Promise<readonly Version[]>;
	checkpoints(
		chainId: ChainId,
		query: { readonly limit: number; readonly before: Height | undefined },
	): Promise<readonly StoredCheckpoint[]>;
	checkpoint(chainId: ChainId, height: Height): Promise<StoredCheckpoint | undefined>;
	/** The newest first; those that were recorded before `after`. */
	rollbacks(
		chainId: ChainId,
		query: { readonly limit: number; readonly after: RollbackId | undefined },
	): Promise<readonly RollbackRecord[]>;
	/** JSON of a committed rollback's report; undefined before. */
	report(rollbackId: RollbackId): Promise<string | undefined>;
	/** Last position of every chain's log. */
	logEnds(): Promise<ReadonlyMap<ChainId, LogPosition>>;
	/**
	 * By rising position. Throws `FatalError("history_pruned")` when entries after `after` were cut.
	 */
	log(
		chainId: ChainId,
		query: {
			readonly after: LogPosition;
			readonly kinds: readonly string[] | undefined;
			readonly limit: number;
		},
	): Promise<readonly StoredLogEntry[]>;
}
