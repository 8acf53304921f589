/** API keys as they are asked for and answered. */
import { z } from "@hono/zod-openapi";
import { SCOPES } from "../domain/caller.ts";
import { LIMITS } from "../domain/limits.ts";
import { boundedText, checkCount } from "./fields.ts";

const scope = z.enum(SCOPES).openapi({
	description:
		"read: everything that is asked. write: operations. operate: rollbacks, checks, repairs, snapshots, restores, settings and keys; most of it concerns all namespaces and needs a key for all.",
});

const namespaces = z
	.array(boundedText("namespaceLength", "A namespace."))
	.min(1, "must name a namespace; leave it out for all")
	.superRefine((list, context) => checkCount(list.length, "keyNamespaces", context))
	.transform((list) => [...new Set(list)]);

const ISO_TIME = /^\d{4}-\d\d-\d\dT.*(?:Z|[+-]\d\d:?\d\d)$/;

const isoTime = z
	.string()
	// Without an offset it would be a time of wherever the service runs.
	.refine((text) => ISO_TIME.test(text) && !Number.isNaN(Date.parse(text)), {
		message: "must be a time of ISO 8601 with its offset, such as 2030-01-31T00:00:00Z",
	})
	.transform((text) => new Date(text));

export const keyRequest = z
	.strictObject({
		name: boundedText("keyNameLength", "What it is for; shown in lists."),
		scopes: z
			.array(scope)
			.min(1, "must name a scope")
			.transform((list) => SCOPES.filter((each) => list.includes(each)))
			.openapi({ example: ["read", "write"] }),
		namespaces: namespaces.optional().openapi({
			type: "array",
			items: { type: "string" },
			description: `Namespaces that it may read and write, at most ${LIMITS.keyNamespaces}; left out: all. Those that handlers write are readable only if named.`,
		}),
		requestsPerMinute: z
			.int()
			.min(1)
			.superRefine((value, context) => checkCount(value, "keyRequestsPerMinute", context))
			.optional()
			.openapi({
				type: "integer",
				minimum: 1,
				maximum: LIMITS.keyRequestsPerMinute,
				description: `Requests a minute, which may come at once; left out: ${LIMITS.defaultRequestsPerMinute}.`,
			}),
		expiresAt: isoTime.optional().openapi({
			type: "string",
			format: "date-time",
			description: "It opens nothing from then on; left out: it has no end.",
		}),
	})
	.openapi("ApiKeyRequest");

const isoDate = z.string().openapi({ format: "date-time" });

const key = z.object({
	id: z.string(),
	name: z.string(),
	scopes: z.array(scope),
	namespaces: z.array(z.string()).optional().openapi({ description: "Absent: all." }),
	requestsPerMinute: z
		.int()
		.optional()
		.openapi({ description: `Absent: ${LIMITS.defaultRequestsPerMinute}.` }),
	createdAt: isoDate,
	expiresAt: isoDate.optional(),
	revokedAt: isoDate.optional(),
});

export const keyAnswer = key.openapi("ApiKey");
export const madeKeyAnswer = key
	.extend({ secret: z.string().openapi({ description: "Shown this once, and kept nowhere." }) })
	.openapi("MadeApiKey");
export const keysAnswer = z
	.object({ items: z.array(keyAnswer), cursor: z.string().optional() })
	.openapi("ApiKeys");
