/** What answers say of the stores and of the working memory, for the OpenAPI document. */
import { z } from "@hono/zod-openapi";

const isoDate = z.string().openapi({ format: "date-time" });

export const breakerAnswer = z.enum(["closed", "half_open", "open"]).openapi({
	description: "open: not asked for now. half_open: one request tries whether it is back.",
});

export const storeAnswer = z
	.object({
		name: z.string(),
		state: z.enum(["up", "failing", "down"]).openapi({
			description: "failing: it did not answer last. down: its breaker is not closed.",
		}),
		breaker: breakerAnswer,
		since: isoDate.openapi({ description: "Since when it is in this state." }),
		failures: z.int().openapi({ description: "In a row." }),
		retries: z.int().openapi({ description: "Requests that were asked again, since the start." }),
		lastError: z.string().optional(),
		pool: z.object({ size: z.int(), busy: z.int(), waiting: z.int() }).optional(),
	})
	.openapi("Store");

export const workingMemoryAnswer = z
	.object({
		backend: z.enum(["process", "redis"]),
		entries: z.int(),
		hits: z.int(),
		misses: z.int(),
		resets: z.int(),
	})
	.openapi({ description: "Copies of short-term memories; counts are since the start." });

export const indexAnswer = z
	.object({
		rows: z.int(),
		search: z.enum(["exact", "index"]).openapi({
			description: "exact: every vector is compared. index: those that the index leads to.",
		}),
		unindexedRows: z.int().openapi({ description: "Looked at one by one until the next upkeep." }),
		recall: z
			.object({
				share: z.number().openapi({ description: "Of the true nearest k, in [0, 1]." }),
				k: z.int(),
				sample: z.int().openapi({ description: "Questions that it was measured with." }),
				measuredAt: z.string().openapi({ format: "date-time" }),
			})
			.optional()
			.openapi({ description: "Of the index against exact search." }),
	})
	.openapi({
		description: "How the collection is searched, as last seen by who writes the chain.",
	});

export const coverageAnswer = z
	.object({
		complete: z.boolean().openapi({ description: "False: memories that match may be missing." }),
		reason: z
			.string()
			.optional()
			.openapi({ description: "Why the answer was not found as usual." }),
	})
	.openapi({ description: "What the search looked at." });
