/** What snapshots ask of Postgres. The adapters are store/postgres-snapshot-*.ts. */
import type { BlockHeader } from "../domain/block.ts";
import type { ChainId, Height, Hex, LogPosition, MemoryKey } from "../domain/ids.ts";
import type { Layer } from "../domain/layer.ts";
import type { Problem } from "../writer/writer-store.ts";
import type { ManifestId, SnapshotCollection } from "./manifest.ts";
import type { SnapshotKind } from "./snapshot-kind.ts";
import type { MemoryRecord, OperationRecord } from "./snapshot-record.ts";
import type { SnapshotCause, SnapshotCut, SnapshotProgress, SnapshotRow } from "./snapshot-row.ts";

/** The cut's place; a sealed coordinate never changes as long as its block is canonical. */
export type CutPlace = Pick<SnapshotCut, "chainId" | "height" | "logPosition" | "versionId">;

/** A memory that may differ between two heights of one branch, with the layer it is in at each. */
export interface ChangedMemory {
	readonly memoryKey: MemoryKey;
	/** Undefined: not visible. */
	readonly before: Layer | undefined;
	readonly after: Layer | undefined;
}

export interface MemoryPage {
	readonly records: readonly MemoryRecord[];
	/** Keys that were looked at; fewer than the limit: there are no more. */
	readonly looked: number;
	/** The last of them; undefined: there were none. */
	readonly last: MemoryKey | undefined;
}

/** Reads state at a sealed height of the present branch, in pages. */
export interface SnapshotReader {
	/** About how many memories there are; never fewer than are visible. */
	memoryCount(chainId: ChainId): Promise<number>;
	/** The next `limit` keys behind `after`, and by rising key the memories of them that are visible. */
	memories(
		cut: CutPlace,
		page: { readonly after: MemoryKey | undefined; readonly limit: number },
	): Promise<MemoryPage>;
	/** Visible memories among these keys. */
	memoriesOf(cut: CutPlace, keys: readonly MemoryKey[]): Promise<readonly MemoryRecord[]>;
	/** What changed above `parent`, in any order; undefined: more than `limit`. */
	changes(
		cut: CutPlace,
		query: { readonly parent: Height; readonly limit: number },
	): Promise<readonly ChangedMemory[] | undefined>;
	collections(chainId: ChainId): Promise<readonly SnapshotCollection[]>;
	/** Linked headers from the cut's down, above `above` if given, at most `limit`; by rising height. */
	headers(
		cut: CutPlace,
		query: { readonly above: Height | undefined; readonly limit: number },
	): Promise<readonly BlockHeader[]>;
	/**
	 * Agents' operations that are not final, as they stood at the cut's log position; by position. Without the
	 * version of one that was written again since, be it where it stood.
	 */
	operations(
		cut: CutPlace,
		page: { readonly after: LogPosition; readonly limit: number },
	): Promise<readonly OperationRecord[]>;
	/** What a manifest says of the chain beside its coordinate. */
	chain(chainId: ChainId): Promise<{
		readonly startBlock: Height;
		readonly handlersHash: Hex;
		/** Cap of the header window. */
		readonly windowBlocks: number;
	}>;
	/** Whether the block is canonical, and was never taken back since generation `since`. */
	isCanonical(
		block: Pick<SnapshotCut, "chainId" | "height" | "blockHash">,
		since?: bigint,
	): Promise<boolean>;
	/** Whether the block was canonical once and no longer is. */
	isOrphaned(block: Pick<SnapshotCut, "chainId" | "height" | "blockHash">): Promise<boolean>;
	/** Hash of the canonical block at the height, where its header is kept. */
	hashAt(chainId: ChainId, height: Height): Promise<Hex | undefined>;
	/**
	 * The highest checkpoint of the present branch at or below a height that can be a cut: none inside a group of
	 * backfilled blocks behind what the group wrote, since its entry, at which that stands, speaks of blocks above.
	 * Of a group's last block the position is that of the group's entry, also where its checkpoint is of before
	 * checkpoints said so.
	 */
	cutAtOrBelow(chainId: ChainId, height: Height): Promise<SnapshotCut | undefined>;
}

export interface NewSnapshot extends SnapshotCut {
	readonly snapshotId: string;
	readonly kind: SnapshotKind;
	readonly parentId: string | undefined;
	readonly cause: SnapshotCause;
}

/** One that came from outside: its manifest is in the archive. */
export interface ImportedSnapshot extends NewSnapshot {
	readonly manifestId: ManifestId;
	readonly memories: number;
	readonly chunks: number;
	readonly rawBytes: number;
	readonly storedBytes: number;
}

/** Fencing number of the lease under which a snapshot's work is done. */
export interface Lease {
	readonly fence: bigint;
}

export interface SnapshotStore {
	/** In state `creating`. */
	record(snapshot: NewSnapshot): Promise<void>;
	/** In state `stored`. */
	recordImport(snapshot: ImportedSnapshot): Promise<void>;
	load(chainId: ChainId, snapshotId: string): Promise<SnapshotRow | undefined>;
	/** The newest that has this manifest. */
	byManifest(chainId: ChainId, manifestId: ManifestId): Promise<SnapshotRow | undefined>;
	/** The newest first; those that were recorded before `after`. */
	list(
		chainId: ChainId,
		query: { readonly limit: number; readonly after: string | undefined },
	): Promise<readonly SnapshotRow[]>;
	/** The oldest with something to do. */
	due(chainId: ChainId): Promise<SnapshotRow | undefined>;
	/** Made here, with a manifest and not damaged, below a height; the highest first. */
	whole(
		chainId: ChainId,
		query: { readonly below: Height; readonly limit: number },
	): Promise<readonly SnapshotRow[]>;
	/**
	 * The newest that was made here, is being made, or failed: that one too is only tried again when the
	 * next is due.
	 */
	newest(chainId: ChainId): Promise<SnapshotRow | undefined>;
	/** Wants something done with a snapshot that is stored. */
	want(snapshotId: string, progress: SnapshotProgress): Promise<void>;
	/** The following throw `RetryableError("lease_lost")` when the lease is another's. */
	progress(row: SnapshotRow, lease: Lease, progress: SnapshotProgress): Promise<void>;
	/** It turned out to be a full one. */
	becomeFull(row: SnapshotRow, lease: Lease): Promise<void>;
	/** The manifest is in the archive; verification is wanted next. */
	stored(
		row: SnapshotRow,
		lease: Lease,
		what: Pick<ImportedSnapshot, "manifestId" | "memories" | "chunks" | "rawBytes" | "storedBytes">,
	): Promise<void>;
	ended(
		row: SnapshotRow,
		lease: Lease,
		how:
			| { readonly state: "verified" }
			| { readonly state: "damaged" | "failed" | "cancelled"; readonly error: Problem },
	): Promise<void>;
	/** Says why the work is held up; it goes on. */
	heldUp(row: SnapshotRow, lease: Lease, error: Problem): Promise<void>;
	/** Manifests of every chain's snapshots. */
	manifestIds(): Promise<readonly ManifestId[]>;
	/** Takes rows away; their files are the caller's to take away afterwards. */
	remove(chainId: ChainId, lease: Lease, snapshotIds: readonly string[]): Promise<void>;
}
