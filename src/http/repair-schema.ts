/** Requests and answers of the routes for repairs. */
import { z } from "@hono/zod-openapi";
import { FINDING_CLASSES } from "../consistency/finding.ts";
import {
	REPAIR_ACTIONS,
	REPAIR_SOURCES,
	REPAIR_STATUSES,
} from "../consistency/repair/repair-plan.ts";
import { REPAIR_STATES } from "../consistency/repair/repair-store.ts";
import { LIMITS } from "../domain/limits.ts";

const decimal = z.string().openapi({ description: "Whole number in decimal.", example: "7" });
const isoDate = z.string().openapi({ format: "date-time" });
const findingClass = z.enum(FINDING_CLASSES);

export const repairRequest = z
	.strictObject({
		runId: z
			.guid("must be a UUID")
			.transform((id) => id.toLowerCase())
			.optional()
			.openapi({ description: "Consistency run; left out: the newest that found something." }),
		classes: z
			.array(findingClass)
			.min(1, "must name a class")
			.max(FINDING_CLASSES.length)
			.optional()
			.openapi({ description: "Only findings of these classes; all when left out." }),
		dryRun: z
			.boolean()
			.default(true)
			.openapi({ description: "Only tell what would be done; the default." }),
	})
	.openapi("RepairRequest");

const counts = z
	.object({ planned: z.int(), repaired: z.int(), sound: z.int(), person: z.int() })
	.openapi({ description: "Outcomes by status." });

const outcome = z
	.object({
		seq: z.int().openapi({ description: "Number of the finding in its run." }),
		class: findingClass,
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
		action: z.enum(REPAIR_ACTIONS),
		source: z.enum(REPAIR_SOURCES).openapi({ description: "Where what is put in comes from." }),
		status: z.enum(REPAIR_STATUSES).openapi({
			description:
				"planned: it would be done. repaired: it was. sound: nothing is wrong with the record. person: it cannot be made again here.",
		}),
		detail: z.string().openapi({ description: "What is done, or why it is not." }),
		commands: z.array(z.string()).readonly().openapi({ description: "For a person." }),
	})
	.openapi("RepairOutcome");

const head = {
	id: z.string(),
	chainId: z.int(),
	runId: z.string(),
	state: z.enum(REPAIR_STATES),
	counts,
	error: z.object({ code: z.string(), message: z.string(), hint: z.string() }).optional(),
	startedAt: isoDate,
	finishedAt: isoDate.optional(),
};

const outcomes = z.array(outcome).openapi({
	description: `One for each finding, at most the ${LIMITS.findingsKept} that a run keeps.`,
});

export const repairAnswer = z.object({ ...head, outcomes }).openapi("Repair");

export const repairPlanAnswer = z
	.object({
		dryRun: z.literal(true),
		chainId: z.int(),
		runId: z.string(),
		counts,
		outcomes,
	})
	.openapi("RepairPlan");

export const repairsAnswer = z
	.object({
		items: z.array(z.object(head).openapi("RepairSummary")),
		cursor: z.string().optional().openapi({ description: "Absent: there is no next page." }),
	})
	.openapi("Repairs");
