/**
 * What reading the semantic graph and the episodes offers, at any coordinate. See service/graph/graph.ts.
 *
 * A link holds at a coordinate while its version and both of its ends are visible there. `namespaces` is
 * what the caller may see, undefined: all. Of a memory in a namespace that is shared, the caller sees
 * those links alone that lie in, and lead to, namespaces that it may see.
 *
 * Every method throws `unknown_chain`, the errors of coordinates that cannot be read, and, where a memory
 * is named that is not visible there, `memory_not_found`.
 */
import type { AnsweredAt, AtRequest } from "../../domain/coordinate.ts";
import type { Height, Hex } from "../../domain/ids.ts";
import type { LinkEnd } from "../../domain/link-name.ts";
import type { JsonObject } from "../../domain/operation.ts";
import type { MemoryView, Page } from "../recant-service.ts";
import type { LinkDirection } from "./graph-store.ts";

export interface LinkView {
	/** Of the memory that the link is, in the namespace of `from`. */
	readonly id: string;
	readonly from: LinkEnd;
	readonly type: string;
	readonly to: LinkEnd;
	readonly weight: number;
	readonly properties: JsonObject | undefined;
	/** Height from which this version of the link holds. */
	readonly since: Height;
}

export interface NeighbourView {
	readonly direction: LinkDirection;
	readonly link: LinkView;
	/** The other end. */
	readonly memory: MemoryView;
}

/** One step of a way. */
export interface StepView extends LinkEnd {
	/** Type of the link that leads to it. */
	readonly type: string;
	readonly weight: number;
}

export interface ReachedView {
	readonly memory: MemoryView;
	/** Links from the memory that was asked for; at least 1. */
	readonly depth: number;
	/** A shortest way from the memory that was asked for, which is left out; it ends with this memory. */
	readonly path: readonly StepView[];
}

/** What a walk ran into: more links in a row, more memories, or more links of one step, than it may. */
export const WALK_BOUNDS = ["depth", "nodes", "links"] as const;
export type WalkBound = (typeof WALK_BOUNDS)[number];

export interface WalkView {
	readonly at: AnsweredAt;
	readonly items: readonly ReachedView[];
	/** True: there is more than `items`. */
	readonly truncated: boolean;
	/** Undefined: nothing is missing. */
	readonly truncatedBy: WalkBound | undefined;
}

/**
 * ancestors, descendants: up and down isA and partOf, or other types; the nearest first. causes,
 * consequences: along causedBy, in the order of episodes.
 */
export const WALKS = ["ancestors", "descendants", "causes", "consequences"] as const;
export type Walk = (typeof WALKS)[number];

export interface LinksQuery {
	readonly namespace: string;
	readonly id: string;
	readonly namespaces?: readonly string[] | undefined;
	readonly direction: LinkDirection | "both";
	/** Undefined: all. */
	readonly types: readonly string[] | undefined;
	readonly minWeight: number | undefined;
	readonly at: AtRequest;
	readonly limit: number;
	/** From the page before; pins its coordinate. */
	readonly cursor: string | undefined;
	/** Id of who reads; a cursor is theirs alone. */
	readonly reader?: string | undefined;
}

export interface WalkQuery {
	readonly namespace: string;
	readonly id: string;
	readonly namespaces?: readonly string[] | undefined;
	/** Undefined: those of the walk. Always causedBy for causes and consequences. */
	readonly types: readonly string[] | undefined;
	readonly minWeight: number | undefined;
	readonly at: AtRequest;
	/** At most LIMITS.graphDepth. */
	readonly depth: number;
	/** At most LIMITS.graphNodes. */
	readonly limit: number;
}

export interface EpisodesQuery {
	readonly namespace: string | undefined;
	readonly namespaces?: readonly string[] | undefined;
	/** Heights, both inclusive. */
	readonly from: Height | undefined;
	readonly to: Height | undefined;
	/**
	 * Timestamps of blocks in seconds, both inclusive. The pending slot, which has no block yet, counts as
	 * later than every block.
	 */
	readonly fromTime: bigint | undefined;
	readonly toTime: bigint | undefined;
	readonly order: "asc" | "desc";
	readonly at: AtRequest;
	readonly limit: number;
	/** From the page before; pins its coordinate and the heights of its window. */
	readonly cursor: string | undefined;
	/** Id of who reads; a cursor is theirs alone. */
	readonly reader?: string | undefined;
}

export interface EpisodeView {
	readonly memory: MemoryView;
	/** The block that it began in; undefined: pending, or its header is not kept. */
	readonly block: { readonly hash: Hex; readonly timestamp: bigint } | undefined;
}

export interface GraphService {
	/** Links out of a memory first, then those into it; each by type. */
	links(
		chain: string,
		query: LinksQuery,
	): Promise<{ readonly at: AnsweredAt } & Page<NeighbourView>>;
	walk(chain: string, walk: Walk, query: WalkQuery): Promise<WalkView>;
	episodes(
		chain: string,
		query: EpisodesQuery,
	): Promise<{ readonly at: AnsweredAt } & Page<EpisodeView>>;
}
