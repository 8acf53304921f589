/** What a rollback is said to have done, or to be about to do, for the OpenAPI document. */
import { z } from "@hono/zod-openapi";
import {
	decimal,
	height,
	heightAndHash,
	hex,
	json,
	layer,
	owner,
	rollbackAnswer,
} from "./answer-schema.ts";

const lostAnswer = z
	.union([
		z.object({ kind: z.enum(["block", "transaction"]), hash: hex }),
		z.object({
			kind: z.literal("source"),
			namespace: z.string(),
			id: z.string(),
			contentHash: hex,
		}),
	])
	.openapi("Lost");

const verdictAnswer = z
	.object({
		operationId: z.string(),
		namespace: z.string(),
		id: z.string(),
		originalSlot: height,
		effectiveSlot: height.optional(),
		reason: z.string().optional(),
		lost: z.array(lostAnswer).openapi({ description: "What it rests on and is not there." }),
	})
	.openapi("OperationVerdict");

export const reportAnswer = z
	.object({
		rollback: rollbackAnswer,
		truncated: z
			.boolean()
			.openapi({ description: "A list holds only its first entries; the counts are whole." }),
		recanted: z.array(
			z.object({
				namespace: z.string(),
				id: z.string(),
				layer,
				owner,
				before: json,
				after: json.optional(),
			}),
		),
		suspended: z.array(verdictAnswer),
		reinstated: z.array(verdictAnswer),
		replayed: z.array(verdictAnswer),
		withdrawn: z.array(verdictAnswer),
		flagged: z.array(verdictAnswer).openapi({ description: "Kept, and suspect from now on." }),
		cleared: z.array(verdictAnswer).openapi({ description: "Suspect no longer." }),
		actions: z
			.array(
				z.object({
					operationId: z.string(),
					namespace: z.string(),
					id: z.string(),
					position: decimal,
					content: json,
					lost: z.array(lostAnswer),
				}),
			)
			.openapi({ description: "Actions taken on what no longer holds." }),
		derivedAnew: z.array(z.object({ namespace: z.string(), id: z.string(), slot: height })),
	})
	.openapi("RollbackReport");

export const rollbackPlanAnswer = z
	.object({
		dryRun: z.literal(true),
		ancestor: heightAndHash,
		from: heightAndHash,
		memories: z.int().openapi({ description: "Memories whose visible version changes." }),
		operations: z.int().openapi({ description: "Agents' operations that are judged again." }),
		blocks: z.int(),
	})
	.openapi("RollbackPlan");
