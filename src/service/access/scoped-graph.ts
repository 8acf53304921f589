/** The graph, the episodes and explanations as one caller may ask for them. */
import { type Caller, requireNamespace, requireScope } from "../../domain/caller.ts";
import type { ExplainService } from "../explaining/explain-service.ts";
import type { GraphService } from "../graph/graph-service.ts";

/**
 * A memory of a shared namespace has links of everybody's: the caller sees those that lie in, and lead to,
 * namespaces of its own.
 */
export function scopedGraph(graph: GraphService, caller: Caller): GraphService {
	const { namespaces, id: reader } = caller;
	return {
		async links(chain, query) {
			requireScope(caller, "read");
			requireNamespace(caller, query.namespace);
			return graph.links(chain, { ...query, namespaces, reader });
		},
		async walk(chain, walk, query) {
			requireScope(caller, "read");
			requireNamespace(caller, query.namespace);
			return graph.walk(chain, walk, { ...query, namespaces });
		},
		async episodes(chain, query) {
			requireScope(caller, "read");
			if (query.namespace !== undefined) requireNamespace(caller, query.namespace);
			return graph.episodes(chain, { ...query, namespaces, reader });
		},
	};
}

/** Sources that the caller may not see are named, since it named them, and nothing is said of them. */
export function scopedExplain(explain: ExplainService, caller: Caller): ExplainService {
	return {
		async explain(chain, query) {
			requireScope(caller, "read");
			requireNamespace(caller, query.namespace);
			return explain.explain(chain, { ...query, namespaces: caller.namespaces });
		},
	};
}
