/** What a rollback asks of Postgres about a restored state. The adapter is store/restoring/postgres-restored-states.ts. */
import type {
	ChainId,
	Generation,
	Height,
	Hex,
	LogPosition,
	MemoryKey,
	VersionId,
} from "../domain/ids.ts";
import type { Layer } from "../domain/layer.ts";
import type { Version } from "../domain/memory.ts";
import type { Shadow, ShadowRow } from "../restore/shadow-store.ts";
import type { WrittenMemory } from "../writer/writer-store.ts";

/** A verified snapshot. */
export interface UsableSnapshot {
	readonly snapshotId: string;
	readonly manifest: Hex;
	readonly height: Height;
	readonly logPosition: LogPosition;
}

export interface RestoredStates {
	/** Verified snapshots of the chain at or below a height, the newest first. */
	snapshots(chainId: ChainId, height: Height): Promise<readonly UsableSnapshot[]>;
	/** What it holds cannot be read, or is not what it should be: it is not taken any more. */
	snapshotDamaged(
		snapshotId: string,
		problem: { readonly code: string; readonly message: string },
	): Promise<void>;
	/**
	 * Compares the shadow with the present rows: marks those that stand as they should at its height, with
	 * their generation, and takes tombstones over, which no snapshot has. All others begin in `fromGen`.
	 */
	settle(shadow: Shadow, fromGen: Generation): Promise<void>;
	/**
	 * Of each memory the row that a write at the shadow's height may touch: the shadow's, else the newest
	 * that had ended by itself. A memory without rows has no entry.
	 */
	latestVersions(
		shadow: Shadow,
		keys: readonly MemoryKey[],
	): Promise<ReadonlyMap<MemoryKey, readonly Version[]>>;
	/**
	 * Memories of a namespace's layers that are there at the shadow's height: at most `limit`, those that were
	 * written last.
	 */
	population(
		shadow: Shadow,
		query: {
			readonly namespace: string;
			readonly layers: readonly Layer[];
			readonly limit: number;
		},
	): Promise<readonly MemoryKey[]>;
	/** Short-term memories of a namespace that are there at the shadow's height, at most `limit`, those written first. */
	writingOrder(
		shadow: Shadow,
		query: { readonly namespace: string; readonly limit: number },
	): Promise<readonly WrittenMemory[]>;
	/** Vectors of these versions; what has none is left out. */
	vectors(
		shadow: Shadow,
		versionIds: readonly VersionId[],
	): Promise<ReadonlyMap<VersionId, Float32Array>>;
	/**
	 * Present rows that are believed at `at` and say something else than the shadow does, or end by
	 * themselves between its height and `expiringTo` or up to `expiringTime` seconds; by rising key those
	 * above `after`, at most `limit`.
	 */
	believedOtherwise(
		shadow: Shadow,
		query: {
			readonly at: Height;
			readonly expiringTo: Height;
			readonly expiringTime: bigint;
			readonly after: MemoryKey | undefined;
			readonly limit: number;
		},
	): Promise<readonly Version[]>;
	/**
	 * Rows in a collection that have a text and no vector, by rising key. `anew`: whether or not a vector
	 * of theirs is known already.
	 */
	unembedded(
		shadow: Shadow,
		query: {
			readonly anew: boolean;
			readonly after: MemoryKey | undefined;
			readonly limit: number;
		},
	): Promise<readonly ShadowRow[]>;
	giveVectors(shadow: Shadow, vectors: ReadonlyMap<MemoryKey, Float32Array>): Promise<void>;
}
