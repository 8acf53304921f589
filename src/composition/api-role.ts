/** The role `api`: everything under /v1, the documents, and the health of this process. */
import { createHttpApp } from "../http/app.ts";
import { mergedBody } from "../http/merged-body.ts";
import type { OpenApiApp } from "../http/openapi-app.ts";
import { partialGate } from "../resilience/request-gates.ts";
import { Proofs } from "../service/proving/proofs.ts";
import { PartialRestores } from "../service/restoring/partial-restores.ts";
import type { VectorUpkeep } from "../service/searching/vector-upkeep.ts";
import { vectorUpkeep } from "../service/searching/vector-upkeep.ts";
import { SnapshotService } from "../service/snapshots.ts";
import { PostgresProofStore } from "../store/reading/postgres-proof-store.ts";
import { proofChain, snapshotChain } from "./chain-views.ts";
import type { Foundation } from "./foundation.ts";
import type { Chains } from "./open-chains.ts";
import type { OpenConsistency } from "./open-consistency.ts";
import { openKeys } from "./open-keys.ts";
import { openReads } from "./open-reads.ts";
import { openResults } from "./open-records.ts";
import { openRecovery } from "./open-recovery.ts";
import type { OpenService } from "./open-service.ts";
import { openDeliveries } from "./open-webhooks.ts";

export function openApi(
	base: Foundation,
	{
		chains,
		checks,
		opened: { service, runtimes },
		restores,
	}: {
		readonly chains: Chains;
		readonly checks: OpenConsistency;
		readonly opened: OpenService;
		readonly restores: PartialRestores;
	},
): OpenApiApp {
	const { database, environment, state, log } = base;
	const chainId = (chain: string) => service.chainId(chain);
	const proofs = new Proofs(new PostgresProofStore(database), chains.all.map(proofChain));
	base.ending.add(async () => proofs.close());
	return createHttpApp({
		service,
		proofs,
		snapshots: new SnapshotService({
			...chains.snapshotWork,
			chains: chains.all.map(snapshotChain),
			state,
			canApply: chains.snapshotWork.importer !== undefined,
		}),
		restores,
		apiKeys: environment.apiKeys,
		records: {
			results: openResults(database, base.specs, service),
			deliveries: openDeliveries(base, service),
		},
		reads: openReads(
			database,
			new Map(chains.all.map(({ spec, source }) => [spec.id, source])),
			chainId,
		),
		keys: openKeys(database, environment.apiKeys),
		recoveries: openRecovery(base, chains, chainId),
		log,
		...checks.services(chainId),
		layers: base.layers.services(runtimes, upkeepOf(base, chains), service),
	});
}

export function openRestores({ state }: Foundation, { runtimes }: OpenService): PartialRestores {
	return new PartialRestores({
		chains: runtimes,
		state,
		checkBody: mergedBody,
		turns: partialGate(),
	});
}

/** Whoever writes a chain keeps its tables of vectors; where nobody does, nothing is kept up on demand. */
function upkeepOf({ roles }: Foundation, chains: Chains): VectorUpkeep | undefined {
	if (!roles.includes("follower")) return undefined;
	return vectorUpkeep((chainId) => chains.of(chainId)?.process?.flusher);
}
