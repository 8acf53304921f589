/** Optimisations as they come in, and what is answered to them. */
import { z } from "@hono/zod-openapi";
import { LIMITS } from "../domain/limits.ts";
import { DROP_REASONS, type OptimiseRequest } from "../service/layers/optimise-service.ts";
import { coordinateAnswer, decimal, layer } from "./answer-schema.ts";
import { DEFAULT_NAMESPACE, namespaceValue } from "./fields.ts";
import { partialOutcome } from "./restore-schema.ts";

const flag = (description: string) => z.boolean().default(false).openapi({ description });

const drop = z.strictObject({
	expired: flag("What has ended by this machine's clock though no block has said so yet."),
	belowConfidence: z
		.number()
		.gt(0)
		.max(1)
		.optional()
		.openapi({ description: "What is less sure than this, as it has faded by now." }),
	unreachable: flag(
		"Links of which an end is gone, and semantic memories that were linked, to which nothing leads any more and from which nothing that holds was derived. What a fork took and may give back is not gone.",
	),
});

export const optimiseBody = z
	.strictObject({
		namespace: namespaceValue.default(DEFAULT_NAMESPACE),
		drop: drop.optional(),
		refresh: flag("Flush, compact and index all collections of the chain afterwards."),
		dryRun: flag("Only tell what would go, and what it would free."),
	})
	.refine(
		({ drop: named, refresh }) =>
			refresh ||
			named?.expired === true ||
			named?.unreachable === true ||
			named?.belowConfidence !== undefined,
		{ path: ["drop"], message: "must name what is to go, unless `refresh` is asked for" },
	)
	.transform(({ dryRun, namespace, refresh, drop: named }) => ({
		dryRun,
		request: {
			...{ namespace, refresh },
			drop: {
				expired: named?.expired ?? false,
				belowConfidence: named?.belowConfidence,
				unreachable: named?.unreachable ?? false,
			},
		} satisfies OptimiseRequest,
	}))
	.openapi("OptimiseRequest");

const reason = z.enum(DROP_REASONS);

const figures = z.object({
	collection: z.string(),
	rows: z.int(),
	unindexedRows: z.int().openapi({ description: "Rows that the indexes do not know yet." }),
});

const plan = z
	.object({
		at: coordinateAnswer,
		counts: z.record(reason, z.int()),
		frees: z
			.object({ memories: z.int(), bytes: z.int(), vectors: z.int() })
			.openapi({ description: "Once what is final is no longer kept as history." }),
		refresh: z.array(figures).optional().openapi({
			description: "Collections whose tables would be kept up, where `refresh` is asked for.",
		}),
		items: z.array(
			z.object({
				namespace: z.string(),
				id: z.string(),
				layer,
				reason,
				versionId: decimal,
				confidence: z.number().optional(),
			}),
		),
		truncated: z.boolean(),
		complete: z.boolean().openapi({
			description: `False: there is more than the ${LIMITS.optimisedMemories} of one request.`,
		}),
	})
	.openapi("OptimisePlan", { description: `\`items\` holds the first ${LIMITS.partialItems}.` });

export const optimiseAnswer = z
	.object({
		dryRun: z.boolean(),
		repeated: z.boolean(),
		committed: z.boolean(),
		idempotencyKey: z.string().optional(),
		plan: plan.optional().openapi({ description: "Absent when repeated." }),
		outcome: partialOutcome.optional().openapi({ description: "Absent for a dry run." }),
		refreshed: z
			.array(
				z.object({
					collection: z.string(),
					fromVersion: decimal,
					toVersion: decimal,
					rows: z.int(),
					unindexedRows: z.int(),
				}),
			)
			.optional(),
	})
	.openapi("OptimiseAnswer");
