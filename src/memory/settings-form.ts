/**
 * The form of a namespace's settings, as they are sent, declared in a chain's file and stored: what is left
 * out is not set. What the schemas say is looked at elsewhere, since that takes a compiler.
 */
import * as z from "zod";
import { LAYERS } from "../domain/layer.ts";
import { LIMITS } from "../domain/limits.ts";
import type { ConsolidationRule, NamespaceSettings } from "../domain/namespace-settings.ts";
import type { JsonObject } from "../domain/operation.ts";
import { LOSS_POLICIES } from "../domain/provenance.ts";

/** It stands in ids and on command lines. */
export const RULE_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
/** Layers that rules look at; the others hold what is settled already. */
const CONSOLIDATED_LAYERS = ["short_term", "episodic"] as const;
/** Blocks of thirty years at one a second: more is a mistake in the number. */
const MOST_BLOCKS = 1_000_000_000;

const name = z
	.string()
	.regex(RULE_NAME, "must be up to 64 letters, digits, '-' and '_', a letter first");

const take = z.discriminatedUnion(
	"kind",
	[
		z.strictObject({
			kind: z.literal("frequency"),
			atLeast: z.int().min(1).max(LIMITS.consolidationMembers),
		}),
		z.strictObject({ kind: z.literal("importance"), atLeast: z.number().min(0).max(1) }),
		z.strictObject({ kind: z.literal("function"), name }),
	],
	{ error: "must have `kind` frequency, importance or function" },
);

const rule = z.strictObject({
	name,
	layers: z.array(z.enum(CONSOLIDATED_LAYERS)).min(1).max(CONSOLIDATED_LAYERS.length).optional(),
	groupBy: z.string().min(1).max(LIMITS.idLength).optional(),
	take,
	everyBlocks: z.int().min(1).max(MOST_BLOCKS).optional(),
	halfLifeBlocks: z.int().min(1).max(MOST_BLOCKS).optional(),
});

const schema = z.custom<JsonObject>(
	(value) => typeof value === "object" && value !== null && !Array.isArray(value),
	"must be a JSON Schema: an object",
);

export const settingsForm = z
	.strictObject({
		shortTermCapacity: z.int().min(1).max(LIMITS.shortTermCapacity).optional(),
		policy: z.enum(LOSS_POLICIES).optional(),
		schemas: z.partialRecord(z.enum(LAYERS), schema).optional(),
		consolidation: z.array(rule).max(LIMITS.consolidationRules).optional(),
	})
	.superRefine(({ consolidation = [] }, context) => {
		for (const [index, { name: given }] of consolidation.entries()) {
			if (consolidation.findIndex((each) => each.name === given) === index) continue;
			const path = ["consolidation", index, "name"];
			context.addIssue({ code: "custom", path, message: "is the name of another rule" });
		}
	});

export type SettingsForm = z.output<typeof settingsForm>;

export function settingsOf(form: SettingsForm): NamespaceSettings {
	return {
		shortTermCapacity: form.shortTermCapacity,
		policy: form.policy,
		schemas: form.schemas,
		consolidation: (form.consolidation ?? []).map(
			(given): ConsolidationRule => ({
				name: given.name,
				layers: given.layers ?? CONSOLIDATED_LAYERS,
				groupBy: given.groupBy,
				take: given.take,
				everyBlocks: given.everyBlocks,
				halfLifeBlocks: given.halfLifeBlocks,
			}),
		),
	};
}
