/** Requests and answers of the routes for consistency checks. */
import { z } from "@hono/zod-openapi";
import { RUN_CAUSES, RUN_STATES } from "../consistency/consistency-run.ts";
import { FINDING_CLASSES, LEVELS, SEVERITIES } from "../consistency/finding.ts";
import { LIMITS } from "../domain/limits.ts";
import { boundedText } from "./fields.ts";

const decimal = z.string().openapi({ description: "Whole number in decimal.", example: "7" });
const isoDate = z.string().openapi({ format: "date-time" });
export const level = z.enum(LEVELS).openapi("ConsistencyLevel", {
	description: "In rising order of cost; each includes those before it.",
});

const share = (description: string) =>
	z.number().gt(0, "must be above 0").lt(1, "must be below 1").openapi({ description });

export const checkRequest = z
	.strictObject({
		level: level.default("basic"),
		sample: z
			.strictObject({
				seed: boundedText("idLength", "Any text; the same seed draws the same sample again."),
				confidence: share(
					"Probability of finding something when the tolerated share or more is damaged.",
				),
				tolerance: share("Share of damaged memories from which on the confidence holds."),
			})
			.optional()
			.openapi({
				description: `Reads a sample of the memories, at most ${LIMITS.sampleMemories}, instead of everything.`,
			}),
	})
	.openapi("ConsistencyRequest");

const counts = z
	.object({ info: z.int(), warning: z.int(), error: z.int(), critical: z.int() })
	.openapi({ description: "Findings by severity; whole, also where the list is cut." });

export const runAnswer = z
	.object({
		id: z.string(),
		chainId: z.int(),
		level,
		state: z.enum(RUN_STATES),
		cause: z.enum(RUN_CAUSES),
		sample: z
			.object({
				seed: z.string(),
				confidence: z.number(),
				tolerance: z.number(),
				memories: z.int().openapi({ description: "Memories that the sample holds at least." }),
			})
			.optional(),
		at: z
			.object({ generation: decimal, height: decimal, logPosition: decimal })
			.optional()
			.openapi({ description: "What was compared, the pending slot included." }),
		score: z
			.number()
			.optional()
			.openapi({ description: "In [0, 1]; 1: nothing above info was found. Absent until done." }),
		counts,
		rules: z.array(
			z.object({
				name: z.string(),
				checked: z.int().openapi({ description: "Records that it looked at." }),
				found: z.int(),
				ms: z.number(),
				error: z.string().optional().openapi({ description: "Why it ended early." }),
			}),
		),
		error: z.object({ code: z.string(), message: z.string(), hint: z.string() }).optional(),
		startedAt: isoDate,
		finishedAt: isoDate.optional(),
	})
	.openapi("ConsistencyRun");

export const runsAnswer = z
	.object({
		items: z.array(runAnswer),
		cursor: z.string().optional().openapi({ description: "Absent: there is no next page." }),
	})
	.openapi("ConsistencyRuns");

const findingAnswer = z
	.object({
		seq: z.int(),
		rule: z.string(),
		class: z.enum(FINDING_CLASSES),
		severity: z.enum(SEVERITIES),
		subject: z.object({
			store: z.enum(["postgres", "lancedb", "working_memory", "node"]),
			table: z.string(),
			memoryKey: z.string().optional(),
			namespace: z.string().optional(),
			id: z.string().optional(),
			versionId: decimal.optional(),
			fromBlock: decimal.optional(),
			fromGen: decimal.optional(),
			position: decimal.optional(),
			collection: z.string().optional(),
		}),
		message: z.string().openapi({ description: "What is wrong, with the values." }),
		since: decimal.optional().openapi({
			description: "Height since which answers may have been wrong.",
		}),
		remedy: z.object({
			by: z.enum(["repair", "person"]),
			commands: z.array(z.string()).readonly(),
		}),
	})
	.openapi("Finding");

export const runWithFindingsAnswer = z
	.object({
		run: runAnswer,
		findings: z.array(findingAnswer),
		truncated: z.boolean().openapi({
			description: `The run found more than the ${LIMITS.findingsKept} that are kept.`,
		}),
		cursor: z.string().optional().openapi({ description: "Absent: there is no next page." }),
	})
	.openapi("ConsistencyRunWithFindings");
