/**
 * The HTTP application: guards, routes, and one place where errors become problem details.
 *
 * A request passes access, then its route's checks (every problem is listed), then the service.
 * Whatever is thrown on the way is answered as a problem; what was not thrown on purpose is logged
 * and says nothing about the inside.
 */
import type { Context } from "hono";
import type { Caller } from "../domain/caller.ts";
import { FatalError } from "../domain/errors.ts";
import type { KnownKeys } from "../service/access/key-ring.ts";
import { operatorOnly } from "../service/access/operator-only.ts";
import { scopedConsolidations } from "../service/access/scoped-consolidations.ts";
import { scopedExplain, scopedGraph } from "../service/access/scoped-graph.ts";
import { scopedNamespaces } from "../service/access/scoped-namespaces.ts";
import { scopedOptimise } from "../service/access/scoped-optimise.ts";
import { scopedProofs } from "../service/access/scoped-proofs.ts";
import { ScopedRecant } from "../service/access/scoped-recant.ts";
import { scopedRestores } from "../service/access/scoped-restores.ts";
import { scopedResults } from "../service/access/scoped-results.ts";
import type { ConsistencyService } from "../service/consistency.ts";
import type { ExplainService } from "../service/explaining/explain-service.ts";
import type { GraphService } from "../service/graph/graph-service.ts";
import type { KeyService } from "../service/keys/keys.ts";
import type { ConsolidationService } from "../service/layers/consolidation-service.ts";
import type { NamespaceService } from "../service/layers/namespace-service.ts";
import type { OptimiseService } from "../service/layers/optimise-service.ts";
import type { ProofService } from "../service/proving/proof-service.ts";
import type { RecantService } from "../service/recant-service.ts";
import type { DeliveriesService } from "../service/records/deliveries-service.ts";
import type { ResultsService } from "../service/records/results-service.ts";
import type { RecoveryService } from "../service/recoveries.ts";
import type { RepairService } from "../service/repairs.ts";
import type { PartialRestoreService } from "../service/restoring/partial-restore-service.ts";
import type { SnapshotService } from "../service/snapshots.ts";
import { requireAccess } from "./access.ts";
import { answerError } from "./answer-error.ts";
import { type Bound, type HttpLog, type OpenApiApp, openApiApp } from "./openapi-app.ts";
import { addBlockRoutes } from "./routes/block-routes.ts";
import { addConsistencyRoutes } from "./routes/consistency-routes.ts";
import { addConsolidationRoutes } from "./routes/consolidation-routes.ts";
import { addDeliveryRoutes } from "./routes/delivery-routes.ts";
import { addDocumentRoutes } from "./routes/document-routes.ts";
import { addEventRoutes } from "./routes/event-routes.ts";
import { addExplainRoutes } from "./routes/explain-routes.ts";
import { addGraphRoutes } from "./routes/graph-routes.ts";
import { addKeyRoutes } from "./routes/key-routes.ts";
import { addMemoryRoutes } from "./routes/memory-routes.ts";
import { addNamespaceRoutes } from "./routes/namespace-routes.ts";
import { addOperationRoutes } from "./routes/operation-routes.ts";
import { addOptimiseRoutes } from "./routes/optimise-routes.ts";
import { addProofRoutes } from "./routes/proof-routes.ts";
import { addRecoveryRoutes } from "./routes/recovery-routes.ts";
import { addRepairRoutes } from "./routes/repair-routes.ts";
import { addRestoreRoutes } from "./routes/restore-routes.ts";
import { addResultRoutes } from "./routes/result-routes.ts";
import { addRollbackRoutes } from "./routes/rollback-routes.ts";
import { addSearchRoutes } from "./routes/search-routes.ts";
import { addSnapshotRoutes } from "./routes/snapshot-routes.ts";
import { addHealthRoutes, addStatusRoutes } from "./routes/status-routes.ts";

export interface LayerServices {
	readonly namespaces: NamespaceService;
	readonly optimise: OptimiseService;
	/** Undefined: nothing is consolidated on demand. */
	readonly consolidations: ConsolidationService | undefined;
}

export interface HttpAppOptions {
	readonly service: RecantService;
	/** Undefined: there are no routes for snapshots. */
	readonly snapshots?: SnapshotService | undefined;
	readonly proofs: ProofService;
	/** Undefined: there are no routes for partial restores and merges. */
	readonly restores?: PartialRestoreService | undefined;
	/** Undefined: there are no routes for checks. */
	readonly consistency?: ConsistencyService | undefined;
	readonly repairs?: RepairService | undefined;
	/** Undefined: there are no routes for recoveries of halted chains. */
	readonly recoveries?: RecoveryService | undefined;
	/** Undefined: there are no routes for recorded results and deliveries of webhooks. */
	readonly records?:
		| { readonly results: ResultsService; readonly deliveries: DeliveriesService }
		| undefined;
	/** Undefined: there are no routes for links, episodes and explanations. */
	readonly reads?: { readonly graph: GraphService; readonly explain: ExplainService } | undefined;
	/** Undefined: there are no routes for namespaces, consolidations and optimisations. */
	readonly layers?: LayerServices | undefined;
	/** Root keys; none, and none in the database either: loopback only, without a key. */
	readonly apiKeys: readonly string[];
	/** Keys of the database; undefined: there are none, and no routes for them. */
	readonly keys?: { readonly service: KeyService; readonly known: KnownKeys } | undefined;
	readonly log: HttpLog;
}

