/** A chain's provider as the status shows it. */
import { z } from "@hono/zod-openapi";
import { breakerAnswer } from "./store-schema.ts";

/** Heights and counts of blocks are decimal strings, as everywhere. */
const blocks = z.string().openapi({ example: "7" });

export const providerAnswer = z
	.object({
		url: z.string().openapi({ description: "Without its secrets." }),
		state: z
			.enum(["ok", "failing", "limited", "lagging", "ahead", "astray", "wrong_chain", "untrue"])
			.openapi({ description: "Each but ok is put aside for now, and others are asked." }),
		latencyMs: z.number().optional().openapi({ description: "Of small requests, averaged." }),
		errorRate: z
			.number()
			.openapi({ description: "Share of its latest requests that failed by its fault, 0 to 1." }),
		consecutiveFailures: z.int(),
		lastError: z.string().optional(),
		breaker: breakerAnswer,
		since: z.string().openapi({ format: "date-time" }),
		head: blocks.optional().openapi({ description: "Height of the head that it showed last." }),
		blocksOff: blocks
			.optional()
			.openapi({ description: "How many blocks it lags behind the others, or is ahead of them." }),
		requests: z
			.object({
				atMost: z.int(),
				underWay: z.int(),
				waiting: z.int(),
				callsPerSecond: z.number().optional(),
			})
			.openapi({ description: "Requests that it is given, which adapts to what it bears." }),
		batchCalls: z.int().openapi({ description: "Most calls of one request, as learned." }),
		logRangeBlocks: z
			.int()
			.openapi({ description: "Most blocks of one question for logs, as learned." }),
	})
	.openapi("Provider");
