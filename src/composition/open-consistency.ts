/** Checks of what is stored, and repairs of what they find. */
import { clocksOf } from "../consistency/check-plan.ts";
import { ConsistencyChecks } from "../consistency/consistency-checks.ts";
import { Repairer } from "../consistency/repair/repairer.ts";
import type { ChainId } from "../domain/ids.ts";
import { createCheckQueue } from "../queue/check-queue.ts";
import { Consistency, lastCheck } from "../service/consistency.ts";
import { Repairs } from "../service/repairs.ts";
import { PostgresConsistencyStore } from "../store/checking/postgres-consistency-store.ts";
import { PostgresRepairStore } from "../store/checking/postgres-repair-store.ts";
import { openLanceInspection } from "../vectors/lance-inspection.ts";
import { checkedChain, repairedChain } from "./chain-views.ts";
import type { Foundation } from "./foundation.ts";
import type { Chains } from "./open-chains.ts";

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

export async function openConsistency(base: Foundation, chains: Chains): Promise<OpenConsistency> {
	const { database, backend, prefix, log, roles } = base;
	const inspection = await openLanceInspection(base.lancedbUri);
	base.ending.add(() => inspection.close());
	const store = new PostgresConsistencyStore(database);
	const queue = createCheckQueue({ backend, prefix, log });
	const parts = { ...base, embedsExactly: base.opened.exact, inspection };
	const checks = new ConsistencyChecks({
		store,
		queue,
		schedules: base.specs.flatMap(({ id: chainId, consistency }) =>
			clocksOf(consistency).map((clock) => ({ chainId, ...clock })),
		),
		chain: (chainId) => {
			const { process, source } = chains.of(chainId) ?? {};
			if (process?.writer === undefined || source === undefined) return undefined;
			return checkedChain(process, { ...parts, source });
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
					const { process, source } = chains.of(id) ?? {};
					return process && source && repairedChain(process, { ...parts, node: source });
				},
			}),
		}),
		// A check compares rows with the writer's own tree, so it is run where the chain is written.
		start: () => (roles.includes("follower") ? checks.start() : checks.startAsking()),
		stop: () => checks.stop(),
		close: (deadlineMs) => queue.close(deadlineMs),
	};
}
