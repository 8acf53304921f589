/** Search at a coordinate, and the difference between two. */
import { createRoute, z } from "@hono/zod-openapi";
import { LIMITS } from "../../domain/limits.ts";
import { coordinateView, toWire } from "../../domain/wire.ts";
import { diffAnswer } from "../answer-schema.ts";
import {
	atQuery,
	atRequest,
	chainParam,
	countQuery,
	cursorQuery,
	generationQuery,
	namespaceFilter,
} from "../fields.ts";
import { jsonBody } from "../json-body.ts";
import type { OpenApiApp, RouteContext } from "../openapi-app.ts";
import { answer, OF_BODY, OF_CHAIN, OF_COORDINATE, problems } from "../responses.ts";
import { searchAnswer, searchBody, searchRequest } from "../search-schema.ts";

const DEFAULT_DIFFERENCES = 100;

const searchRoute = createRoute({
	method: "post",
	path: "/v1/chains/{chain}/search",
	tags: ["memories"],
	summary: "Memories by meaning and by words, at any retained coordinate",
	description:
		"By a text's meaning (embedded with the collection's model), by its words, by a vector, or by several of them, ranks joined. Filters hold before ranking: k results are found if k memories match. Exact in `at`: a result is what was visible there.",
	middleware: jsonBody,
	request: {
		params: z.object({ chain: chainParam }),
		body: { required: true, content: { "application/json": { schema: searchBody } } },
	},
	responses: {
		200: answer("The best first.", searchAnswer),
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
		const found = await service(context).search(
			context.req.valid("param").chain,
			searchRequest(context.req.valid("json")),
		);
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
