/** What proofs ask of Postgres. The adapter is store/reading/postgres-proof-store.ts. */
import type { StateRoots } from "../../commitment/state-root.ts";
import type { AnsweredAt, AtRequest, Coordinate } from "../../domain/coordinate.ts";
import type { ChainId, Hex, MemoryKey } from "../../domain/ids.ts";
import type { Layer } from "../../domain/layer.ts";
import type { Version } from "../../domain/memory.ts";
import type { PackedLeaves } from "../../writer/writer-store.ts";

/** A coordinate as it was found, with what stands there. */
export interface StoredPlace {
	/** `blockHash` is the checkpoint's where the header itself is not kept. */
	readonly at: AnsweredAt;
	/** Of the checkpoint at that height and generation; undefined: none is kept. */
	readonly roots: StateRoots | undefined;
	/** Whether the block is, or would be, of the present branch. */
	readonly canonical: boolean;
	/** Visible versions of the keys that were asked for. */
	readonly memories: ReadonlyMap<MemoryKey, Version>;
}

/** What a memory comes to at a coordinate; undefined: it is not visible there. */
export interface KeyState {
	readonly memoryKey: MemoryKey;
	readonly visible: { readonly layer: Layer; readonly contentHash: Hex } | undefined;
}

export interface ProofStore {
	/** All in one snapshot. Throws the typed errors of coordinates that cannot be read. */
	place(chainId: ChainId, request: AtRequest, keys: readonly MemoryKey[]): Promise<StoredPlace>;
	/**
	 * Every memory that is visible at a sealed coordinate, in pages by rising key, in one snapshot. `work`
	 * is run anew when the server did not answer.
	 */
	leaves<Result>(
		at: Coordinate,
		work: (pages: AsyncIterable<PackedLeaves>) => Promise<Result>,
	): Promise<Result>;
	/**
	 * Every memory that may differ between two sealed coordinates of a chain, as it is at `to`; undefined:
	 * there are more than `limit`, or `from` is not kept any more.
	 */
	changes(
		from: Coordinate,
		to: Coordinate,
		limit: number,
	): Promise<readonly KeyState[] | undefined>;
}
