/** What an operation rests on, as it comes in over HTTP: anchors, sources, and what their loss means. */
import { z } from "@hono/zod-openapi";
import { LIMITS } from "../domain/limits.ts";
import { LOSS_POLICIES, type SourceRef } from "../domain/provenance.ts";
import {
	ANCHORED_TO_NOTHING,
	type AnchorRequest,
	type AnchorsRequest,
} from "../service/writing/anchor-lookup.ts";
import { checkCount, hashValue, memoryIdValue, namespaceValue } from "./fields.ts";

const ANCHOR_DOC =
	"What the operation depends on; left out: nothing. `block`: it holds only while that block is canonical. `transaction`: it holds while that transaction is included with the same effects, at whatever height.";

const anchorValue = z
	.strictObject({
		block: hashValue("Hash of a canonical block").optional(),
		transaction: hashValue("Hash of an included transaction").optional(),
	})
	.transform(({ block, transaction }, context): AnchorRequest => {
		if (block !== undefined && transaction === undefined) return { block };
		if (transaction !== undefined && block === undefined) return { transaction };
		context.addIssue({ code: "custom", message: "must name either `block` or `transaction`" });
		return z.NEVER;
	})
	.openapi("Anchor", {
		type: "object",
		properties: { block: { type: "string" }, transaction: { type: "string" } },
		description: ANCHOR_DOC,
	});

const anchorList = z
	.array(anchorValue)
	.min(1, "must hold an anchor")
	.superRefine((list, context) => checkCount(list.length, "anchors", context));

const anchorsValue = z
	.strictObject({ all: anchorList.optional(), any: anchorList.optional() })
	.transform(({ all, any }, context): AnchorsRequest => {
		if (all !== undefined && any === undefined) return { mode: "all", anchors: all };
		if (any !== undefined && all === undefined) return { mode: "any", anchors: any };
		context.addIssue({ code: "custom", message: "must have either `all` or `any`" });
		return z.NEVER;
	})
	.openapi("Anchors", {
		type: "object",
		properties: {
			all: { type: "array", items: { $ref: "#/components/schemas/Anchor" } },
			any: { type: "array", items: { $ref: "#/components/schemas/Anchor" } },
		},
		description: `Several anchors instead of \`anchor\`, at most ${LIMITS.anchors}: \`all\` must hold, or \`any\` one of them.`,
	});

const sourceValue = z
	.strictObject({
		namespace: namespaceValue.optional(),
		id: memoryIdValue,
		contentHash: hashValue("`contentHash` of the version, as reads give it"),
	})
	.openapi("Source", { description: "A memory, and what it said." });

type ParsedSource = z.output<typeof sourceValue>;
type ParsedSources = readonly (readonly ParsedSource[])[];

const setValue = z.array(sourceValue).min(1, "must hold a source");
/** One flat list is one set; which of the two it is, its first item says. */
const sourcesValue = z
	.unknown()
	.transform((value, context): ParsedSources => {
		const nested = Array.isArray(value) && (value.length === 0 || Array.isArray(value[0]));
		const parsed = (nested ? z.array(setValue) : setValue).safeParse(value);
		if (!parsed.success) {
			for (const issue of parsed.error.issues) context.addIssue({ ...issue });
			return z.NEVER;
		}
		const sets = (nested ? parsed.data : [parsed.data]) as ParsedSources;
		checkCount(sets.length, "sourceSets", context);
		checkCount(sets.flat().length, "sources", context);
		return sets;
	})
	.openapi("Sources", {
		type: "array",
		items: {},
		description: `What it was concluded from: alternatives of sets, \`[[a, b], [c]]\`; it stays while one set holds whole. A flat list is one set. At most ${LIMITS.sourceSets} sets and ${LIMITS.sources} sources.`,
	});

const lossPolicyValue = z.enum(LOSS_POLICIES).openapi("LossPolicy", {
	description:
		"What becomes of it when what it rests on is gone: `recant` withdraws it until that is back, `flag` keeps it marked `suspect`, `keep` keeps it as it is. Left out: as the namespace has it, else `recant`.",
});

export const groundFields = {
	anchor: anchorValue.optional(),
	anchors: anchorsValue.optional(),
	derivedFrom: sourcesValue.optional(),
	onLoss: lossPolicyValue.optional(),
};

/** `anchor` is one of `anchors` said shorter; beside them it would be lost. */
export function requireOneGround(operation: object, context: z.RefinementCtx): void {
	const { anchor, anchors }: { anchor?: unknown; anchors?: unknown } = operation;
	if (anchor === undefined || anchors === undefined) return;
	context.addIssue({
		code: "custom",
		path: ["anchors"],
		message: "must not be given beside `anchor`",
	});
}

export function groundOf(
	parsed: {
		readonly anchor?: AnchorRequest | undefined;
		readonly anchors?: AnchorsRequest | undefined;
		readonly derivedFrom?: ParsedSources | undefined;
		readonly onLoss?: (typeof LOSS_POLICIES)[number] | undefined;
	},
	namespace: string,
) {
	const { anchor, anchors, derivedFrom = [], onLoss } = parsed;
	const one: AnchorsRequest =
		anchor === undefined ? ANCHORED_TO_NOTHING : { mode: "all", anchors: [anchor] };
	return {
		anchors: anchors ?? one,
		derivedFrom: derivedFrom.map((set) =>
			set.map((source): SourceRef => ({ ...source, namespace: source.namespace ?? namespace })),
		),
		onLoss,
	};
}
