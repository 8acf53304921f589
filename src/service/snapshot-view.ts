/** Snapshots as callers see them. */
import { stateRoot } from "../commitment/state-root.ts";
import type { ChainId, Generation, Height, Hex, LogPosition, VersionId } from "../domain/ids.ts";
import type { Layer } from "../domain/layer.ts";
import type { SnapshotKind } from "../snapshots/snapshot-kind.ts";
import {
	etaMs,
	type SnapshotCause,
	type SnapshotProgress,
	type SnapshotRow,
	type SnapshotState,
} from "../snapshots/snapshot-row.ts";
import type { Problem } from "../writer/writer-store.ts";

export interface SnapshotProgressView {
	/** write: memories are counted. verify: stored bytes are. */
	readonly phase: "write" | "verify";
	readonly done: number;
	/** About, while it is written. */
	readonly total: number;
	/** Bytes written so far, as they are stored. */
	readonly storedBytes: number;
	readonly ratePerS: number | undefined;
	readonly etaMs: number | undefined;
}

export interface SnapshotView {
	readonly id: string;
	readonly chainId: ChainId;
	readonly state: SnapshotState;
	readonly kind: SnapshotKind;
	readonly parentId: string | undefined;
	readonly cause: SnapshotCause;
	readonly height: Height;
	readonly blockHash: Hex;
	readonly generation: Generation;
	readonly logPosition: LogPosition;
	readonly versionId: VersionId;
	/** One a layer, and `state` over all. */
	readonly roots: Readonly<Record<Layer | "state", Hex>>;
	readonly manifestId: Hex | undefined;
	/** Visible at the coordinate; 0 until it is stored. */
	readonly memories: number;
	readonly chunks: number;
	readonly rawBytes: number;
	readonly storedBytes: number;
	/** Undefined: nothing is under way. */
	readonly progress: SnapshotProgressView | undefined;
	readonly error: Problem | undefined;
	readonly createdAt: Date;
	readonly storedAt: Date | undefined;
	readonly verifiedAt: Date | undefined;
}

export function snapshotView(row: SnapshotRow): SnapshotView {
	const { snapshotId: id, progress, roots, ...rest } = row;
	return {
		id,
		...rest,
		roots: { ...roots, state: stateRoot(roots, row) },
		progress: progress && progressView(progress),
	};
}

function progressView(progress: SnapshotProgress): SnapshotProgressView {
	const { phase, done, total, ratePerS } = progress;
	const chunks = progress.phase === "write" ? progress.chunks : [];
	return {
		phase,
		done,
		total,
		storedBytes: chunks.reduce((sum, chunk) => sum + chunk.storedBytes, 0),
		ratePerS,
		etaMs: etaMs(progress),
	};
}
