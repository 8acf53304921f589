/** Deliveries of webhooks: what reached whom, and sending one again. */
import { createRoute, z } from "@hono/zod-openapi";
import { LIMITS } from "../../domain/limits.ts";
import { toWire } from "../../domain/wire.ts";
import type { DeliveriesService } from "../../service/records/deliveries-service.ts";
import { deliveriesAnswer, deliveryAnswer } from "../delivery-schema.ts";
import { chainParam, countQuery, cursorQuery, uuidParam } from "../fields.ts";
import type { Bound, OpenApiApp } from "../openapi-app.ts";
import { answer, OF_CHAIN, problems } from "../responses.ts";

const DEFAULT_PAGE = 50;

const deliveriesRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/deliveries",
	tags: ["rollbacks"],
	summary: "Deliveries of webhooks (rollbacks, halts), the newest first",
	request: {
		params: z.object({ chain: chainParam }),
		query: z.strictObject({
			limit: countQuery({
				limit: "pageSize",
				default: DEFAULT_PAGE,
				min: 1,
				description: `Deliveries on a page, 1 to ${LIMITS.pageSize}.`,
			}),
			cursor: cursorQuery.optional(),
		}),
	},
	responses: {
		200: answer("One page.", deliveriesAnswer),
		...problems(...OF_CHAIN, "cursor_invalid"),
	},
});

const retryRoute = createRoute({
	method: "post",
	path: "/v1/chains/{chain}/deliveries/{id}/retry",
	tags: ["rollbacks"],
	summary: "Send a webhook again",
	description:
		"At once, and with all tries, whatever became of the earlier ones; the message carries the same `webhook-id`.",
	request: {
		params: z.object({ chain: chainParam, id: uuidParam("id", "The delivery's id.") }),
	},
	responses: {
		202: answer("It is sent again.", deliveryAnswer),
		...problems(...OF_CHAIN, "forbidden_origin", "delivery_not_found", "webhook_removed"),
	},
});

export function addDeliveryRoutes(app: OpenApiApp, service: Bound<DeliveriesService>): void {
	app.openapi(deliveriesRoute, async (context) => {
		const { chain } = context.req.valid("param");
		const { limit, cursor } = context.req.valid("query");
		return context.json(toWire(await service(context).deliveries(chain, { limit, cursor })), 200);
	});
	app.openapi(retryRoute, async (context) => {
		const { chain, id } = context.req.valid("param");
		return context.json(toWire(await service(context).retryDelivery(chain, id)), 202);
	});
}
