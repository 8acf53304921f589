/** Headers, orphaned ones too, and checkpoints. */
import { createRoute, z } from "@hono/zod-openapi";
import { LIMITS } from "../../domain/limits.ts";
import { toWire } from "../../domain/wire.ts";
import { blocksAnswer, checkpointAnswer, checkpointsAnswer } from "../answer-schema.ts";
import { chainParam, countQuery, cursorQuery, decimalText } from "../fields.ts";
import type { OpenApiApp, RouteContext } from "../openapi-app.ts";
import { answer, OF_CHAIN, problems } from "../responses.ts";

const DEFAULT_PAGE = 50;

const limit = countQuery({
	limit: "pageSize",
	default: DEFAULT_PAGE,
	min: 1,
	description: `Entries on a page, 1 to ${LIMITS.pageSize}.`,
});

const blocksRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/blocks",
	tags: ["blocks"],
	summary: "Headers, orphaned ones too; the newest first",
	description:
		"Follow `cursor`, with the same filters, for the next page: what is canonical is told as of the first page's generation, so a rollback between two pages mixes no branches.",
	request: {
		params: z.object({ chain: chainParam }),
		query: z.strictObject({
			from: decimalText("Lowest height, inclusive.").optional(),
			to: decimalText("Highest height, inclusive.").optional(),
			fork: z.enum(["canonical", "orphaned", "all"]).default("canonical"),
			limit,
			cursor: cursorQuery.optional(),
		}),
	},
	responses: {
		200: answer("One page.", blocksAnswer),
		...problems(...OF_CHAIN, "cursor_invalid"),
	},
});

const checkpointsRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/checkpoints",
	tags: ["blocks"],
	summary: "Checkpoints, the highest first",
	description: "`cursor` of the answer is a height: ask again with it as `before`.",
	request: {
		params: z.object({ chain: chainParam }),
		query: z.strictObject({
			before: decimalText("Only heights below this one.").optional(),
			limit,
		}),
	},
	responses: { 200: answer("One page.", checkpointsAnswer), ...problems(...OF_CHAIN) },
});

const checkpointRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/checkpoints/{height}",
	tags: ["blocks"],
	summary: "The checkpoint at a height, in the present generation",
	request: {
		params: z.object({
			chain: chainParam,
			height: decimalText("Height in decimal.").openapi({
				param: { name: "height", in: "path" },
			}),
		}),
	},
	responses: {
		200: answer("The checkpoint.", checkpointAnswer),
		...problems(...OF_CHAIN, "height_in_future", "history_pruned", "unknown_checkpoint"),
	},
});

export function addBlockRoutes(app: OpenApiApp, { service }: RouteContext): void {
	app.openapi(blocksRoute, async (context) => {
		const { from, to, fork, limit, cursor } = context.req.valid("query");
		const { chain } = context.req.valid("param");
		const page = await service(context).blocks(chain, { from, to, fork, limit, cursor });
		return context.json(toWire(page), 200);
	});
	app.openapi(checkpointsRoute, async (context) => {
		const { before, limit } = context.req.valid("query");
		const { chain } = context.req.valid("param");
		return context.json(toWire(await service(context).checkpoints(chain, { before, limit })), 200);
	});
	app.openapi(checkpointRoute, async (context) => {
		const { chain, height } = context.req.valid("param");
		return context.json(toWire(await service(context).checkpoint(chain, height)), 200);
	});
}
