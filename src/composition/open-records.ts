/** What is kept beside the memories: recorded results, and deliveries of reports; and what deletes of it. */
import type { Environment } from "../config/environment.ts";
import type { Logger } from "../domain/logger.ts";
import type { ChainSpec } from "../follower/chain-spec.ts";
import type { QueueBackendConfig } from "../queue/choose-backend.ts";
import type { Recant } from "../service/recant.ts";
import type { DeliveriesService } from "../service/records/deliveries-service.ts";
import { Results } from "../service/records/results.ts";
import type { ResultsService } from "../service/records/results-service.ts";
import { Sweeper } from "../service/records/sweeper.ts";
import type { Database } from "../store/database.ts";
import { PostgresResultStore } from "../store/records/postgres-result-store.ts";
import { sweepDeliveries, sweepEmbeddings, sweepResults } from "../store/records/sweeps.ts";
import type { Ending } from "./ending.ts";
import { openWebhooks } from "./open-webhooks.ts";

/** For a delivery under way at the end. */
const CLOSE_MS = 5_000;

export interface RecordParts {
	readonly environment: Environment;
	readonly specs: readonly ChainSpec[];
	readonly database: Database;
	readonly backend: QueueBackendConfig;
	/** As of the rollback queue. */
	readonly prefix: string;
	readonly service: Recant;
	readonly log: Logger;
	readonly ending: Ending;
}

export interface OpenRecords {
	readonly results: ResultsService;
	readonly deliveries: DeliveriesService;
	/** Ended with the rest. */
	start(): void;
}

export function openRecords({ environment, specs, ending, ...parts }: RecordParts): OpenRecords {
	const { database, service, log } = parts;
	const webhooks = openWebhooks({ ...parts, settings: environment.webhook });
	const namespaces = new Map(specs.map((spec) => [spec.id, spec.namespaces]));
	const results = new Results({
		results: new PostgresResultStore(database),
		chain: (chain) => {
			const id = service.chainId(chain);
			return { id, namespaces: namespaces.get(id) ?? [] };
		},
	});
	const sweeper = new Sweeper({
		sweeps: {
			embeddings: () => sweepEmbeddings(database),
			results: () => sweepResults(database),
			deliveries: () => sweepDeliveries(database),
		},
		log,
	});
	ending.add(async () => {
		await Promise.all([webhooks.stop(CLOSE_MS), sweeper.stop()]);
	});
	return {
		results,
		deliveries: webhooks.deliveries,
		start() {
			webhooks.start();
			sweeper.start();
		},
	};
}
