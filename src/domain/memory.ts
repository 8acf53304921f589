import type { Generation, Height, Hex, LogPosition, MemoryKey, VersionId } from "./ids.ts";
import type { Layer, Owner } from "./layer.ts";
import type { JsonObject } from "./operation.ts";

/**
 * Where a version is visible: heights [fromBlock, toBlock) × generations [fromGen, toGen), with
 * FOREVER as the open end. `expiresBlock` is the height at which it ends by itself.
 */
export interface Span {
	readonly fromBlock: Height;
	readonly toBlock: Height;
	readonly fromGen: Generation;
	readonly toGen: Generation;
	readonly expiresBlock: Height | undefined;
}

/** What a version says. It never changes. */
export interface VersionBody {
	readonly namespace: string;
	readonly id: string;
	readonly layer: Layer;
	readonly owner: Owner;
	/** Undefined: a tombstone, which says that the memory is gone from here on. */
	readonly content: JsonObject | undefined;
	readonly text: string | undefined;
	readonly collection: string | undefined;
	readonly importance: number | undefined;
	readonly confidence: number | undefined;
	/**
	 * Of the vector that the caller gave, see memory/given-vector.ts; undefined: the vector is embedded
	 * from `text`, or there is none.
	 */
	readonly vectorHash: Hex | undefined;
	/**
	 * Seconds since the epoch: gone from the first sealed block that is not older. Undefined: it does not
	 * end by time. At most one of this and `expiresBlock`.
	 */
	readonly expiresTime: bigint | undefined;
}

/** One version of a memory with the span in which it holds. */
export interface Version extends VersionBody, Span {
	readonly memoryKey: MemoryKey;
	readonly versionId: VersionId;
	/** SHA-256 of the canonical encoding, see memory/canonical.ts; of the tombstone's for a tombstone. */
	readonly contentHash: Hex;
	/** Log position that the writing operation first got: the order in which it was written. */
	readonly position: LogPosition;
	/** True: kept although what it rests on is gone. Not part of the content hash, as `grounds` is not. */
	readonly suspect: boolean;
	/** Highest block that it rests on: a handler's version on its own; undefined: it rests on none. */
	readonly grounds: Height | undefined;
}
