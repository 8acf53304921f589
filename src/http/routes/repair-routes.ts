/** Repairs: what one would do, carrying it out, and what was done before. */
import { createRoute, z } from "@hono/zod-openapi";
import { LIMITS } from "../../domain/limits.ts";
import { toWire } from "../../domain/wire.ts";
import type { RepairService } from "../../service/repairs.ts";
import { chainParam, countQuery, cursorQuery, uuidParam } from "../fields.ts";
import { jsonBody } from "../json-body.ts";
import type { Bound, OpenApiApp } from "../openapi-app.ts";
import { repairAnswer, repairPlanAnswer, repairRequest, repairsAnswer } from "../repair-schema.ts";
import { answer, OF_BODY, OF_CHAIN, problems } from "../responses.ts";

const DEFAULT_PAGE = 50;

const repairRoute = createRoute({
	method: "post",
	path: "/v1/chains/{chain}/repairs",
	tags: ["consistency"],
	summary: "Mend what a check found, or ask what that would do",
	description:
		"A dry run unless `dryRun` is false. Every record is made again from its source of truth and each change is logged; what cannot be made again is left as it is and named with commands for a person. Answered when it has ended.",
	middleware: jsonBody,
	request: {
		params: z.object({ chain: chainParam }),
		body: { required: true, content: { "application/json": { schema: repairRequest } } },
	},
	responses: {
		200: answer("With `dryRun`: what would be done.", repairPlanAnswer),
		201: answer("What was done; `Location` names it.", repairAnswer),
		...problems(...OF_CHAIN, ...OF_BODY, "run_not_found", "chain_busy", "lease_lost"),
	},
});

const repairsRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/repairs",
	tags: ["consistency"],
	summary: "Repairs, the newest first",
	request: {
		params: z.object({ chain: chainParam }),
		query: z.strictObject({
			limit: countQuery({
				limit: "pageSize",
				default: DEFAULT_PAGE,
				min: 1,
				description: `Repairs on a page, 1 to ${LIMITS.pageSize}.`,
			}),
			cursor: cursorQuery.optional(),
		}),
	},
	responses: {
		200: answer("One page.", repairsAnswer),
		...problems(...OF_CHAIN, "cursor_invalid"),
	},
});

const oneRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/repairs/{id}",
	tags: ["consistency"],
	summary: "One repair with what was done for each finding",
	request: {
		params: z.object({ chain: chainParam, id: uuidParam("id", "The repair's id.") }),
	},
	responses: {
		200: answer("The repair.", repairAnswer),
		...problems(...OF_CHAIN, "repair_not_found"),
	},
});

export function addRepairRoutes(app: OpenApiApp, service: Bound<RepairService>): void {
	app.openapi(repairRoute, async (context) => {
		const { chain } = context.req.valid("param");
		const { runId, classes, dryRun } = context.req.valid("json");
		const asked = { runId, classes };
		if (dryRun) return context.json(toWire(await service(context).planRepair(chain, asked)), 200);
		const repair = await service(context).repair(chain, asked);
		context.header("location", `/v1/chains/${repair.chainId}/repairs/${repair.id}`);
		return context.json(toWire(repair), 201);
	});
	app.openapi(repairsRoute, async (context) => {
		const { chain } = context.req.valid("param");
		const { limit, cursor } = context.req.valid("query");
		return context.json(toWire(await service(context).repairs(chain, { limit, cursor })), 200);
	});
	app.openapi(oneRoute, async (context) => {
		const { chain, id } = context.req.valid("param");
		return context.json(toWire(await service(context).oneRepair(chain, id)), 200);
	});
}
