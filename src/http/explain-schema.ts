/** What an explanation is asked for, and what it looks like, for the OpenAPI document. */
import { z } from "@hono/zod-openapi";
import { LIMITS } from "../domain/limits.ts";
import { FINALITIES } from "../domain/provenance.ts";
import {
	DEPENDENT_STATES,
	EXPLAINED_PARTS,
	ROLLBACK_EFFECTS,
	SOURCE_STATES,
} from "../service/explaining/explain-service.ts";
import {
	coordinateAnswer,
	decimal,
	generations,
	height,
	hex,
	historyEntryAnswer,
	isoDate,
	memoryAnswer,
	operationAnswer,
} from "./answer-schema.ts";
import {
	atQuery,
	countQuery,
	DEFAULT_NAMESPACE,
	generationQuery,
	namespaceValue,
} from "./fields.ts";

const DEFAULT_DEPTH = 16;

export const explainQuery = z.strictObject({
	namespace: namespaceValue.default(DEFAULT_NAMESPACE),
	at: atQuery.optional(),
	generation: generationQuery.optional(),
	depth: countQuery({
		limit: "explainDepth",
		default: DEFAULT_DEPTH,
		min: 1,
		description: `Derivations that are followed, up and down, 1 to ${LIMITS.explainDepth}.`,
	}),
});

const verdict = z
	.object({
		verdict: z.string().openapi({ description: "replayed, reinstated, suspended, recanted …" }),
		position: decimal,
		generation: decimal,
		judgedAt: height,
		slot: height.optional().openapi({ description: "Absent: it takes effect nowhere." }),
		reason: z.object({ code: z.string(), message: z.string() }).optional(),
		recordedAt: isoDate,
	})
	.openapi("ExplainedVerdict");

const sets = z.array(z.array(z.int())).openapi({
	description:
		"Alternatives of sets: places in `sources`. One set whose members all hold is enough.",
});

const source = z
	.object({
		namespace: z.string(),
		id: z.string(),
		contentHash: hex,
		depth: z.int(),
		state: z.enum(SOURCE_STATES),
		memory: memoryAnswer.optional().openapi({ description: "What it said, and since where." }),
		derivedFrom: sets,
	})
	.openapi("ExplainedSource");

const dependent = z
	.object({
		namespace: z.string(),
		id: z.string(),
		depth: z.int(),
		restsOn: z.int().optional().openapi({
			description: "Place in `dependents` of what it rests on; absent: the explained memory.",
		}),
		state: z.enum(DEPENDENT_STATES),
		memory: memoryAnswer.optional(),
		operationId: z.string().optional(),
	})
	.openapi("ExplainedDependent");

const rollback = z
	.object({
		rollbackId: z.string(),
		generation: decimal.openapi({ description: "The generation that it began." }),
		cause: z.enum(["reorg", "manual", "handlers"]).optional(),
		ancestor: height,
		from: height,
		finishedAt: isoDate.optional(),
		effect: z.enum(ROLLBACK_EFFECTS).openapi({
			description:
				"gone, back or changed: what is said differs from before. kept: an operation was judged, and the same is said.",
		}),
		before: hex.optional().openapi({ description: "Content hash." }),
		after: hex.optional().openapi({ description: "Content hash." }),
	})
	.openapi("ExplainedRollback");

export const explainAnswer = z
	.object({
		at: coordinateAnswer,
		namespace: z.string(),
		id: z.string(),
		memory: memoryAnswer.optional().openapi({ description: "Absent: nothing is said there." }),
		finality: z.enum(FINALITIES).optional(),
		grounds: height.optional().openapi({ description: "Highest block that it rests on." }),
		operations: z.array(z.object({ operation: operationAnswer, verdicts: z.array(verdict) })),
		blocks: z.array(
			z.object({ height, hash: hex, timestamp: decimal, canonical: z.boolean(), generations }),
		),
		derivedFrom: sets,
		sources: z.array(source),
		dependents: z.array(dependent),
		history: z.array(historyEntryAnswer),
		rollbacks: z.array(rollback),
		truncated: z
			.array(z.enum(EXPLAINED_PARTS))
			.openapi({ description: "Parts that hold only their first entries." }),
	})
	.openapi("Explanation");
