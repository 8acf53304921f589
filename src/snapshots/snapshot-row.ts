/** Snapshots as the installation knows them: a row each, from the wish for one to its end. */
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
import type { Layer } from "../domain/layer.ts";
import type { Problem } from "../writer/writer-store.ts";
import type { ChunkRef, ManifestId, SnapshotCounts } from "./manifest.ts";
import type { ImportOptions } from "./snapshot-importer.ts";
import type { SnapshotKind } from "./snapshot-kind.ts";

/**
 * creating: wanted, or being written. stored: the manifest is in the archive. verified: everything was
 * read back, and gives the roots. damaged: it was, and does not. failed, cancelled: there is no manifest.
 */
export const SNAPSHOT_STATES = [
	"creating",
	"stored",
	"verified",
	"damaged",
	"failed",
	"cancelled",
] as const;
export type SnapshotState = (typeof SNAPSHOT_STATES)[number];

/** What asked for it. */
export const SNAPSHOT_CAUSES = ["operator", "blocks", "time", "import"] as const;
export type SnapshotCause = (typeof SNAPSHOT_CAUSES)[number];

/** The sealed coordinate that a snapshot holds, as its checkpoint has it. */
export interface SnapshotCut {
	readonly chainId: ChainId;
	readonly height: Height;
	readonly generation: Generation;
	readonly blockHash: Hex;
	readonly logPosition: LogPosition;
	readonly versionId: VersionId;
	readonly roots: StateRoots;
}

/** What stands before it is written: go on behind it. */
export interface WritePlace {
	/** Undefined: the first memory is the next. */
	readonly after: RecordPlace | undefined;
}

/** Place of a record among memories and goners: by key, then by the order of LAYERS. */
export interface RecordPlace {
	readonly memoryKey: MemoryKey;
	readonly layer: Layer;
}

/** How far a creation has come: what a process that takes it over goes on from. */
export interface WriteProgress {
	readonly phase: "write";
	/** Undefined: nothing is written that counts. */
	readonly place: WritePlace | undefined;
	readonly chunks: readonly ChunkRef[];
	readonly counts: SnapshotCounts;
	/** Memories that were looked through, and about how many there are. */
	readonly done: number;
	readonly total: number;
	/** Memories a second since this process began or took over; undefined until it is known. */
	readonly ratePerS: number | undefined;
}

/** A verification that is wanted or under way; counted in bytes as they are stored. */
export interface VerifyProgress {
	readonly phase: "verify";
	readonly done: number;
	readonly total: number;
	readonly ratePerS: number | undefined;
	/** How it is made the chain's state when it is verified; undefined: it is not. */
	readonly apply: ImportOptions | undefined;
}

export type SnapshotProgress = WriteProgress | VerifyProgress;

export interface SnapshotRow extends SnapshotCut {
	/** UUID. */
	readonly snapshotId: string;
	readonly state: SnapshotState;
	readonly kind: SnapshotKind;
	/** Row of the snapshot that it continues. */
	readonly parentId: string | undefined;
	readonly cause: SnapshotCause;
	/** Undefined until it is stored. */
	readonly manifestId: ManifestId | undefined;
	/** Visible at the coordinate. */
	readonly memories: number;
	readonly chunks: number;
	readonly rawBytes: number;
	readonly storedBytes: number;
	/** Undefined: there is nothing to do. */
	readonly progress: SnapshotProgress | undefined;
	readonly error: Problem | undefined;
	readonly createdAt: Date;
	readonly storedAt: Date | undefined;
	readonly verifiedAt: Date | undefined;
}

const NO_SNAPSHOT_COUNTS: SnapshotCounts = {
	memories: 0,
	memoryRecords: 0,
	goneRecords: 0,
	headers: 0,
	operations: 0,
};

/** A creation that has not begun. */
export const NOT_BEGUN: WriteProgress = {
	phase: "write",
	place: undefined,
	chunks: [],
	counts: NO_SNAPSHOT_COUNTS,
	done: 0,
	total: 0,
	ratePerS: undefined,
};

/** A verification that is wanted. */
export function verification(
	storedBytes: number,
	apply: ImportOptions | undefined = undefined,
): VerifyProgress {
	return { phase: "verify", done: 0, total: storedBytes, ratePerS: undefined, apply };
}

/** Milliseconds that are left at the rate so far. */
export function etaMs({ done, total, ratePerS }: SnapshotProgress): number | undefined {
	if (ratePerS === undefined || ratePerS <= 0) return undefined;
	return Math.round((Math.max(0, total - done) / ratePerS) * 1_000);
}
