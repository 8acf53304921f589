/**
 * What proofs and parts of the state tree look like, for the OpenAPI document. The proof's own checks
 * stand in commitment/proof.ts: a verifier needs no service.
 */
import { z } from "@hono/zod-openapi";
import { PROOF_FORMAT } from "../commitment/proof.ts";
import type { MemoryKey } from "../domain/ids.ts";
import { LAYERS } from "../domain/layer.ts";
import { LIMITS } from "../domain/limits.ts";
import { coordinateAnswer, height, hex, json, layer, owner, seconds } from "./answer-schema.ts";
import { checkCount } from "./fields.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const DIGITS = /^[0-3]{0,64}$/;

const memoryKey = z
	.custom<MemoryKey>((value) => typeof value === "string" && UUID.test(value))
	.openapi({
		type: "string",
		format: "uuid",
		description: "SHA-256 of namespace and id, its first 16 bytes.",
	});

const leaf = z.object({ type: z.literal("leaf"), memoryKey, contentHash: hex });
const empty = z.object({ type: z.literal("empty") });

const path = z
	.object({
		siblings: z.array(z.tuple([hex, hex, hex])).openapi({
			type: "array",
			items: { type: "array", items: { type: "string" }, minItems: 3, maxItems: 3 },
			description: "Root first: the three other children, in the order of their digits.",
		}),
		terminal: z.discriminatedUnion("type", [leaf, empty]),
	})
	.openapi("ProofPath");

const roots = z.object({ short_term: hex, long_term: hex, episodic: hex, semantic: hex });

const place = {
	format: z.literal(PROOF_FORMAT),
	chainId: z.int(),
	height,
	blockHash: hex,
	stateRoot: hex,
	roots,
	namespace: z.string(),
	id: z.string(),
	memoryKey,
};

const proof = z
	.discriminatedUnion("type", [
		z.object({
			...place,
			type: z.literal("inclusion"),
			memory: z.object({
				namespace: z.string(),
				id: z.string(),
				layer,
				owner,
				content: json,
				text: z.string().optional(),
				collection: z.string().optional(),
				importance: z.number().optional(),
				confidence: z.number().optional(),
				expiresAtBlock: height.optional(),
				expiresAtTime: seconds.optional(),
				vectorHash: hex.optional(),
			}),
			contentHash: hex,
			paths: z
				.partialRecord(z.enum(LAYERS), path)
				.openapi({ description: "The path of the memory's layer." }),
		}),
		z.object({
			...place,
			type: z.literal("exclusion"),
			paths: z
				.record(z.enum(LAYERS), path)
				.openapi({ description: "The paths of all four layers." }),
		}),
	])
	.openapi("Proof", { description: "Verified without a service by `recant verify`." });

const rootsFrom = z.enum(["stored", "rebuilt"]).openapi({
	description:
		"stored: the roots are those of the block's checkpoint. rebuilt: none is kept there, and they are made of the rows as they are now.",
});

export const proofAnswer = z
	.object({ at: coordinateAnswer, checkpoint: rootsFrom, proof })
	.openapi("ProofAnswer");

const child = z.discriminatedUnion("type", [
	empty,
	leaf,
	z.object({ type: z.literal("node"), hash: hex }),
]);

const node = z
	.discriminatedUnion("type", [
		empty,
		leaf,
		z.object({ type: z.literal("node"), hash: hex, children: z.array(child) }),
	])
	.openapi("TreeNode");

export const treeAnswer = z
	.object({
		at: coordinateAnswer,
		checkpoint: rootsFrom,
		roots,
		nodes: z.array(node).openapi({ description: "In the order of `paths`." }),
	})
	.openapi("Tree");

export const namesAnswer = z
	.object({
		at: coordinateAnswer,
		memories: z.array(
			z.object({ memoryKey, namespace: z.string(), id: z.string(), layer, contentHash: hex }),
		),
	})
	.openapi("TreeMemories");

/** A list in a query: parts between commas, each of one form, at most LIMITS.treePaths of them. */
function listQuery<Part extends string>(
	isPart: (part: string) => part is Part,
	{ wanted, description }: { readonly wanted: string; readonly description: string },
) {
	return z
		.string()
		.transform((text, context): readonly Part[] => {
			const parts = text.split(",");
			checkCount(parts.length, "treePaths", context);
			const good = parts.filter(isPart);
			if (good.length < parts.length) context.addIssue({ code: "custom", message: wanted });
			return good;
		})
		.openapi({ type: "string", description: `${description} At most ${LIMITS.treePaths}.` });
}

export const pathsQuery = listQuery((part): part is string => DIGITS.test(part), {
	wanted: "must be paths of at most 64 digits 0 to 3, with commas between them",
	description:
		"Paths from the layer's root, with commas between them: two bits of the key a digit, 0 to 3; empty for the root itself.",
});

export const keysQuery = listQuery((part): part is MemoryKey => UUID.test(part), {
	wanted: "must be lower-case UUIDs with commas between them",
	description: "Keys of memories, with commas between them.",
});
