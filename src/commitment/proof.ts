/**
 * Proofs that a memory was, or was not, part of a chain's state at a block: one JSON document that
 * holds everything needed to check it but the state root that the reader trusts. docs/STATE-TREE.md
 * describes it; commitment/verify-proof.ts checks it.
 */
import * as z from "zod";
import { FatalError } from "../domain/errors.ts";
import type { ChainId, Height, Hex, MemoryKey } from "../domain/ids.ts";
import { LAYERS, type Layer } from "../domain/layer.ts";
import type { VersionBody } from "../domain/memory.ts";
import type { JsonObject } from "../domain/operation.ts";
import { contentHash } from "../memory/canonical.ts";
import { memoryKey } from "../memory/memory-key.ts";
import { KEY_DIGITS } from "./key-digits.ts";
import type { TreeMark } from "./persistent-tree.ts";
import { stateRoot } from "./state-root.ts";
import type { StateTree } from "./state-tree.ts";

/** Name and version of the format: another number is another format, and is refused. */
export const PROOF_FORMAT = "recant-proof-v1";

const HEX_32 = /^0x[0-9a-f]{64}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const DECIMAL = /^(0|[1-9][0-9]{0,19})$/;
const MAX_U64 = 2n ** 64n - 1n;

/** One spelling of each value only: a proof that was altered in any byte must not pass. */
const hex32 = z.custom<Hex>(
	(value) => isText(value, HEX_32),
	"must be 0x and 64 lower-case digits",
);
const uuid = z.custom<MemoryKey>((value) => isText(value, UUID), "must be a lower-case UUID");
const decimal = z.custom<string>(
	(value) => isText(value, DECIMAL) && BigInt(value) <= MAX_U64,
	"must be a whole number below 2^64 as a decimal string",
);
const json = z.custom<JsonObject>(
	(value) => typeof value === "object" && value !== null && !Array.isArray(value),
	"must be an object",
);

const roots = z.strictObject({
	short_term: hex32,
	long_term: hex32,
	episodic: hex32,
	semantic: hex32,
});

const path = z.strictObject({
	siblings: z.array(z.tuple([hex32, hex32, hex32])).max(KEY_DIGITS),
	terminal: z.discriminatedUnion("type", [
		z.strictObject({ type: z.literal("leaf"), memoryKey: uuid, contentHash: hex32 }),
		z.strictObject({ type: z.literal("empty") }),
	]),
});

const provedMemory = z
	.strictObject({
		namespace: z.string(),
		id: z.string(),
		layer: z.enum(LAYERS),
		owner: z.enum(["handler", "agent"]),
		content: json,
		text: z.string().optional(),
		collection: z.string().optional(),
		importance: z.number().optional(),
		confidence: z.number().optional(),
		expiresAtBlock: decimal.optional(),
		expiresAtTime: decimal.optional(),
		vectorHash: hex32.optional(),
	})
	.refine(
		(memory) => memory.expiresAtBlock === undefined || memory.expiresAtTime === undefined,
		"must not end both at a height and at a time",
	);

const place = {
	format: z.literal(PROOF_FORMAT),
	chainId: z.int().positive(),
	height: decimal,
	blockHash: hex32,
	stateRoot: hex32,
	roots,
	namespace: z.string(),
	id: z.string(),
	memoryKey: uuid,
};

/** A proof as JSON has it. Fields that are not named here are refused: nothing would bind them. */
export const proofSchema = z.discriminatedUnion("type", [
	z.strictObject({
		...place,
		type: z.literal("inclusion"),
		memory: provedMemory,
		contentHash: hex32,
		/** Of the memory's layer. */
		paths: z.partialRecord(z.enum(LAYERS), path),
	}),
	z.strictObject({
		...place,
		type: z.literal("exclusion"),
		/** Of all four layers. */
		paths: z.record(z.enum(LAYERS), path),
	}),
]);

export type StateProof = z.infer<typeof proofSchema>;
export type InclusionProof = Extract<StateProof, { type: "inclusion" }>;
export type ExclusionProof = Extract<StateProof, { type: "exclusion" }>;
export type ProvedMemory = z.infer<typeof provedMemory>;
export type ProofPath = z.infer<typeof path>;

