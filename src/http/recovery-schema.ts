/** Requests and answers of the routes for recoveries. */
import { z } from "@hono/zod-openapi";
import { RECOVERY_KINDS, RECOVERY_STATES } from "../recovery/recovery.ts";
import { heightAndHash, json } from "./answer-schema.ts";

const isoDate = z.string().openapi({ format: "date-time" });
const height = z.string().openapi({ description: "Block number in decimal.", example: "1234" });
const problem = z.object({ code: z.string(), message: z.string(), hint: z.string() });
const kind = z.enum(RECOVERY_KINDS).openapi({
	description:
		"accept: back to the highest block that the chain shares with the node's, on the word of a quorum of providers. import: a verified snapshot. rebuild: everything anew from the chain's first block.",
});

export const recoveryRequest = z
	.strictObject({
		kind,
		dryRun: z.boolean().default(false).openapi({ description: "Only tell what would be done." }),
		singleProvider: z.boolean().default(false).openapi({
			description:
				"One provider's word is enough where the chain's file names no other. Otherwise two must agree at least, and more than half of all in any case.",
		}),
		snapshotId: z
			.guid("must be a UUID")
			.transform((id) => id.toLowerCase())
			.optional()
			.openapi({ description: "Of an import: a verified snapshot; left out: the newest." }),
	})
	.openapi("RecoveryRequest");

const plan = z
	.object({
		from: heightAndHash.openapi({ description: "Block whose state it goes on from." }),
		ancestor: heightAndHash
			.optional()
			.openapi({ description: "Highest block that chain and node share." }),
		target: heightAndHash
			.optional()
			.openapi({ description: "Head of what is taken of the new branch at once." }),
		depthBlocks: z.int().openapi({ description: "Committed blocks that are taken back." }),
		memories: z.int().optional().openapi({ description: "Memories that change." }),
		operations: z.int().openapi({
			description:
				"Agents' operations that are judged again; of an import those that go with the old state.",
		}),
		strategy: z.enum(["rewind", "snapshot", "rebuild"]).optional(),
		strategyReason: z.string().optional(),
		snapshot: z
			.object({ id: z.string(), height, blockHash: z.string(), memories: z.int() })
			.optional(),
	})
	.openapi("RecoveryPlan");

export const recoveryAnswer = z
	.object({
		id: z.string(),
		chainId: z.int(),
		kind: z.enum(RECOVERY_KINDS),
		state: z.enum(RECOVERY_STATES),
		problem: problem.openapi({ description: "The halt that it answers." }),
		attempt: z.int().openapi({ description: "1 for the first that answers this halt." }),
		evidence: json.openapi({
			description: "What it rests on: what each provider said, and when; URLs without secrets.",
		}),
		rollbackId: z.string().optional().openapi({ description: "Rollback that it runs." }),
		error: problem.optional(),
		startedAt: isoDate,
		finishedAt: isoDate.optional(),
	})
	.openapi("Recovery");

export const recoveryPlanAnswer = z
	.object({ dryRun: z.literal(true), kind, plan })
	.openapi("RecoveryDryRun");

export const recoveriesAnswer = z
	.object({
		outlook: z.object({
			chainId: z.int(),
			halt: problem.optional().openapi({ description: "Absent: the chain is not halted." }),
			attemptsLeft: z
				.int()
				.openapi({ description: "Recoveries that may still be begun for this halt." }),
			options: z.array(
				z.object({
					kind,
					possible: z.boolean(),
					reason: z.string().optional().openapi({ description: "Why it is not possible." }),
					plan: plan.optional(),
				}),
			),
			evidence: json.optional().openapi({ description: "What each provider said just now." }),
		}),
		items: z.array(recoveryAnswer),
		cursor: z.string().optional().openapi({ description: "Absent: there is no next page." }),
	})
	.openapi("Recoveries");
