/** Links of memories, walks along them, and episodes. */
import { createRoute, z } from "@hono/zod-openapi";
import { coordinateView, toWire } from "../../domain/wire.ts";
import { type GraphService, WALKS, type WalkView } from "../../service/graph/graph-service.ts";
import { atRequest, chainParam } from "../fields.ts";
import {
	causesQuery,
	episodesAnswer,
	episodesQuery,
	hierarchyQuery,
	linksAnswer,
	linksQuery,
	walkAnswer,
} from "../graph-schema.ts";
import type { Bound, OpenApiApp } from "../openapi-app.ts";
import { answer, OF_CHAIN, OF_COORDINATE, problems } from "../responses.ts";
import { memoryParams } from "./memory-routes.ts";

const OF_MEMORY = [...OF_CHAIN, ...OF_COORDINATE, "memory_not_found"] as const;

const linksRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/memories/{id}/links",
	tags: ["graph"],
	summary: "Links of a memory, with the memories at their other ends",
	description:
		"A link holds at a coordinate while it and both of its ends are visible there. Those out of the memory come first, by type.",
	request: { params: memoryParams, query: linksQuery },
	responses: {
		200: answer("One page.", linksAnswer),
		...problems(...OF_MEMORY, "cursor_invalid"),
	},
});

const SUMMARIES = {
	ancestors: "What a memory is a kind or a part of, directly and further up",
	descendants: "What is a kind or a part of a memory, directly and further down",
	causes: "What caused an episode, directly and further back",
	consequences: "What an episode caused, directly and further on",
} as const;

function hierarchyRoute<Name extends "ancestors" | "descendants">(name: Name) {
	return createRoute({
		method: "get",
		path: `/v1/chains/{chain}/memories/{id}/${name}`,
		tags: ["graph"],
		summary: SUMMARIES[name],
		description: "The nearest first, each memory once.",
		request: { params: memoryParams, query: hierarchyQuery },
		responses: { 200: answer("What was reached.", walkAnswer), ...problems(...OF_MEMORY) },
	});
}

function causeRoute<Name extends "causes" | "consequences">(name: Name) {
	return createRoute({
		method: "get",
		path: `/v1/chains/{chain}/memories/{id}/${name}`,
		tags: ["graph"],
		summary: SUMMARIES[name],
		description: "Along `causedBy`, in the order in which the episodes happened, each once.",
		request: { params: memoryParams, query: causesQuery },
		responses: { 200: answer("What was reached.", walkAnswer), ...problems(...OF_MEMORY) },
	});
}

const episodesRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/episodes",
	tags: ["graph"],
	summary: "Episodes in the order in which they happened",
	description:
		"By block, transaction and log, then as agents wrote them; a window by height, by the timestamps of blocks, or by both.",
	request: { params: z.object({ chain: chainParam }), query: episodesQuery },
	responses: {
		200: answer("One page.", episodesAnswer),
		...problems(...OF_CHAIN, ...OF_COORDINATE, "cursor_invalid", "rpc_failed", "rpc_unavailable"),
	},
});

export function addGraphRoutes(app: OpenApiApp, graph: Bound<GraphService>): void {
	app.openapi(linksRoute, async (context) => {
		const { chain, id } = context.req.valid("param");
		const { at, generation, type: types, ...rest } = context.req.valid("query");
		const query = { ...rest, id, types, at: atRequest(at, generation) };
		const { minWeight, cursor } = rest;
		const page = await graph(context).links(chain, { ...query, minWeight, cursor });
		return context.json({ ...toWire(page), at: coordinateView(page.at) }, 200);
	});
	addWalkRoutes(app, graph);
	app.openapi(episodesRoute, async (context) => {
		const { at, generation, ...rest } = context.req.valid("query");
		const { namespace, from, to, fromTime, toTime, order, limit, cursor } = rest;
		const page = await graph(context).episodes(context.req.valid("param").chain, {
			...{ namespace, from, to, fromTime, toTime, order, limit, cursor },
			at: atRequest(at, generation),
		});
		return context.json({ ...toWire(page), at: coordinateView(page.at) }, 200);
	});
}

function addWalkRoutes(app: OpenApiApp, graph: Bound<GraphService>): void {
	for (const walk of WALKS) {
		if (walk === "ancestors" || walk === "descendants") {
			app.openapi(hierarchyRoute(walk), async (context) => {
				const { chain, id } = context.req.valid("param");
				const { at, generation, type, minWeight, ...rest } = context.req.valid("query");
				const query = { ...rest, id, types: type, minWeight, at: atRequest(at, generation) };
				return context.json(walkOf(await graph(context).walk(chain, walk, query)), 200);
			});
			continue;
		}
		app.openapi(causeRoute(walk), async (context) => {
			const { chain, id } = context.req.valid("param");
			const { at, generation, minWeight, ...rest } = context.req.valid("query");
			const query = { ...rest, id, types: undefined, minWeight, at: atRequest(at, generation) };
			return context.json(walkOf(await graph(context).walk(chain, walk, query)), 200);
		});
	}
}

function walkOf(view: WalkView) {
	return { ...toWire(view), at: coordinateView(view.at) };
}
