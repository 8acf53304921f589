/** Bringing part of the state back, and merging two coordinates, by operations in the pending slot. */
import { createRoute, z } from "@hono/zod-openapi";
import { LIMITS } from "../../domain/limits.ts";
import { coordinateView, toWire } from "../../domain/wire.ts";
import type {
	ApplyMode,
	PartialAnswer,
	PartialRestoreService,
} from "../../service/restoring/partial-restore-service.ts";
import { chainParam } from "../fields.ts";
import { idempotencyKey } from "../idempotency-key.ts";
import { jsonBody } from "../json-body.ts";
import type { Bound, OpenApiApp } from "../openapi-app.ts";
import { answer, OF_BODY, OF_CHAIN, OF_COORDINATE, problems } from "../responses.ts";
import { mergeBody, partialAnswer, restoreBody } from "../restore-schema.ts";

const params = z.object({ chain: chainParam });
const headers = z.object({ "idempotency-key": idempotencyKey.optional() });

const answers = {
	200: answer("A dry run, or a request whose Idempotency-Key was seen before.", partialAnswer),
	201: answer("Committed; what failed is named.", partialAnswer),
	202: answer("Durable, not yet committed: ask again with the same key.", partialAnswer),
};

const CODES = [
	...OF_CHAIN,
	...OF_BODY,
	...OF_COORDINATE,
	"chain_busy",
	"chain_halted",
	"idempotency_conflict",
	"inbox_full",
	"tail_full",
] as const;

const ATOMICITY = `All operations become durable together, so that a request which is killed was taken in whole or not at all; each memory is then admitted by itself and fails by name if it was written meanwhile. At most ${LIMITS.partialMemories} memories.`;

const restoreRoute = createRoute({
	method: "post",
	path: "/v1/chains/{chain}/restores",
	tags: ["restores"],
	summary: "Bring agents' memories back to what they said at a coordinate",
	description: `Writes puts and deletes into the pending slot; what handlers own is left alone and named. ${ATOMICITY}`,
	middleware: jsonBody,
	request: {
		params,
		headers,
		body: { required: true, content: { "application/json": { schema: restoreBody } } },
	},
	responses: { ...answers, ...problems(...CODES) },
});

const mergeRoute = createRoute({
	method: "post",
	path: "/v1/chains/{chain}/merges",
	tags: ["restores"],
	summary: "Merge what two coordinates say of agents' memories",
	description: `For memories that differ between \`ours\` and \`theirs\`, such as a block that a fork took back; the result is written into the pending slot. ${ATOMICITY}`,
	middleware: jsonBody,
	request: {
		params,
		headers,
		body: { required: true, content: { "application/json": { schema: mergeBody } } },
	},
	responses: { ...answers, ...problems(...CODES, "dimension_mismatch", "merge_failed") },
});

export function addRestoreRoutes(app: OpenApiApp, restores: Bound<PartialRestoreService>): void {
	app.openapi(restoreRoute, async (context) => {
		const { request, dryRun } = context.req.valid("json");
		const mode = modeOf(dryRun, context.req.valid("header")["idempotency-key"]);
		const done = await restores(context).restore(context.req.valid("param").chain, request, mode);
		return context.json(bodyOf(done), statusOf(done));
	});
	app.openapi(mergeRoute, async (context) => {
		const { request, dryRun } = context.req.valid("json");
		const mode = modeOf(dryRun, context.req.valid("header")["idempotency-key"]);
		const done = await restores(context).merge(context.req.valid("param").chain, request, mode);
		return context.json(bodyOf(done), statusOf(done));
	});
}

function modeOf(dryRun: boolean, key: string | undefined): ApplyMode {
	return dryRun ? { dryRun } : { dryRun, idempotencyKey: key };
}

function bodyOf({ plan, at, ...rest }: PartialAnswer) {
	return {
		...toWire(rest),
		...(at === undefined ? {} : { at: coordinateView(at) }),
		...(plan === undefined
			? {}
			: {
					plan: {
						...toWire(plan),
						ours: coordinateView(plan.ours),
						theirs: coordinateView(plan.theirs),
						pending: coordinateView(plan.pending),
					},
				}),
	};
}

function statusOf({ dryRun, repeated, committed }: PartialAnswer): 200 | 201 | 202 {
	if (dryRun) return 200;
	if (!committed) return 202;
	return repeated ? 200 : 201;
}
