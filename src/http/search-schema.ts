/** What a search asks, and what it answers. */
import { z } from "@hono/zod-openapi";
import { LIMITS } from "../domain/limits.ts";
import { FINALITIES } from "../domain/provenance.ts";
import { SEARCH_MODES, type SearchRequest } from "../service/recant-service.ts";
import { coordinateAnswer, memoryAnswer } from "./answer-schema.ts";
import {
	atRequest,
	atValue,
	checkCount,
	decimalValue,
	generationValue,
	layerValue,
	namespaceFilter,
} from "./fields.ts";
import { collectionValue, textValue, unitValue, vectorValue } from "./operation-schema.ts";
import { coverageAnswer } from "./store-schema.ts";

const DEFAULT_K = 10;

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const bound = z.union([z.string(), z.number()]);

const rangeValue = z
	.strictObject({
		in: z
			.array(scalar)
			.min(1, "must name a value")
			.superRefine((values, context) => checkCount(values.length, "whereValues", context))
			.optional(),
		gt: bound.optional(),
		gte: bound.optional(),
		lt: bound.optional(),
		lte: bound.optional(),
	})
	.refine((range) => Object.keys(range).length > 0, "must have one of in, gt, gte, lt, lte");

const whereValue = z
	.record(z.string(), z.union([scalar, rangeValue]))
	.superRefine((where, context) => checkCount(Object.keys(where).length, "whereKeys", context))
	.openapi({
		description: `Top-level fields of the content, at most ${LIMITS.whereKeys}, all of which must fit: a value that it equals, or \`{gte, gt, lte, lt}\` (numbers with numbers, texts with texts) and \`{in: [...]}\` of at most ${LIMITS.whereValues} values.`,
		example: { kind: "payment", amount: { gte: 100 }, to: { in: ["alice", "bob"] } },
	});

const kValue = z
	.int()
	.min(1)
	.superRefine((k, context) => checkCount(k, "searchK", context))
	.default(DEFAULT_K)
	.openapi({
		type: "integer",
		minimum: 1,
		maximum: LIMITS.searchK,
		description: `Results, 1 to ${LIMITS.searchK}.`,
	});

const namespacesValue = z
	.union([
		namespaceFilter,
		z
			.array(namespaceFilter)
			.min(1, "must name a namespace")
			.superRefine((names, context) => checkCount(names.length, "searchNamespaces", context)),
	])
	.openapi({ description: "Only memories of this namespace, or of these; all when left out." });

const modeValue = z.enum(SEARCH_MODES).openapi({
	description:
		"`vector`: by the vector, by the text's, or by both, their ranks joined. `text`: by the words of `text`. `hybrid`: by both, their ranks joined (reciprocal rank fusion). Left out: `vector` with a vector; else `hybrid`, or `text` in a collection that takes no texts.",
});

const finality = z.enum(FINALITIES);

export const searchBody = z
	.strictObject({
		text: textValue.min(1, "must not be empty").optional(),
		vector: vectorValue.optional(),
		mode: modeValue.optional(),
		collection: collectionValue.optional(),
		namespace: namespacesValue.optional(),
		layers: z.array(layerValue).min(1).max(4).optional(),
		where: whereValue.optional(),
		minImportance: unitValue("Least importance").optional(),
		minConfidence: unitValue("Least confidence, as it has faded at the coordinate").optional(),
		minFinality: finality
			.openapi({
				description:
					"Only what rests on blocks that are at least so final. `pending`: everything, what is suspect too.",
			})
			.optional(),
		since: decimalValue("Lowest height at which a result begins to hold.").optional(),
		until: decimalValue("Highest height at which a result begins to hold.").optional(),
		sinceTime: decimalValue(
			"Earliest time of that block, in seconds since the epoch; exact where headers are kept.",
		).optional(),
		untilTime: decimalValue("Latest time of that block.").optional(),
		at: atValue.optional(),
		generation: generationValue.optional(),
		k: kValue,
	})
	.refine(({ text, vector }) => text !== undefined || vector !== undefined, {
		path: ["text"],
		message: "give `text`, `vector` or both",
	})
	.refine(({ mode, text }) => mode === undefined || mode === "vector" || text !== undefined, {
		path: ["text"],
		message: "a search by words needs a text",
	})
	.refine(({ mode, vector }) => mode !== "text" || vector === undefined, {
		path: ["vector"],
		message: "a search of mode `text` takes no vector",
	})
	.openapi("SearchRequest");

export const searchAnswer = z
	.object({
		at: coordinateAnswer,
		results: z.array(
			z.object({
				memory: memoryAnswer,
				score: z.number().openapi({
					description:
						"What the results are ordered by: cosine similarity, score of the words, or where ranks were joined the reciprocal-rank score.",
				}),
				similarity: z
					.number()
					.optional()
					.openapi({ description: "Cosine similarity, of what was found by vector." }),
				wordScore: z
					.number()
					.optional()
					.openapi({ description: "In (0, 1), of what was found by words." }),
				finality: finality.openapi({
					description:
						"How final the blocks are that it rests on; `finalized` also for what rests on none.",
				}),
				suspect: z.boolean().openapi({
					description: "True: kept although what it rests on is gone.",
				}),
			}),
		),
		coverage: coverageAnswer,
	})
	.openapi("SearchAnswer");

/** `search` as it comes out of its schema. */
export function searchRequest(search: z.infer<typeof searchBody>): SearchRequest {
	const { at, generation, namespace, text, vector, collection, layers, where, ...rest } = search;
	const { minImportance, minConfidence, ...more } = rest;
	const isOne = typeof namespace === "string";
	return {
		...more,
		...{ text, vector, collection, layers, where, minImportance, minConfidence },
		namespace: isOne ? namespace : undefined,
		namespaceIn: isOne ? undefined : namespace,
		at: atRequest(at, generation),
	};
}
