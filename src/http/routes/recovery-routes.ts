/** Recoveries: what is possible for a chain that is halted, doing it, and what was done. */
import { createRoute, z } from "@hono/zod-openapi";
import { LIMITS } from "../../domain/limits.ts";
import { toWire } from "../../domain/wire.ts";
import type { RecoveryService } from "../../service/recoveries.ts";
import { chainParam, countQuery, cursorQuery, uuidParam } from "../fields.ts";
import { jsonBody } from "../json-body.ts";
import type { Bound, OpenApiApp } from "../openapi-app.ts";
import {
	recoveriesAnswer,
	recoveryAnswer,
	recoveryPlanAnswer,
	recoveryRequest,
} from "../recovery-schema.ts";
import { answer, OF_BODY, OF_CHAIN, problems } from "../responses.ts";

const DEFAULT_PAGE = 20;

const listRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/recoveries",
	tags: ["recoveries"],
	summary: "What is possible for a halted chain, and what was done",
	description:
		"Every provider of a halted chain is asked by itself, so that this may take seconds. Recoveries come the newest first.",
	request: {
		params: z.object({ chain: chainParam }),
		query: z.strictObject({
			limit: countQuery({
				limit: "pageSize",
				default: DEFAULT_PAGE,
				min: 1,
				description: `Recoveries on a page, 1 to ${LIMITS.pageSize}.`,
			}),
			cursor: cursorQuery.optional(),
			singleProvider: z
				.enum(["true", "false"])
				.optional()
				.openapi({ description: "As of the request that begins one." }),
		}),
	},
	responses: {
		200: answer("What is possible, and one page.", recoveriesAnswer),
		...problems(...OF_CHAIN, "cursor_invalid", "recovery_impossible"),
	},
});

const startRoute = createRoute({
	method: "post",
	path: "/v1/chains/{chain}/recoveries",
	tags: ["recoveries"],
	summary: "Recover a halted chain, or ask what that would do",
	description: `At most ${LIMITS.recoveryAttempts} for one halt. Answered when it is recorded; the chain stays halted until it is done.`,
	middleware: jsonBody,
	request: {
		params: z.object({ chain: chainParam }),
		body: { required: true, content: { "application/json": { schema: recoveryRequest } } },
	},
	responses: {
		200: answer("With `dryRun`: what would be done.", recoveryPlanAnswer),
		202: answer("Recorded and under way; `Location` names it.", recoveryAnswer),
		...problems(
			...OF_CHAIN,
			...OF_BODY,
			"chain_busy",
			"recovery_exhausted",
			"recovery_impossible",
			"rpc_failed",
		),
	},
});

const oneRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/recoveries/{id}",
	tags: ["recoveries"],
	summary: "One recovery with its evidence",
	request: {
		params: z.object({ chain: chainParam, id: uuidParam("id", "The recovery's id.") }),
	},
	responses: {
		200: answer("The recovery.", recoveryAnswer),
		...problems(...OF_CHAIN, "not_found"),
	},
});

export function addRecoveryRoutes(app: OpenApiApp, service: Bound<RecoveryService>): void {
	app.openapi(listRoute, async (context) => {
		const { chain } = context.req.valid("param");
		const { limit, cursor, singleProvider } = context.req.valid("query");
		const query = { limit, cursor, singleProvider: singleProvider === "true" };
		return context.json(toWire(await service(context).recoveries(chain, query)), 200);
	});
	app.openapi(startRoute, async (context) => {
		const { chain } = context.req.valid("param");
		const { kind, dryRun, singleProvider, snapshotId } = context.req.valid("json");
		const asked = { singleProvider, snapshotId };
		if (dryRun) {
			return context.json(toWire(await service(context).planRecovery(chain, kind, asked)), 200);
		}
		const recovery = await service(context).recover(chain, kind, asked);
		context.header("location", `/v1/chains/${recovery.chainId}/recoveries/${recovery.id}`);
		return context.json(toWire(recovery), 202);
	});
	app.openapi(oneRoute, async (context) => {
		const { chain, id } = context.req.valid("param");
		return context.json(toWire(await service(context).recovery(chain, id)), 200);
	});
}
