/** Clearing a namespace of what is of no use any more. */
import { createRoute, z } from "@hono/zod-openapi";
import { LIMITS } from "../../domain/limits.ts";
import { coordinateView, toWire } from "../../domain/wire.ts";
import type { OptimiseAnswer, OptimiseService } from "../../service/layers/optimise-service.ts";
import { chainParam } from "../fields.ts";
import { idempotencyKey } from "../idempotency-key.ts";
import { jsonBody } from "../json-body.ts";
import type { Bound, OpenApiApp } from "../openapi-app.ts";
import { optimiseAnswer, optimiseBody } from "../optimise-schema.ts";
import { answer, OF_BODY, OF_CHAIN, problems } from "../responses.ts";

const route = createRoute({
	method: "post",
	path: "/v1/chains/{chain}/optimisations",
	tags: ["namespaces"],
	summary: "Drop what is expired, low in confidence or unreachable",
	description: `Writes deletions into the pending slot, ${LIMITS.optimisedMemories} at most; one of a memory that was written meanwhile fails by name. With \`dryRun\` it tells what would go and what that would free.`,
	middleware: jsonBody,
	request: {
		params: z.object({ chain: chainParam }),
		headers: z.object({ "idempotency-key": idempotencyKey.optional() }),
		body: { required: true, content: { "application/json": { schema: optimiseBody } } },
	},
	responses: {
		200: answer("A dry run, or a request whose Idempotency-Key was seen before.", optimiseAnswer),
		201: answer("Committed; what failed is named.", optimiseAnswer),
		202: answer("Durable, not yet committed: ask again with the same key.", optimiseAnswer),
		...problems(
			...OF_CHAIN,
			...OF_BODY,
			"chain_busy",
			"chain_halted",
			"handler_owned",
			"idempotency_conflict",
			"inbox_full",
			"vectors_unavailable",
		),
	},
});

export function addOptimiseRoutes(app: OpenApiApp, service: Bound<OptimiseService>): void {
	app.openapi(route, async (context) => {
		const { request, dryRun } = context.req.valid("json");
		const key = context.req.valid("header")["idempotency-key"];
		const mode = dryRun ? ({ dryRun } as const) : ({ dryRun, idempotencyKey: key } as const);
		const { chain } = context.req.valid("param");
		const done = await service(context).optimise(chain, request, mode);
		return context.json(bodyOf(done), statusOf(done));
	});
}

function bodyOf({ plan, refreshed, ...rest }: OptimiseAnswer) {
	const collections = refreshed?.map(({ collection, fromVersion, toVersion, index }) => ({
		collection,
		fromVersion: fromVersion.toString(),
		toVersion: toVersion.toString(),
		rows: index.rows,
		unindexedRows: index.unindexedRows,
	}));
	return {
		...toWire(rest),
		...(plan === undefined ? {} : { plan: { ...toWire(plan), at: coordinateView(plan.at) } }),
		...(collections === undefined ? {} : { refreshed: collections }),
	};
}

function statusOf({ dryRun, repeated, committed }: OptimiseAnswer): 200 | 201 | 202 {
	if (dryRun) return 200;
	if (!committed) return 202;
	return repeated ? 200 : 201;
}
