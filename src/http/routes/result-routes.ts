/** Recorded results: what a model answered to an input, kept for whoever would ask again. */
import { createRoute, z } from "@hono/zod-openapi";
import { LIMITS } from "../../domain/limits.ts";
import { toWire } from "../../domain/wire.ts";
import type { ResultsService } from "../../service/records/results-service.ts";
import { chainParam } from "../fields.ts";
import { jsonBody } from "../json-body.ts";
import type { Bound, OpenApiApp } from "../openapi-app.ts";
import { answer, OF_BODY, OF_CHAIN, problems } from "../responses.ts";
import { resultAnswer, resultQuery, resultRequest } from "../result-schema.ts";

const KEPT_DAYS = LIMITS.resultRetentionMs / (24 * 3_600_000);

const resultRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/results",
	tags: ["results"],
	summary: "The recorded result of a model for an input",
	request: { params: z.object({ chain: chainParam }), query: resultQuery },
	responses: {
		200: answer("The result.", resultAnswer),
		...problems(...OF_CHAIN, "result_not_found"),
	},
});

const recordRoute = createRoute({
	method: "put",
	path: "/v1/chains/{chain}/results",
	tags: ["results"],
	summary: "Record the result of a model for an input",
	description: `At most ${LIMITS.resultBytes} bytes of JSON. One that is not asked for during ${KEPT_DAYS} days may go, and so may the longest unused past ${LIMITS.resultRows} of a chain.`,
	middleware: jsonBody,
	request: {
		params: z.object({ chain: chainParam }),
		body: { required: true, content: { "application/json": { schema: resultRequest } } },
	},
	responses: {
		200: answer("It was there, or took the place of another.", resultAnswer),
		201: answer("It is recorded.", resultAnswer),
		...problems(...OF_CHAIN, ...OF_BODY, "handler_owned", "result_conflict"),
	},
});

export function addResultRoutes(app: OpenApiApp, service: Bound<ResultsService>): void {
	app.openapi(resultRoute, async (context) => {
		const { chain } = context.req.valid("param");
		const view = await service(context).result(chain, context.req.valid("query"));
		return context.json(toWire(view), 200);
	});
	app.openapi(recordRoute, async (context) => {
		const { chain } = context.req.valid("param");
		const { created, result } = await service(context).recordResult(
			chain,
			context.req.valid("json"),
		);
		return context.json(toWire(result), created ? 201 : 200);
	});
}
