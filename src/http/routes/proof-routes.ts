/** Proofs of memories, and the state tree for comparing replicas. */
import { createRoute, z } from "@hono/zod-openapi";
import type { At } from "../../domain/coordinate.ts";
import { coordinateView, toWire } from "../../domain/wire.ts";
import type { ProofService } from "../../service/proving/proof-service.ts";
import {
	atQuery,
	chainParam,
	DEFAULT_NAMESPACE,
	generationQuery,
	layerValue,
	namespaceValue,
} from "../fields.ts";
import type { Bound, OpenApiApp } from "../openapi-app.ts";
import { keysQuery, namesAnswer, pathsQuery, proofAnswer, treeAnswer } from "../proof-schema.ts";
import { answer, OF_CHAIN, OF_COORDINATE, problems } from "../responses.ts";
import { memoryParams } from "./memory-routes.ts";

/** The pending slot has no root. */
const LATEST: At = { kind: "tag", tag: "latest" };
const sealedAt = atQuery.optional().openapi({ default: "latest" });

const SEALED = [
	...OF_CHAIN,
	...OF_COORDINATE,
	"not_sealed",
	"too_many_clients",
	"verification_failed",
] as const;

const proofRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/memories/{id}/proof",
	tags: ["proofs"],
	summary: "A proof that a memory is, or is not, part of the state at a sealed coordinate",
	description:
		"Inclusion where the memory is visible, else exclusion from all layers. It can be checked by anyone with `recant verify`, or on a chain by contracts/src/StateProofVerifier.sol, against a state root that they trust.",
	request: {
		params: memoryParams,
		query: z.strictObject({
			namespace: namespaceValue.default(DEFAULT_NAMESPACE),
			at: sealedAt,
			generation: generationQuery.optional(),
		}),
	},
	responses: {
		200: answer("The proof.", proofAnswer),
		...problems(...SEALED, "rpc_failed", "rpc_unavailable"),
	},
});

const treeRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/tree",
	tags: ["proofs"],
	summary: "Nodes of a layer's state tree at a sealed coordinate",
	description:
		"For comparing two replicas: go down where hashes differ. Name the height and the generation of the first answer in those that follow, so that all are of one state.",
	request: {
		params: z.object({ chain: chainParam }),
		query: z.strictObject({
			layer: layerValue,
			paths: pathsQuery.default([""]),
			at: sealedAt,
			generation: generationQuery.optional(),
		}),
	},
	responses: { 200: answer("The nodes.", treeAnswer), ...problems(...SEALED) },
});

const namesRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/tree/memories",
	tags: ["proofs"],
	summary: "Names of the memories that keys of the state tree stand for",
	description: "Keys that are not visible at the coordinate are left out.",
	request: {
		params: z.object({ chain: chainParam }),
		query: z.strictObject({
			keys: keysQuery,
			at: sealedAt,
			generation: generationQuery.optional(),
		}),
	},
	responses: {
		200: answer("The names.", namesAnswer),
		...problems(...OF_CHAIN, ...OF_COORDINATE),
	},
});

export function addProofRoutes(app: OpenApiApp, proofs: Bound<ProofService>): void {
	app.openapi(proofRoute, async (context) => {
		const { chain, id } = context.req.valid("param");
		const { namespace, at = LATEST, generation } = context.req.valid("query");
		const found = await proofs(context).proof(chain, { id, namespace, at: { at, generation } });
		return context.json({ ...toWire(found), at: coordinateView(found.at) }, 200);
	});
	app.openapi(treeRoute, async (context) => {
		const { chain } = context.req.valid("param");
		const { layer, paths, at = LATEST, generation } = context.req.valid("query");
		const found = await proofs(context).tree(chain, { layer, paths, at: { at, generation } });
		return context.json({ ...toWire(found), at: coordinateView(found.at) }, 200);
	});
	app.openapi(namesRoute, async (context) => {
		const { chain } = context.req.valid("param");
		const { keys, at = LATEST, generation } = context.req.valid("query");
		const found = await proofs(context).names(chain, { keys, at: { at, generation } });
		return context.json({ ...toWire(found), at: coordinateView(found.at) }, 200);
	});
}
