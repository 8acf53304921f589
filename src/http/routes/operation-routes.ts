/** Writing, and what became of what was written. */
import { createRoute, z } from "@hono/zod-openapi";
import { LIMITS } from "../../domain/limits.ts";
import { coordinateView, toWire } from "../../domain/wire.ts";
import type { WriteAnswer } from "../../service/recant-service.ts";
import { operationAnswer, writeAnswer } from "../answer-schema.ts";
import { chainParam, countQuery, uuidParam } from "../fields.ts";
import { idempotencyKey } from "../idempotency-key.ts";
import { jsonBody } from "../json-body.ts";
import type { OpenApiApp, RouteContext } from "../openapi-app.ts";
import { operationsBody } from "../operation-schema.ts";
import { answer, OF_BODY, OF_CHAIN, problems } from "../responses.ts";

const writeRoute = createRoute({
	method: "post",
	path: "/v1/chains/{chain}/operations",
	tags: ["operations"],
	summary: "Write: one operation or a batch that commits whole",
	description:
		"Answered when committed and visible at `pending`. When `wait` passes first, 202 says that the operations are durable and may still be refused: ask for each by its id.",
	middleware: jsonBody,
	request: {
		params: z.object({ chain: chainParam }),
		query: z.strictObject({
			wait: countQuery({
				limit: "writeDeadlineMs",
				default: LIMITS.writeDeadlineMs,
				min: 0,
				description: `Milliseconds to wait for the commit, 0 to ${LIMITS.writeDeadlineMs}.`,
			}),
		}),
		headers: z.object({ "idempotency-key": idempotencyKey.optional() }),
		body: {
			required: true,
			content: { "application/json": { schema: operationsBody } },
		},
	},
	responses: {
		201: answer("Committed and visible.", writeAnswer),
		200: answer("The Idempotency-Key was seen before; nothing was applied.", writeAnswer),
		202: answer("Durable, not yet committed; may still be refused.", writeAnswer),
		...problems(
			...OF_CHAIN,
			...OF_BODY,
			"anchor_not_canonical",
			"anchor_not_committed",
			"anchor_unknown",
			"chain_halted",
			"condition_failed",
			"dimension_mismatch",
			"handler_owned",
			"idempotency_conflict",
			"inbox_full",
			"layer_conflict",
			"memory_exists",
			"memory_not_found",
			"rpc_failed",
			"rpc_unavailable",
			"tail_full",
			"version_conflict",
		),
	},
});

const operationRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/operations/{id}",
	tags: ["operations"],
	summary: "What became of one operation",
	request: {
		params: z.object({
			chain: chainParam,
			id: uuidParam("id", "The operation's id, from the answer to the write."),
		}),
	},
	responses: {
		200: answer("The operation.", operationAnswer),
		...problems(...OF_CHAIN, "unknown_operation"),
	},
});

export function addOperationRoutes(app: OpenApiApp, { service }: RouteContext): void {
	app.openapi(writeRoute, async (context) => {
		const written = await service(context).write(context.req.valid("param").chain, {
			operations: context.req.valid("json"),
			idempotencyKey: context.req.valid("header")["idempotency-key"],
			deadlineMs: context.req.valid("query").wait,
		});
		const at = written.at === undefined ? {} : { at: coordinateView(written.at) };
		const { committed, repeated } = written;
		const hint = written.hint === undefined ? {} : { hint: written.hint };
		const body = { committed, repeated, operations: toWire(written.operations), ...at, ...hint };
		return context.json(body, statusOf(written));
	});
	app.openapi(operationRoute, async (context) => {
		const { chain, id } = context.req.valid("param");
		return context.json(toWire(await service(context).operation(chain, id)), 200);
	});
}

function statusOf({ committed, repeated }: WriteAnswer): 200 | 201 | 202 {
	if (!committed) return 202;
	return repeated ? 200 : 201;
}