/** Throws `configuration_invalid` for keys that cannot be used. */
export function createHttpApp({
	service,
	proofs,
	snapshots,
	restores,
	apiKeys,
	keys,
	log,
	consistency,
	repairs,
	recoveries,
	records,
	reads,
	layers,
}: HttpAppOptions): OpenApiApp {
	const app = openApiApp();
	app.use(async (context, next) => {
		await next();
		context.header("x-content-type-options", "nosniff");
		if (!context.res.headers.has("cache-control")) context.header("cache-control", "no-store");
	});
	app.use(requireAccess(apiKeys, keys?.known));
	const scopedRecant = (inner: RecantService, caller: Caller) => new ScopedRecant(inner, caller);
	const context = { service: bound(service, scopedRecant), log };
	addHealthRoutes(app, context);
	addStatusRoutes(app, context);
	addBlockRoutes(app, context);
	addOperationRoutes(app, context);
	addMemoryRoutes(app, context);
	addProofRoutes(app, bound(proofs, scopedProofs));
	addSearchRoutes(app, context);
	if (reads !== undefined) {
		addGraphRoutes(app, bound(reads.graph, scopedGraph));
		addExplainRoutes(app, bound(reads.explain, scopedExplain));
	}
	addRollbackRoutes(app, context);
	if (snapshots !== undefined) addSnapshotRoutes(app, bound(snapshots, operatorOnly));
	if (restores !== undefined) addRestoreRoutes(app, bound(restores, scopedRestores));
	if (consistency !== undefined) addConsistencyRoutes(app, bound(consistency, operatorOnly));
	if (repairs !== undefined) addRepairRoutes(app, bound(repairs, operatorOnly));
	if (recoveries !== undefined) addRecoveryRoutes(app, bound(recoveries, operatorOnly));
	if (keys !== undefined) addKeyRoutes(app, bound(keys.service, operatorOnly));
	if (records !== undefined) {
		addResultRoutes(app, bound(records.results, scopedResults));
		addDeliveryRoutes(app, bound(records.deliveries, operatorOnly));
	}
	if (layers !== undefined) addLayerRoutes(app, layers);
	addEventRoutes(app, context);
	addDocumentRoutes(app, apiKeys.length > 0 || keys !== undefined);
	app.notFound((context) => answerError(noSuchRoute(app, context), context, log));
	app.onError((error, context) => answerError(error, context, log));
	return app;
}

function addLayerRoutes(app: OpenApiApp, layers: LayerServices): void {
	addNamespaceRoutes(app, bound(layers.namespaces, scopedNamespaces));
	addOptimiseRoutes(app, bound(layers.optimise, scopedOptimise));
	const { consolidations } = layers;
	if (consolidations !== undefined) {
		addConsolidationRoutes(app, bound(consolidations, scopedConsolidations));
	}
}

/** The only way from a service to a route: as the caller of each request may use it. */
function bound<Service>(
	service: Service,
	scope: (service: Service, caller: Caller) => Service,
): Bound<Service> {
	return (context) => scope(service, context.get("admitted").caller);
}

/** `method_not_allowed` where another method would have met a route, else `not_found`. */
function noSuchRoute(app: OpenApiApp, { req }: Context): FatalError {
	const { method, path } = req;
	const allow = allowedMethods(app, path);
	if (allow.length === 0) {
		return new FatalError("not_found", {
			message: `there is no ${path}`,
			hint: "see /docs for the paths; a `/` inside a memory's id is written %2F",
			fields: { method, path },
		});
	}
	return new FatalError("method_not_allowed", {
		message: `${path} does not take ${method}`,
		hint: `use ${allow.join(" or ")}`,
		fields: { method, path, allow: allow.join(", ") },
	});
}

function allowedMethods(app: OpenApiApp, path: string): string[] {
	const methods = app.routes
		// Guards stand in the table as well, for every method and path.
		.filter((route) => route.method !== "ALL" && patternOf(route.path).test(path))
		.map((route) => route.method);
	return [...new Set(methods)].sort();
}

/** `/v1/chains/:chain` as an expression. Our paths hold no other special characters than dots. */
function patternOf(path: string): RegExp {
	return new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/:[^/]+/g, "[^/]+")}$`);
}
