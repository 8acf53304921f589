/** A memory's whole story. */
import { createRoute } from "@hono/zod-openapi";
import { coordinateView, toWire } from "../../domain/wire.ts";
import type { ExplainService } from "../../service/explaining/explain-service.ts";
import { explainAnswer, explainQuery } from "../explain-schema.ts";
import { atRequest } from "../fields.ts";
import type { Bound, OpenApiApp } from "../openapi-app.ts";
import { answer, OF_CHAIN, OF_COORDINATE, problems } from "../responses.ts";
import { memoryParams } from "./memory-routes.ts";

const explainRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/memories/{id}/explain",
	tags: ["memories"],
	summary: "A memory's whole story: who wrote it, what it rests on, what forks did to it",
	description:
		"Also of a memory that is not visible at the coordinate: its operations and rollbacks say why. Sources and dependents stand once, however many ways lead to them.",
	request: { params: memoryParams, query: explainQuery },
	responses: {
		200: answer("The story.", explainAnswer),
		...problems(...OF_CHAIN, ...OF_COORDINATE, "memory_not_found"),
	},
});

export function addExplainRoutes(app: OpenApiApp, explain: Bound<ExplainService>): void {
	app.openapi(explainRoute, async (context) => {
		const { chain, id } = context.req.valid("param");
		const { namespace, at, generation, depth } = context.req.valid("query");
		const query = { id, namespace, at: atRequest(at, generation), depth };
		const told = await explain(context).explain(chain, query);
		return context.json({ ...toWire(told), at: coordinateView(told.at) }, 200);
	});
}
