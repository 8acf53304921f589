/** Checks of what is stored, and repairs of what they find. */
import { clocksOf } from "../consistency/check-plan.ts";
import { ConsistencyChecks } from "../consistency/consistency-checks.ts";
import { Repairer } from "../consistency/repair/repairer.ts";
import type { ChainId } from "../domain/ids.ts";
import type { Logger } from "../domain/logger.ts";
import type { ChainProcess } from "../follower/chain-process.ts";
import type { ChainSource } from "../follower/chain-source.ts";
import type { ChainSpec } from "../follower/chain-spec.ts";
import { createCheckQueue } from "../queue/check-queue.ts";
import type { QueueBackendConfig } from "../queue/choose-backend.ts";
import { Consistency, lastCheck } from "../service/consistency.ts";
import { Repairs } from "../service/repairs.ts";
import { PostgresConsistencyStore } from "../store/checking/postgres-consistency-store.ts";
import { PostgresRepairStore } from "../store/checking/postgres-repair-store.ts";
import type { Database } from "../store/database.ts";
import { type CheckParts, checkedChain, type RepairParts, repairedChain } from "./chain-views.ts";

export type ConsistencyParts = Omit<CheckParts & RepairParts, "source" | "node"> & {
	readonly specs: readonly ChainSpec[];
	readonly processes: ReadonlyMap<ChainId, ChainProcess>;
	readonly sources: ReadonlyMap<ChainId, ChainSource>;
	readonly database: Database;
	readonly backend: QueueBackendConfig;
	/** As of the rollback queue. */
	readonly prefix: string;
	readonly log: Logger;
};

export interface OpenConsistency {
	readonly lastCheck: (chainId: ChainId) => ReturnType<typeof lastCheck>;
	services(chainId: (chain: string) => ChainId): {
		readonly consistency: Consistency;
		readonly repairs: Repairs;
	};
	start(): void;
	stop(): Promise<void>;
	/** After `stop`, and after the requests that ask for checks. */
	close(deadlineMs: number): Promise<void>;
}

export function openConsistency(parts: ConsistencyParts): OpenConsistency {
	const { database, backend, prefix, log, processes, sources } = parts;
	const store = new PostgresConsistencyStore(database);
	const queue = createCheckQueue({ backend, prefix, log });
	const checks = new ConsistencyChecks({
		store,
		queue,
		schedules: parts.specs.flatMap(({ id: chainId, consistency }) =>
			clocksOf(consistency).map((clock) => ({ chainId, ...clock })),
		),
		chain: (chainId) => {
			const chain = processes.get(chainId);
			const source = sources.get(chainId);
			if (chain?.writer === undefined || source === undefined) return undefined;
			return checkedChain(chain, { ...parts, source });
		},
		log,
	});
	const repairStore = new PostgresRepairStore(database, store);
	return {
		lastCheck: (chainId) => lastCheck(store, chainId),
		services: (chainId) => ({
			consistency: new Consistency({ store, checks, chainId }),
			repairs: new Repairs({
				store: repairStore,
				repairer: new Repairer({ store: repairStore, log }),
				chainId,
				chain: (id) => {
					const chain = processes.get(id);
					const node = sources.get(id);
					return chain && node && repairedChain(chain, { ...parts, node });
				},
			}),
		}),
		start: () => checks.start(),
		stop: () => checks.stop(),
		close: (deadlineMs) => queue.close(deadlineMs),
	};
}
