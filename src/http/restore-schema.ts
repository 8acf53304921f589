/** Partial restores and merges as they come in, and what is answered to them. */
import { z } from "@hono/zod-openapi";
import { LIMITS } from "../domain/limits.ts";
import type { MergeRule } from "../memory/merge-rules.ts";
import type { PartialSelection } from "../service/restoring/partial-restore-service.ts";
import {
	coordinateAnswer,
	decimal,
	height,
	hex,
	json,
	layer,
	operationAnswer,
	seconds,
} from "./answer-schema.ts";
import {
	atRequest,
	atValue,
	boundedText,
	checkCount,
	generationValue,
	layerValue,
	namespaceValue,
} from "./fields.ts";
import { addExcess } from "./invalid-request.ts";
import { collectionValue } from "./operation-schema.ts";

function namesOf<Item extends z.ZodType>(item: Item, description: string) {
	return z
		.array(item)
		.min(1, "must name one, or be left out")
		.superRefine((list, context) => checkCount(list.length, "partialNames", context))
		.openapi({ description: `${description} At most ${LIMITS.partialNames}.` });
}

const namespaces = namesOf(namespaceValue, "Only memories of these namespaces.").optional();
const layers = namesOf(
	layerValue,
	"Only memories that are in these layers, then or now.",
).optional();
const collections = namesOf(
	collectionValue,
	"Only memories that are in these collections, then or now.",
).optional();

const dryRun = z
	.boolean()
	.default(false)
	.openapi({ description: "Only tell what would be written." });

export const restoreBody = z
	.strictObject({
		to: atValue,
		generation: generationValue.optional(),
		namespaces,
		layers,
		collections,
		dryRun,
	})
	.transform(({ to, generation, namespaces, layers, collections, dryRun }) => ({
		request: {
			to: atRequest(to, generation),
			selection: { namespaces, layers, collections } satisfies PartialSelection,
		},
		dryRun,
	}))
	.openapi("RestoreRequest", {
		description: "At least one of `namespaces`, `layers` and `collections` is needed.",
	});

const side = z.enum(["ours", "theirs"]);
const choice = z.enum(["ours", "theirs", "latest"]).openapi("MergeChoice", {
	description: "latest: the side that was written later, by position in the log.",
});

const fields = z
	.record(boundedText("textBytes", "Name of a field."), choice)
	.superRefine((record, context) => {
		const value = Object.keys(record).length;
		if (value <= LIMITS.partialNames) return;
		const message = `names ${value} fields, at most ${LIMITS.partialNames} are taken`;
		addExcess(context, { limit: "partialNames", value, message });
	})
	.openapi({
		type: "object",
		additionalProperties: { $ref: "#/components/schemas/MergeChoice" },
		description: "Which side each top-level field of the content is taken from.",
	});

const rule = z
	.discriminatedUnion(
		"kind",
		[
			z.strictObject({ kind: z.literal("latest") }),
			z.strictObject({ kind: z.literal("source"), side }),
			z.strictObject({
				kind: z.literal("field"),
				fields,
				otherwise: choice.default("ours"),
			}),
			z.strictObject({
				kind: z.literal("function"),
				name: boundedText("namespaceLength", "One of `merges` in the chain's file."),
			}),
		],
		{ error: "must be a rule with `kind` latest, source, field or function" },
	)
	.transform((parsed): MergeRule => parsed)
	.openapi("MergeRule", {
		description:
			"latest: what was written later, a deletion like any other; at equal positions ours. source: always that side. field: field by field, the rest and a memory that only one side has as `otherwise` says. function: one of the chain's own.",
	});

export const mergeBody = z
	.strictObject({
		ours: atValue.optional(),
		oursGeneration: generationValue.optional(),
		theirs: atValue,
		theirsGeneration: generationValue.optional(),
		rule,
		namespaces,
		layers,
		dryRun,
	})
	.transform(({ ours, theirs, oursGeneration, theirsGeneration, ...rest }) => ({
		request: {
			ours: atRequest(ours, oursGeneration),
			theirs: atRequest(theirs, theirsGeneration),
			rule: rest.rule,
			selection: {
				namespaces: rest.namespaces,
				layers: rest.layers,
				collections: undefined,
			} satisfies PartialSelection,
		},
		dryRun: rest.dryRun,
	}))
	.openapi("MergeRequest");

const plannedMemory = z
	.object({
		namespace: z.string(),
		id: z.string(),
		change: z.enum(["add", "change", "remove"]),
		before: z
			.object({ versionId: decimal, contentHash: hex, layer, content: json })
			.optional()
			.openapi({ description: "What is there now; the operation fails if it is another version." }),
		after: z
			.object({
				contentHash: hex,
				layer,
				content: json,
				text: z.string().optional(),
				vectorHash: hex.optional(),
				collection: z.string().optional(),
				importance: z.number().optional(),
				confidence: z.number().optional(),
				expiresAtBlock: height.optional(),
				expiresAtTime: seconds.optional(),
			})
			.optional(),
	})
	.openapi("PlannedMemory");

const plan = z
	.object({
		ours: coordinateAnswer,
		theirs: coordinateAnswer,
		pending: coordinateAnswer,
		counts: z.object({
			add: z.int(),
			change: z.int(),
			remove: z.int(),
			skip: z.int(),
			operations: z.int(),
		}),
		planHash: hex.openapi({ description: "Over all operations: equal plans have equal hashes." }),
		items: z.array(plannedMemory),
		skipped: z.array(
			z.object({
				namespace: z.string(),
				id: z.string(),
				layer,
				reason: z.enum(["handler_owned", "expired", "vector_missing"]),
				message: z.string(),
			}),
		),
		truncated: z.boolean(),
	})
	.openapi("PartialPlan", {
		description: `Lists hold the first ${LIMITS.partialItems} by namespace and id; counts are whole.`,
	});

export const partialOutcome = z
	.object({
		applied: z.int(),
		failed: z.int().openapi({
			description: "Written meanwhile by somebody else, or taken back by a fork since.",
		}),
		waiting: z.int(),
		operations: z.array(operationAnswer),
		failures: z.array(operationAnswer),
		truncated: z.boolean(),
	})
	.openapi("PartialOutcome", { description: `Lists hold the first ${LIMITS.partialItems}.` });

export const partialAnswer = z
	.object({
		dryRun: z.boolean(),
		repeated: z.boolean().openapi({ description: "The key was seen before; nothing was planned." }),
		committed: z.boolean(),
		idempotencyKey: z
			.string()
			.optional()
			.openapi({ description: "Repeats the request; one is made where none was given." }),
		plan: plan.optional().openapi({ description: "Absent when repeated." }),
		outcome: partialOutcome.optional().openapi({ description: "Absent for a dry run." }),
		at: coordinateAnswer.optional(),
	})
	.openapi("PartialAnswer");
