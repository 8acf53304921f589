/** Reading memories at a coordinate, and their versions. */
import { createRoute, z } from "@hono/zod-openapi";
import { LIMITS } from "../../domain/limits.ts";
import { coordinateView, toWire } from "../../domain/wire.ts";
import { historyAnswer, memoriesAnswer, oneMemoryAnswer } from "../answer-schema.ts";
import {
	atQuery,
	atRequest,
	chainParam,
	countQuery,
	cursorQuery,
	DEFAULT_NAMESPACE,
	decimalText,
	generationQuery,
	layerValue,
	memoryIdValue,
	namespaceFilter,
	namespaceValue,
} from "../fields.ts";
import type { OpenApiApp, RouteContext } from "../openapi-app.ts";
import { answer, OF_CHAIN, OF_COORDINATE, problems } from "../responses.ts";

/** Memories on a page when none is asked for: a screen or two. */
const DEFAULT_PAGE = 50;

/** One memory of a chain. */
export const memoryParams = z.object({
	chain: chainParam,
	id: memoryIdValue.openapi({
		param: { name: "id", in: "path" },
		description: "The memory's id, percent-encoded (`/` as `%2F`).",
		example: "holder:0x…:0x…",
	}),
});

const memoriesRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/memories",
	tags: ["memories"],
	summary: "Memories that are visible at a coordinate",
	description: "Ordered by the service; follow `cursor` for the next page of the same coordinate.",
	request: {
		params: z.object({ chain: chainParam }),
		query: z
			.strictObject({
				at: atQuery.optional(),
				generation: generationQuery.optional(),
				layer: layerValue.optional(),
				namespace: namespaceFilter.optional(),
				limit: countQuery({
					limit: "pageSize",
					default: DEFAULT_PAGE,
					min: 1,
					description: `Memories on a page, 1 to ${LIMITS.pageSize}.`,
				}),
				cursor: cursorQuery.optional(),
			})
			.refine(
				({ at, generation, cursor }) =>
					cursor === undefined || (at === undefined && generation === undefined),
				{ path: ["cursor"], message: "pins its coordinate: leave out `at` and `generation`" },
			),
	},
	responses: {
		200: answer("One page.", memoriesAnswer),
		...problems(...OF_CHAIN, ...OF_COORDINATE, "cursor_invalid"),
	},
});

const memoryRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/memories/{id}",
	tags: ["memories"],
	summary: "One memory at a coordinate",
	request: {
		params: memoryParams,
		query: z.strictObject({
			namespace: namespaceValue.default(DEFAULT_NAMESPACE),
			at: atQuery.optional(),
			generation: generationQuery.optional(),
		}),
	},
	responses: {
		200: answer("The memory.", oneMemoryAnswer),
		...problems(...OF_CHAIN, ...OF_COORDINATE, "memory_not_found"),
	},
});

const historyRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/memories/{id}/history",
	tags: ["memories"],
	summary: "Versions of a memory, in every generation that is kept or in a range",
	description:
		"The newest first. With `from` or `to` those that held at a height of that range, with `generation` those that held in it.",
	request: {
		params: memoryParams,
		query: z.strictObject({
			namespace: namespaceValue.default(DEFAULT_NAMESPACE),
			from: decimalText("Lowest height of the range, inclusive.").optional(),
			to: decimalText("Highest height of the range, inclusive.").optional(),
			generation: decimalText("Only versions that held in this generation.").optional(),
			limit: countQuery({
				limit: "historyVersions",
				default: DEFAULT_PAGE,
				min: 1,
				description: `Versions on a page, 1 to ${LIMITS.historyVersions}.`,
			}),
			cursor: cursorQuery.optional(),
		}),
	},
	responses: {
		200: answer("One page.", historyAnswer),
		...problems(...OF_CHAIN, "memory_not_found", "cursor_invalid"),
	},
});

export function addMemoryRoutes(app: OpenApiApp, { service }: RouteContext): void {
	app.openapi(memoriesRoute, async (context) => {
		const { chain } = context.req.valid("param");
		const { at, generation, layer, namespace, limit, cursor } = context.req.valid("query");
		const query = { at: atRequest(at, generation), layer, namespace, limit, cursor };
		const page = await service(context).memories(chain, query);
		return context.json({ ...toWire(page), at: coordinateView(page.at) }, 200);
	});
	app.openapi(memoryRoute, async (context) => {
		const { chain, id } = context.req.valid("param");
		const { namespace, at, generation } = context.req.valid("query");
		const found = await service(context).memory(chain, {
			id,
			namespace,
			at: atRequest(at, generation),
		});
		return context.json({ at: coordinateView(found.at), memory: toWire(found.memory) }, 200);
	});
	app.openapi(historyRoute, async (context) => {
		const { chain, id } = context.req.valid("param");
		const { from, to, generation, ...rest } = context.req.valid("query");
		const { namespace, limit, cursor } = rest;
		const range = { from, to, generation };
		const page = await service(context).history(chain, { id, namespace, range, limit, cursor });
		return context.json(toWire(page), 200);
	});
}
