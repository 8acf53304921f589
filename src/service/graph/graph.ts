/** The semantic graph and the episodes of the chains that are served. */
import type { ChainId, Height } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import { CAUSE_TYPE, HIERARCHY_TYPES } from "../../domain/link.ts";
import { memoryKey } from "../../memory/memory-key.ts";
import { memoryNotFound } from "../reading/unknown-memory.ts";
import { memoryView } from "../views.ts";
import { compareEpisodes } from "./episode-order.ts";
import { episodePage } from "./episode-page.ts";
import type {
	EpisodesQuery,
	GraphService,
	LinksQuery,
	ReachedView,
	Walk,
	WalkQuery,
	WalkView,
} from "./graph-service.ts";
import type { GraphStore, LinkDirection } from "./graph-store.ts";
import { type Reached, walkLinks } from "./graph-walk.ts";
import { isSeen } from "./held-links.ts";
import { linkPage } from "./link-page.ts";

export interface GraphOptions {
	readonly store: GraphStore;
	/** Id of a chain that is served. Throws `unknown_chain`. */
	readonly chainId: (chain: string) => ChainId;
	/**
	 * Timestamp in seconds of the node's block, for heights whose header is not kept. Throws
	 * `rpc_unavailable` and `rpc_failed`.
	 */
	readonly timestamp: (chainId: ChainId, height: Height) => Promise<bigint>;
}

/** Which way a walk goes, and whether what it reaches is told in the order of episodes. */
const PLANS: Readonly<
	Record<Walk, { readonly direction: LinkDirection; readonly inTime: boolean }>
> = {
	ancestors: { direction: "out", inTime: false },
	descendants: { direction: "in", inTime: false },
	causes: { direction: "out", inTime: true },
	consequences: { direction: "in", inTime: true },
};

export class Graph implements GraphService {
	readonly #options: GraphOptions;

	constructor(options: GraphOptions) {
		this.#options = options;
	}

	async links(chain: string, query: LinksQuery) {
		return linkPage(this.#options.store, this.#options.chainId(chain), query);
	}

	async walk(chain: string, walk: Walk, query: WalkQuery): Promise<WalkView> {
		const { direction, inTime } = PLANS[walk];
		const start = memoryKey(query.namespace, query.id);
		const { namespaces, minWeight } = query;
		return this.#options.store.read(this.#options.chainId(chain), query.at, async (view) => {
			const version = (await view.memories([start])).get(start);
			if (version === undefined || !isSeen(query, version.namespace)) {
				throw memoryNotFound(query, view.at.height);
			}
			const { reached, truncatedBy } = await walkLinks(view, {
				start,
				direction,
				types: inTime ? [CAUSE_TYPE] : (query.types ?? HIERARCHY_TYPES),
				filter: { namespaces, minWeight },
				depth: Math.min(query.depth, LIMITS.graphDepth),
				nodes: Math.min(query.limit, LIMITS.graphNodes),
			});
			const items = (inTime ? reached.toSorted(inOrder) : reached).map((each) =>
				reachedView(each, view.at.height),
			);
			return { at: view.at, items, truncated: truncatedBy !== undefined, truncatedBy };
		});
	}

	async episodes(chain: string, query: EpisodesQuery) {
		const { store, timestamp } = this.#options;
		const chainId = this.#options.chainId(chain);
		return episodePage(store, chainId, query, (height) => timestamp(chainId, height));
	}
}

function inOrder(a: Reached, b: Reached): number {
	return compareEpisodes(a.version, b.version);
}

function reachedView({ version, depth, path }: Reached, height: Height): ReachedView {
	return { memory: memoryView(version, height), depth, path };
}