/** A visible memory, as its version holds it. */
export type VisibleMemory = VersionBody & {
	readonly content: JsonObject;
	readonly expiresBlock: Height | undefined;
};

/** What a proof is made of. */
export interface ProofSubject {
	readonly tree: Pick<StateTree, "path" | "roots">;
	/** State of the tree; undefined: its present. */
	readonly mark: TreeMark | undefined;
	/** The block that this state belongs to. */
	readonly at: {
		readonly chainId: ChainId;
		readonly height: Height;
		readonly blockHash: Hex;
	};
	readonly namespace: string;
	readonly id: string;
	/** As it is visible there; undefined: it is not, and that is proved. */
	readonly memory: VisibleMemory | undefined;
}

/**
 * Makes the proof. Throws `FatalError("verification_failed")` when memory and tree disagree: then a proof
 * would not verify, and one of them is damaged.
 */
export function buildProof(subject: ProofSubject): StateProof {
	const { tree, mark, at, namespace, id, memory } = subject;
	const key = memoryKey(namespace, id);
	const layerRoots = tree.roots(mark);
	const pathOf = (layer: Layer): ProofPath => writable(tree.path(layer, key, mark));
	const common = {
		format: PROOF_FORMAT,
		chainId: at.chainId,
		height: at.height.toString(),
		blockHash: at.blockHash,
		stateRoot: stateRoot(layerRoots, at),
		roots: layerRoots,
		namespace,
		id,
		memoryKey: key,
	} as const;
	if (memory === undefined) return { ...common, type: "exclusion", paths: absence(key, pathOf) };
	const hash = contentHash(memory);
	const path = pathOf(memory.layer);
	requireLeaf(path, key, hash);
	return {
		...common,
		type: "inclusion",
		memory: provedOf(memory),
		contentHash: hash,
		paths: { [memory.layer]: path },
	};
}

function absence(
	key: MemoryKey,
	pathOf: (layer: Layer) => ProofPath,
): Readonly<Record<Layer, ProofPath>> {
	const paths = {
		short_term: pathOf("short_term"),
		long_term: pathOf("long_term"),
		episodic: pathOf("episodic"),
		semantic: pathOf("semantic"),
	};
	for (const layer of LAYERS) {
		const { terminal } = paths[layer];
		if (terminal.type === "leaf" && terminal.memoryKey === key) {
			throw parted(`the tree holds ${key} in ${layer}, and the rows do not`);
		}
	}
	return paths;
}

function requireLeaf({ terminal }: ProofPath, key: MemoryKey, hash: Hex): void {
	const held =
		terminal.type === "leaf" && terminal.memoryKey === key ? terminal.contentHash : undefined;
	if (held === hash) return;
	throw parted(`the tree holds ${key} as ${held ?? "nothing"}, and the rows as ${hash}`);
}

/** Fields without a value are left out, as JSON would. */
function provedOf(memory: VisibleMemory): ProvedMemory {
	const { text, collection, importance, confidence, expiresBlock, expiresTime, vectorHash } =
		memory;
	return {
		namespace: memory.namespace,
		id: memory.id,
		layer: memory.layer,
		owner: memory.owner,
		content: memory.content,
		...(text === undefined ? {} : { text }),
		...(collection === undefined ? {} : { collection }),
		...(importance === undefined ? {} : { importance }),
		...(confidence === undefined ? {} : { confidence }),
		...(expiresBlock === undefined ? {} : { expiresAtBlock: expiresBlock.toString() }),
		...(expiresTime === undefined ? {} : { expiresAtTime: expiresTime.toString() }),
		...(vectorHash === undefined ? {} : { vectorHash }),
	};
}

function writable({ siblings, terminal }: ReturnType<StateTree["path"]>): ProofPath {
	return { siblings: siblings.map(([a, b, c]) => [a, b, c]), terminal };
}

function isText(value: unknown, pattern: RegExp): value is string {
	return typeof value === "string" && pattern.test(value);
}

function parted(message: string): FatalError {
	return new FatalError("verification_failed", {
		message,
		hint: "run a full consistency check of this chain",
	});
}
