/** Search at a coordinate, and the difference between two. */
import { createRoute, z } from "@hono/zod-openapi";
import { LIMITS } from "../../domain/limits.ts";
import { coordinateView, toWire } from "../../domain/wire.ts";
import { diffAnswer, searchAnswer } from "../answer-schema.ts";
import {
	atQuery,
	atRequest,
	atValue,
	chainParam,
	checkCount,
	countQuery,
	cursorQuery,
	generationQuery,
	generationValue,
	layerValue,
	namespaceFilter,
} from "../fields.ts";
import { jsonBody } from "../json-body.ts";
import type { OpenApiApp, RouteContext } from "../openapi-app.ts";
import { collectionValue, textValue, unitValue, vectorValue } from "../operation-schema.ts";
import { answer, OF_BODY, OF_CHAIN, OF_COORDINATE, problems } from "../responses.ts";

const DEFAULT_K = 10;
const DEFAULT_DIFFERENCES = 100;

const whereValue = z
	.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))
	.superRefine((where, context) => checkCount(Object.keys(where).length, "whereKeys", context))
	.openapi({
		description: `Top-level fields of the content that must be equal, at most ${LIMITS.whereKeys}.`,
	});

const kValue = z
	.int()
	.min(1)
	.superRefine((k, context) => checkCount(k, "searchK", context))
	.default(DEFAULT_K)
	.openapi({
		type: "integer",
		minimum: 1,
		maximum: LIMITS.searchK,
		description: `Results, 1 to ${LIMITS.searchK}.`,
	});

const searchBody = z
	.strictObject({
		text: textValue.min(1, "must not be empty").optional(),
		vector: vectorValue.optional(),
		collection: collectionValue.optional(),
		namespace: namespaceFilter.optional(),
		layers: z.array(layerValue).min(1).max(4).optional(),
		where: whereValue.optional(),
		minImportance: unitValue("Least importance").optional(),
		minConfidence: unitValue("Least confidence").optional(),
		at: atValue.optional(),
		generation: generationValue.optional(),
		k: kValue,
	})
	.refine(({ text, vector }) => text !== undefined || vector !== undefined, {
		path: ["text"],
		message: "give `text`, `vector` or both",
	})
	.openapi("SearchRequest");

const searchRoute = createRoute({
	method: "post",
	path: "/v1/chains/{chain}/search",
	tags: ["memories"],
	summary: "Memories by meaning, at any retained coordinate",
	description:
		"By text (embedded with the collection's model), by vector, or both, ranked together. Filters hold before ranking: k results are found if k memories match.",
	middleware: jsonBody,
	request: {
		params: z.object({ chain: chainParam }),
		body: { required: true, content: { "application/json": { schema: searchBody } } },
	},
	responses: {
		200: answer("The most similar first.", searchAnswer),
		...problems(
			...OF_CHAIN,
			...OF_BODY,
			...OF_COORDINATE,
			"dimension_mismatch",
			"unknown_collection",
			"vectors_unavailable",
		),
	},
});

const diffRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/diff",
	tags: ["memories"],
	summary: "The difference between two coordinates",
	request: {
		params: z.object({ chain: chainParam }),
		query: z.strictObject({
			from: atQuery,
			fromGeneration: generationQuery.optional(),
			to: atQuery.optional(),
			toGeneration: generationQuery.optional(),
			namespace: namespaceFilter.optional(),
			limit: countQuery({
				limit: "diffPage",
				default: DEFAULT_DIFFERENCES,
				min: 1,
				description: `Differences on a page, 1 to ${LIMITS.diffPage}.`,
			}),
			cursor: cursorQuery.optional(),
		}),
	},
	responses: {
		200: answer("One page.", diffAnswer),
		...problems(...OF_CHAIN, ...OF_COORDINATE, "cursor_invalid"),
	},
});

export function addSearchRoutes(app: OpenApiApp, { service }: RouteContext): void {
	app.openapi(searchRoute, async (context) => {
		const { at, generation, k, ...body } = context.req.valid("json");
		const { text, vector, collection, namespace, layers, where } = body;
		const { minImportance, minConfidence } = body;
		const found = await service(context).search(context.req.valid("param").chain, {
			...{ text, vector, collection, namespace, layers, where, minImportance, minConfidence },
			at: atRequest(at, generation),
			k,
		});
		return context.json({ ...toWire(found), at: coordinateView(found.at) }, 200);
	});
	app.openapi(diffRoute, async (context) => {
		const { from, fromGeneration, to, toGeneration, ...rest } = context.req.valid("query");
		const { namespace, limit, cursor } = rest;
		const page = await service(context).diff(context.req.valid("param").chain, {
			from: atRequest(from, fromGeneration),
			to: atRequest(to, toGeneration),
			...{ namespace, limit, cursor },
		});
		const ends = { from: coordinateView(page.from), to: coordinateView(page.to) };
		return context.json({ ...toWire(page), ...ends }, 200);
	});
}
