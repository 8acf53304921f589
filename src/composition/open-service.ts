/**
 * Recant over this process's chains, in every role: an API serves it, a worker makes reports with it, and
 * every process says with it whether it is ready.
 */

import { scanGate, searchGate } from "../resilience/request-gates.ts";
import type { ChainRuntime } from "../service/chain-runtime.ts";
import { Recant } from "../service/recant.ts";
import { RowsAtHand } from "../service/searching/rows-at-hand.ts";
import { AgentWrites } from "../service/writing/agent-writes.ts";
import { version } from "./about.ts";
import { runtime } from "./chain-views.ts";
import type { Foundation } from "./foundation.ts";
import type { ChainParts, Chains } from "./open-chains.ts";
import type { OpenConsistency } from "./open-consistency.ts";
import type { Rollbacks } from "./open-rollbacks.ts";

export interface OpenService {
	readonly service: Recant;
	readonly runtimes: readonly ChainRuntime[];
}

export function openService(
	base: Foundation,
	{
		chains,
		rollbacks,
		checks,
	}: {
		readonly chains: Chains;
		readonly rollbacks: Rollbacks;
		readonly checks: OpenConsistency;
	},
): OpenService {
	const { database, tables, workingMemories, files, opened, embedder, state } = base;
	const { queue } = rollbacks;
	const runtimes = chains.all.map((chain) => runtime(chain, openWrites(base, chain)));
	const service = new Recant({
		about: {
			version: version(),
			roles: base.roles,
			installationId: base.installation,
			queueBackend: queue.backend,
			database: base.isEmbedded ? "embedded" : "external",
			embedder: { model: embedder.model, dimensions: embedder.dimensions },
		},
		chains: runtimes,
		state,
		inbox: base.inbox,
		writerStore: base.writerStore,
		rollbackStore: base.rollbackStore,
		coordinator: rollbacks.coordinator,
		search: { tables, embedder, rows: new RowsAtHand(), turns: searchGate(), scans: scanGate() },
		workingMemory: workingMemories,
		stores: {
			probe: async () => {
				const probed = [database, tables, workingMemories, files];
				await Promise.all(probed.map((store) => store.probe()));
			},
			health: () => [
				database.health(),
				tables.storeHealth(),
				queue.health(),
				files.storeHealth(),
				...workingMemories.health(),
				...opened.health(),
			],
		},
		events: base.events,
		lastCheck: checks.lastCheck,
	});
	return { service, runtimes };
}

function openWrites({ inbox, embedder, layers }: Foundation, chain: ChainParts): AgentWrites {
	const { spec, source, collections, settings, elsewhere, process } = chain;
	return new AgentWrites({
		spec,
		source,
		inbox,
		collections,
		embedder,
		settings,
		checks: layers,
		elsewhere,
		writer: () => process?.writer,
		flusher: () => process?.flusher,
		poke: () => process?.follower?.poke(),
	});
}
