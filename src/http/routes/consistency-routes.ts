/** Consistency checks: asking for one, what they found, and how it went before. */
import { createRoute, z } from "@hono/zod-openapi";
import { LIMITS } from "../../domain/limits.ts";
import { toWire } from "../../domain/wire.ts";
import type { ConsistencyService } from "../../service/consistency.ts";
import {
	checkRequest,
	level,
	runAnswer,
	runsAnswer,
	runWithFindingsAnswer,
} from "../consistency-schema.ts";
import { chainParam, countQuery, cursorQuery, uuidParam } from "../fields.ts";
import { jsonBody } from "../json-body.ts";
import type { Bound, OpenApiApp } from "../openapi-app.ts";
import { answer, OF_BODY, OF_CHAIN, problems } from "../responses.ts";

const DEFAULT_PAGE = 50;

function pageOf(what: string) {
	return z.strictObject({
		limit: countQuery({
			limit: "pageSize",
			default: DEFAULT_PAGE,
			min: 1,
			description: `${what} on a page, 1 to ${LIMITS.pageSize}.`,
		}),
		cursor: cursorQuery.optional(),
	});
}

const checkRoute = createRoute({
	method: "post",
	path: "/v1/chains/{chain}/consistency",
	tags: ["consistency"],
	summary: "Check the stores against each other and against their commitments",
	description:
		"Changes nothing. Answered at once: follow the run by its id. Runs of one chain come one after the other.",
	middleware: jsonBody,
	request: {
		params: z.object({ chain: chainParam }),
		body: { required: true, content: { "application/json": { schema: checkRequest } } },
	},
	responses: {
		202: answer("Recorded; `Location` names it.", runAnswer),
		...problems(...OF_CHAIN, ...OF_BODY, "chain_busy", "queue_unavailable"),
	},
});

const runsRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/consistency",
	tags: ["consistency"],
	summary: "Checks with their scores, the newest first",
	request: {
		params: z.object({ chain: chainParam }),
		query: pageOf("Runs").extend({ level: level.optional() }),
	},
	responses: {
		200: answer("One page.", runsAnswer),
		...problems(...OF_CHAIN, "cursor_invalid"),
	},
});

const runRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/consistency/{id}",
	tags: ["consistency"],
	summary: "One check with a page of its findings",
	request: {
		params: z.object({ chain: chainParam, id: uuidParam("id", "The run's id.") }),
		query: pageOf("Findings"),
	},
	responses: {
		200: answer("The run and its findings.", runWithFindingsAnswer),
		...problems(...OF_CHAIN, "run_not_found", "cursor_invalid"),
	},
});

export function addConsistencyRoutes(app: OpenApiApp, service: Bound<ConsistencyService>): void {
	app.openapi(checkRoute, async (context) => {
		const { chain } = context.req.valid("param");
		const { level, sample } = context.req.valid("json");
		const run = await service(context).check(chain, { level, sample });
		context.header("location", `/v1/chains/${run.chainId}/consistency/${run.id}`);
		return context.json(toWire(run), 202);
	});
	app.openapi(runsRoute, async (context) => {
		const { chain } = context.req.valid("param");
		const { level, limit, cursor } = context.req.valid("query");
		return context.json(toWire(await service(context).runs(chain, { level, limit, cursor })), 200);
	});
	app.openapi(runRoute, async (context) => {
		const { chain, id } = context.req.valid("param");
		const { limit, cursor } = context.req.valid("query");
		return context.json(toWire(await service(context).run(chain, id, { limit, cursor })), 200);
	});
}
