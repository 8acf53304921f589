/** What is kept beside the memories: recorded results, and deliveries of reports; and what deletes of it. */
import type { ChainSpec } from "../follower/chain-spec.ts";
import type { Recant } from "../service/recant.ts";
import { Results } from "../service/records/results.ts";
import type { ResultsService } from "../service/records/results-service.ts";
import { Sweeper } from "../service/records/sweeper.ts";
import type { Database } from "../store/database.ts";
import { PostgresResultStore } from "../store/records/postgres-result-store.ts";
import { sweepDeliveries, sweepEmbeddings, sweepResults } from "../store/records/sweeps.ts";
import type { Foundation } from "./foundation.ts";

export function openResults(
	database: Database,
	specs: readonly ChainSpec[],
	service: Pick<Recant, "chainId">,
): ResultsService {
	const namespaces = new Map(specs.map((spec) => [spec.id, spec.namespaces]));
	return new Results({
		results: new PostgresResultStore(database),
		chain: (chain) => {
			const id = service.chainId(chain);
			return { id, namespaces: namespaces.get(id) ?? [] };
		},
	});
}

export function openSweeper({ database, log }: Pick<Foundation, "database" | "log">): Sweeper {
	return new Sweeper({
		sweeps: {
			embeddings: () => sweepEmbeddings(database),
			results: () => sweepResults(database),
			deliveries: () => sweepDeliveries(database),
		},
		log,
	});
}
