/** Reading the graph, the episodes and explanations. */
import { RetryableError } from "../domain/errors.ts";
import type { ChainId, Height } from "../domain/ids.ts";
import type { ChainSource } from "../follower/chain-source.ts";
import { Explain } from "../service/explaining/explain.ts";
import type { ExplainService } from "../service/explaining/explain-service.ts";
import { Graph } from "../service/graph/graph.ts";
import type { GraphService } from "../service/graph/graph-service.ts";
import type { Database } from "../store/database.ts";
import { PostgresExplainStore } from "../store/reading/postgres-explain-store.ts";
import { PostgresGraphStore } from "../store/reading/postgres-graph-store.ts";

export interface OpenReads {
	readonly graph: GraphService;
	readonly explain: ExplainService;
}

export function openReads(
	database: Database,
	sources: ReadonlyMap<ChainId, ChainSource>,
	chainId: (chain: string) => ChainId,
): OpenReads {
	return {
		graph: new Graph({
			store: new PostgresGraphStore(database),
			chainId,
			timestamp: (id, height) => timestampOf(sources.get(id), height),
		}),
		explain: new Explain({ store: new PostgresExplainStore(database), chainId }),
	};
}

/** Of a block below finality, which every node of the chain has. */
async function timestampOf(source: ChainSource | undefined, height: Height): Promise<bigint> {
	const block = await source?.blockByNumber(height);
	if (block !== undefined) return block.timestamp;
	throw new RetryableError("rpc_failed", {
		message: `the node does not have block ${height}, whose time is needed`,
		hint: "check that the chain's provider is in sync; a window by height needs no node",
		fields: { height: height.toString() },
	});
}
