/** Answers of the routes for deliveries of webhooks. */
import { z } from "@hono/zod-openapi";
import { DELIVERY_KINDS, DELIVERY_STATES } from "../webhooks/delivery.ts";

export const deliveryAnswer = z
	.object({
		id: z.string().openapi({ description: "Also the message's `webhook-id`, at every try." }),
		chainId: z.int(),
		kind: z.enum(DELIVERY_KINDS).openapi({
			description:
				"The message's `type`. chain.halted: the chain is read-only until somebody does something about it. chain.resumed: it goes on.",
		}),
		rollbackId: z.string().optional().openapi({ description: "Of a rollback that was committed." }),
		receiver: z.string().openapi({ description: "Scheme and host; the path may be a secret." }),
		state: z.enum(DELIVERY_STATES).openapi({
			description:
				"waiting: it is sent, or sent again. delivered: it was answered with 2xx. failed: no further try by itself.",
		}),
		attempts: z.int(),
		error: z.string().optional().openapi({ description: "Why the last try failed." }),
		createdAt: z.string().openapi({ format: "date-time" }),
		finishedAt: z.string().optional().openapi({ format: "date-time" }),
	})
	.openapi("Delivery");

export const deliveriesAnswer = z
	.object({
		items: z.array(deliveryAnswer),
		cursor: z.string().optional().openapi({ description: "Absent: there is no next page." }),
	})
	.openapi("Deliveries");
