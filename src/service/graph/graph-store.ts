/** What reading the graph and the episodes asks of Postgres. The adapter is store/reading/postgres-graph-store.ts. */
import type { BlockHeader } from "../../domain/block.ts";
import type { AtRequest } from "../../domain/coordinate.ts";
import type { ChainId, Height, MemoryKey } from "../../domain/ids.ts";
import type { Owner } from "../../domain/layer.ts";
import type { Version } from "../../domain/memory.ts";
import type { StateView } from "../reading/state-store.ts";

/** Place of a link among those of one memory and one direction. */
export interface LinkPlace {
	readonly type: string;
	readonly linkKey: MemoryKey;
}

/** A link by its name. Whether it holds somewhere, the versions of `linkKey` and of its ends say. */
export interface LinkRow extends LinkPlace {
	/** The end that was asked for. */
	readonly nearKey: MemoryKey;
	readonly farKey: MemoryKey;
}

/** out: from the memory to others. in: from others to it. */
export const LINK_DIRECTIONS = ["out", "in"] as const;
export type LinkDirection = (typeof LINK_DIRECTIONS)[number];

export interface LinkQuery {
	readonly keys: readonly MemoryKey[];
	readonly direction: LinkDirection;
	/** Undefined: all. */
	readonly types: readonly string[] | undefined;
	/** Of the link itself; undefined: all. */
	readonly namespaces: readonly string[] | undefined;
	/** Only what comes after it. */
	readonly after: LinkPlace | undefined;
	readonly limit: number;
}

/**
 * Place of an episode: height, at one height handlers' first, handlers' by version id and agents' by
 * position. That is the order of block, transaction, log, and then of writing.
 */
export interface EpisodePlace {
	readonly height: Height;
	readonly owner: Owner;
	readonly sequence: bigint;
}

export interface EpisodeQuery {
	/** Heights, both inclusive. */
	readonly from: Height;
	readonly to: Height;
	readonly order: "asc" | "desc";
	/** Undefined: all. */
	readonly namespaces: readonly string[] | undefined;
	/** Only what comes after it in that order. */
	readonly after: EpisodePlace | undefined;
	readonly limit: number;
}

export interface StoredEpisode {
	readonly version: Version;
	readonly place: EpisodePlace;
	/** Of the block that it began in; undefined: pending, or its header is not kept. */
	readonly block: Pick<BlockHeader, "hash" | "timestamp"> | undefined;
}

/** The graph and the episodes at one coordinate, in one snapshot of the database. */
export interface GraphView extends Pick<StateView, "at" | "memories"> {
	/** In the order of `keys`, of types, of link keys. */
	links(query: LinkQuery): Promise<readonly LinkRow[]>;
	/** Visible ones. */
	episodes(query: EpisodeQuery): Promise<readonly StoredEpisode[]>;
	/** Header of the lowest height that is kept at or above `height`, in the coordinate's generation. */
	headerFrom(height: Height): Promise<BlockHeader | undefined>;
	/** Header of the highest height that is kept below `height`, in the coordinate's generation. */
	headerBelow(height: Height): Promise<BlockHeader | undefined>;
}

export interface GraphStore {
	/** Throws the typed errors of coordinates that cannot be read. `work` may be run anew. */
	read<Result>(
		chainId: ChainId,
		request: AtRequest,
		work: (view: GraphView) => Promise<Result>,
	): Promise<Result>;
}
