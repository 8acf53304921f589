/** What the layers of agents' memory are told to do: settings, schemas, consolidation, optimisation. */
import type { ChainId } from "../domain/ids.ts";
import type { Logger } from "../domain/logger.ts";
import type { ChainSpec } from "../follower/chain-spec.ts";
import type { LayerServices } from "../http/app.ts";
import { partialGate } from "../resilience/request-gates.ts";
import type { ChainRuntime } from "../service/chain-runtime.ts";
import { ConsolidationFunctions } from "../service/layers/consolidation-functions.ts";
import { ConsolidationRunner } from "../service/layers/consolidation-runner.ts";
import { Consolidations } from "../service/layers/consolidations.ts";
import { KnownSettings } from "../service/layers/known-settings.ts";
import { Namespaces } from "../service/layers/namespaces.ts";
import { Optimisations } from "../service/layers/optimise.ts";
import type { RecantService } from "../service/recant-service.ts";
import { recordedOf } from "../service/records/recorded-results.ts";
import type { VectorUpkeep } from "../service/searching/vector-upkeep.ts";
import { ANCHORED_TO_NOTHING } from "../service/writing/anchor-lookup.ts";
import { ContentSchemas } from "../service/writing/content-schemas.ts";
import type { PendingLook } from "../service/writing/pending-look.ts";
import { contentProblems } from "../service/writing/validate-writes.ts";
import type { Database } from "../store/database.ts";
import { PostgresNamespaceStore } from "../store/layers/postgres-namespace-store.ts";
import { PostgresOptimiseStore } from "../store/layers/postgres-optimise-store.ts";
import { PostgresPendingLook } from "../store/layers/postgres-pending-look.ts";
import { PostgresResultStore } from "../store/records/postgres-result-store.ts";
import { PostgresDerivationStore } from "../store/writing/postgres-derivation-store.ts";
import type { Consolidator, WriterSettings } from "../writer/system-work.ts";

/** A consolidation rests on its members alone, which the writer names. */
const ON_NOTHING = {
	ifVersion: undefined,
	anchors: ANCHORED_TO_NOTHING,
	derivedFrom: [],
	onLoss: undefined,
} as const;

export interface Layers {
	readonly schemas: ContentSchemas;
	readonly look: PendingLook;
	/** Of one chain, for its writer and for whoever checks writes. */
	settings(spec: ChainSpec): KnownSettings;
	/** As the writer of a chain that is served, or its rollbacks, ask for them. */
	writerSettings(chainId: ChainId): WriterSettings;
	readonly consolidator: Consolidator;
	/** When the chains are there. */
	services(
		chains: readonly ChainRuntime[],
		upkeep: VectorUpkeep | undefined,
		service: Pick<RecantService, "write">,
	): LayerServices;
}

export function openLayers(
	specs: readonly ChainSpec[],
	{ database, log }: { readonly database: Database; readonly log: Logger },
): Layers {
	const store = new PostgresNamespaceStore(database);
	const schemas = new ContentSchemas();
	const known = new Map<ChainId, KnownSettings>();
	const settings = ({ id: chainId, memory: declared }: ChainSpec) => {
		const found = known.get(chainId) ?? new KnownSettings({ chainId, store, declared });
		known.set(chainId, found);
		return found;
	};
	const unknown = (chainId: ChainId) => new KnownSettings({ chainId, store, declared: new Map() });
	const results = new PostgresResultStore(database);
	const functionsOf = (chainId: ChainId) =>
		new ConsolidationFunctions({
			functions: specs.find(({ id }) => id === chainId)?.consolidations ?? new Map(),
			recorded: recordedOf(results, chainId),
		});
	for (const spec of specs) settings(spec);
	return {
		writerSettings: (chainId) => writerSettings(known.get(chainId) ?? unknown(chainId), schemas),
		consolidator: new ConsolidationRunner({
			functions: (chainId) => functionsOf(chainId),
			derivations: new PostgresDerivationStore(database),
			log,
		}),
		schemas,
		look: new PostgresPendingLook(database),
		settings,
		services: (chains, upkeep, service) => ({
			namespaces: new Namespaces({
				chains: chains.map(({ spec }) => ({ spec, settings: settings(spec) })),
				store,
				schemas,
			}),
			optimise: new Optimisations({
				chains,
				store: new PostgresOptimiseStore(database),
				upkeep,
				turns: partialGate(),
				now: Date.now,
			}),
			consolidations: new Consolidations({
				chains: chains.map(({ spec }) => ({ spec, settings: settings(spec) })),
				submit: (chain, { namespace, rule }, mode) => {
					const operation = { kind: "consolidate", namespace, rule, ...ON_NOTHING } as const;
					return service.write(chain, { operations: [operation], ...mode });
				},
			}),
		}),
	};
}

function writerSettings(settings: KnownSettings, schemas: ContentSchemas): WriterSettings {
	return {
		refresh: () => settings.refresh(),
		all: () => settings.all(),
		contentProblem: (namespace, body, allowance) => {
			const [first] = contentProblems(body, settings.of(namespace), schemas, allowance);
			return first && `content.${first.path.join(".")}: ${first.message}`;
		},
	};
}
