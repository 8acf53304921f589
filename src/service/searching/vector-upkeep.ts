/**
 * Upkeep of the tables of vectors: flushing what waits, compaction, and indexes. It runs by itself as tables
 * grow, under the lease of the chain, and every version that it makes becomes the pointer of its collection.
 */
import type { ChainId } from "../../domain/ids.ts";
import type { CollectionIndex, CollectionUpkeep } from "../../writer/collection-index.ts";

export interface VectorUpkeep {
	/**
	 * All collections of a chain, now; undefined: this process does not hold the chain's lease, so nothing is
	 * done. Throws `RetryableError("vectors_unavailable")`.
	 */
	run(chainId: ChainId): Promise<readonly CollectionUpkeep[] | undefined>;
	/** As they were last seen here, by collection; empty where this process does not hold the lease. */
	figures(chainId: ChainId): ReadonlyMap<string, CollectionIndex>;
}

/** What keeps the tables of one chain; the adapter is writer/vector-flusher.ts. */
export interface TableKeeper {
	readonly indexes: ReadonlyMap<string, CollectionIndex>;
	upkeep(): Promise<readonly CollectionUpkeep[]>;
}

/** `keeper`: undefined while this process does not hold the chain's lease. */
export function vectorUpkeep(keeper: (chainId: ChainId) => TableKeeper | undefined): VectorUpkeep {
	return {
		run: async (chainId) => keeper(chainId)?.upkeep(),
		figures: (chainId) => keeper(chainId)?.indexes ?? new Map(),
	};
}
