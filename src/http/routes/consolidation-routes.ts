/** Consolidating a namespace's memories now. */
import { createRoute, z } from "@hono/zod-openapi";
import { LIMITS } from "../../domain/limits.ts";
import { coordinateView, toWire } from "../../domain/wire.ts";
import { RULE_NAME } from "../../memory/settings-form.ts";
import type { ConsolidationService } from "../../service/layers/consolidation-service.ts";
import { writeAnswer } from "../answer-schema.ts";
import { chainParam, countQuery, DEFAULT_NAMESPACE, namespaceValue } from "../fields.ts";
import { idempotencyKey } from "../idempotency-key.ts";
import { jsonBody } from "../json-body.ts";
import type { Bound, OpenApiApp } from "../openapi-app.ts";
import { answer, OF_BODY, OF_CHAIN, problems } from "../responses.ts";

const body = z
	.strictObject({
		namespace: namespaceValue.default(DEFAULT_NAMESPACE),
		rule: z
			.string()
			.regex(RULE_NAME, "must be the name of a rule")
			.optional()
			.openapi({ description: "Left out: every rule of the namespace." }),
	})
	.openapi("ConsolidationRequest");

const route = createRoute({
	method: "post",
	path: "/v1/chains/{chain}/consolidations",
	tags: ["namespaces"],
	summary: "Make long-term memories of what short-term memories and episodes have in common",
	description:
		"Runs the namespace's rules in the pending slot, as one operation; what was found before and has no new support is left as it is.",
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
		body: { required: true, content: { "application/json": { schema: body } } },
	},
	responses: {
		200: answer("The Idempotency-Key was seen before; nothing was applied.", writeAnswer),
		201: answer("Committed and visible.", writeAnswer),
		202: answer("Durable, not yet committed; may still be refused.", writeAnswer),
		...problems(
			...OF_CHAIN,
			...OF_BODY,
			"chain_halted",
			"consolidation_failed",
			"handler_owned",
			"idempotency_conflict",
			"inbox_full",
			"tail_full",
		),
	},
});

export function addConsolidationRoutes(
	app: OpenApiApp,
	service: Bound<ConsolidationService>,
): void {
	app.openapi(route, async (context) => {
		const { namespace, rule } = context.req.valid("json");
		const { chain } = context.req.valid("param");
		const written = await service(context).consolidate(
			chain,
			{ namespace, rule },
			{
				idempotencyKey: context.req.valid("header")["idempotency-key"],
				deadlineMs: context.req.valid("query").wait,
			},
		);
		const { committed, repeated } = written;
		const at = written.at === undefined ? {} : { at: coordinateView(written.at) };
		const shown = { committed, repeated, operations: toWire(written.operations), ...at };
		return context.json(shown, !committed ? 202 : repeated ? 200 : 201);
	});
}
