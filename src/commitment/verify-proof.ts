/**
 * Checks a proof with nothing but the proof itself: no service, no store, no chain. It says that the
 * memory was, or was not, in the state that the state root commits to; that the root is the right one is
 * for the reader to know, from a source of their own (`TrustedPlace`).
 *
 * Everything is made again from below: the key from namespace and id, the content hash from the memory's
 * body, the layer's root from the path, the state root from the layers' roots. What the proof says of
 * them must be equal; so a proof that was altered anywhere does not pass.
 */
import { RecantError } from "../domain/errors.ts";
import type { Hex, MemoryKey } from "../domain/ids.ts";
import { LAYERS, type Layer } from "../domain/layer.ts";
import { contentHash } from "../memory/canonical.ts";
import { memoryKey } from "../memory/memory-key.ts";
import { digitAt, KEY_BYTES, writeKey } from "./key-digits.ts";
import {
	type ExclusionProof,
	type InclusionProof,
	type ProofPath,
	type ProvedMemory,
	proofSchema,
	type StateProof,
} from "./proof.ts";
import { stateRoot } from "./state-root.ts";
import { leafHash, nodeHash, ZERO_HASH } from "./tree-hash.ts";

/** What the reader knows from elsewhere; what is undefined is not compared. */
export interface TrustedPlace {
	readonly stateRoot: Hex | undefined;
	readonly blockHash: Hex | undefined;
}

/**
 * Where a proof fails first, in the order of checking:
 *
 * | code | what |
 * | --- | --- |
 * | malformed | not a proof of this format: a field is missing, unknown or misspelt |
 * | key | `memoryKey` is not that of namespace and id, or the memory is another one |
 * | content | `contentHash` is not that of the memory's body |
 * | layers | paths of other layers than needed |
 * | terminal | what stands at the end of the path proves something else |
 * | layer_root | the path leads to another root of its layer |
 * | state_root | the layers' roots and the block make another state root |
 * | untrusted | the proof holds, of another state root or block than the reader trusts |
 */
export type ProofFault =
	| "malformed"
	| "key"
	| "content"
	| "layers"
	| "terminal"
	| "layer_root"
	| "state_root"
	| "untrusted";

export type ProofVerdict =
	| { readonly valid: true; readonly proof: StateProof }
	| {
			readonly valid: false;
			readonly fault: ProofFault;
			/** What is wrong, with the values. */
			readonly message: string;
			/** The layer whose path is wrong; undefined: no layer is concerned. */
			readonly layer: Layer | undefined;
	  };

type Failure = Extract<ProofVerdict, { valid: false }>;
/** Undefined: nothing is wrong. */
type Check = Failure | undefined;

const TRUST_ITSELF: TrustedPlace = { stateRoot: undefined, blockHash: undefined };

/** Checks what `JSON.parse` gave. Never throws for what a proof can hold. */
export function verifyProof(value: unknown, trusted: TrustedPlace = TRUST_ITSELF): ProofVerdict {
	const parsed = proofSchema.safeParse(value);
	if (!parsed.success) return failure("malformed", issueText(parsed.error.issues[0]));
	const proof = parsed.data;
	try {
		return fault(proof, trusted) ?? { valid: true, proof };
	} catch (error) {
		// What has no canonical form, such as a lone surrogate, has no hash either.
		if (error instanceof RecantError) return failure("malformed", error.message);
		throw error;
	}
}

function fault(proof: StateProof, trusted: TrustedPlace): Check {
	return (
		keyFault(proof) ??
		(proof.type === "inclusion" ? inclusionFault(proof) : exclusionFault(proof)) ??
		rootFault(proof) ??
		trustFault(proof, trusted)
	);
}

function keyFault({ namespace, id, memoryKey: named }: StateProof): Check {
	return differs("key", "the key of namespace and id", memoryKey(namespace, id), named);
}

function inclusionFault(proof: InclusionProof): Check {
	const { memory, paths } = proof;
	const path = paths[memory.layer];
	if (path === undefined || Object.keys(paths).length !== 1) {
		return failure("layers", `the path of ${memory.layer} must be there, and no other`);
	}
	return (
		differs("key", "the memory's namespace", memory.namespace, proof.namespace) ??
		differs("key", "the memory's id", memory.id, proof.id) ??
		differs("content", "the hash of the memory's body", bodyHash(memory), proof.contentHash) ??
		ownLeafFault(proof, path) ??
		layerFault(proof, memory.layer, path)
	);
}

function ownLeafFault(proof: InclusionProof, { terminal }: ProofPath): Check {
	const { layer } = proof.memory;
	if (terminal.type !== "leaf") return failure("terminal", "the path ends empty", layer);
	return (
		differs("terminal", "the leaf's key", terminal.memoryKey, proof.memoryKey, layer) ??
		differs("terminal", "the leaf's content", terminal.contentHash, proof.contentHash, layer)
	);
}

function exclusionFault(proof: ExclusionProof): Check {
	return firstFault(
		LAYERS,
		(layer) =>
			otherLeafFault(proof, layer, proof.paths[layer]) ??
			layerFault(proof, layer, proof.paths[layer]),
	);
}

/**
 * Another key's leaf shows that a key is not there only where that key would stand: both have the same
 * digits down to it.
 */
function otherLeafFault(proof: StateProof, layer: Layer, { siblings, terminal }: ProofPath): Check {
	if (terminal.type === "empty") return undefined;
	if (terminal.memoryKey === proof.memoryKey) {
		return failure("terminal", `the path ends in ${proof.memoryKey} itself`, layer);
	}
	const own = keyBytes(proof.memoryKey);
	const other = keyBytes(terminal.memoryKey);
	const isOnTheWay = siblings.every((_, depth) => digitAt(own, depth) === digitAt(other, depth));
	if (isOnTheWay) return undefined;
	return failure("terminal", `${terminal.memoryKey} does not stand on the way to the key`, layer);
}

function layerFault(proof: StateProof, layer: Layer, path: ProofPath): Check {
	const root = rootOf(proof.memoryKey, path);
	return differs("layer_root", "the root that the path makes", root, proof.roots[layer], layer);
}

/** The layer's root that a path makes, from its end up. */
function rootOf(key: MemoryKey, { siblings, terminal }: ProofPath): Hex {
	const bytes = keyBytes(key);
	const end =
		terminal.type === "leaf" ? leafHash(terminal.memoryKey, terminal.contentHash) : ZERO_HASH;
	return siblings.reduceRight(
		(child, others, depth) => nodeHash(withChild(others, digitAt(bytes, depth), child)),
		end,
	);
}

function withChild(
	[a, b, c]: readonly [Hex, Hex, Hex],
	digit: number,
	child: Hex,
): readonly [Hex, Hex, Hex, Hex] {
	if (digit === 0) return [child, a, b, c];
	if (digit === 1) return [a, child, b, c];
	return digit === 2 ? [a, b, child, c] : [a, b, c, child];
}

function rootFault(proof: StateProof): Check {
	const { chainId, blockHash, roots } = proof;
	const made = stateRoot(roots, { chainId, height: BigInt(proof.height), blockHash });
	return differs("state_root", "the root that layers and block make", made, proof.stateRoot);
}

function trustFault(proof: StateProof, trusted: TrustedPlace): Check {
	return (
		trustedFault("state root", proof.stateRoot, trusted.stateRoot) ??
		trustedFault("block hash", proof.blockHash, trusted.blockHash)
	);
}

function trustedFault(what: string, said: Hex, trusted: Hex | undefined): Check {
	if (trusted === undefined) return undefined;
	return differs("untrusted", `the trusted ${what}`, trusted, said);
}

function bodyHash(memory: ProvedMemory): Hex {
	return contentHash({
		namespace: memory.namespace,
		id: memory.id,
		layer: memory.layer,
		owner: memory.owner,
		content: memory.content,
		text: memory.text,
		collection: memory.collection,
		importance: memory.importance,
		confidence: memory.confidence,
		expiresBlock: memory.expiresAtBlock === undefined ? undefined : BigInt(memory.expiresAtBlock),
		expiresTime: memory.expiresAtTime === undefined ? undefined : BigInt(memory.expiresAtTime),
		vectorHash: memory.vectorHash,
	});
}

function keyBytes(key: MemoryKey): Uint8Array {
	const bytes = new Uint8Array(KEY_BYTES);
	writeKey(key, bytes);
	return bytes;
}

function firstFault(layers: readonly Layer[], check: (layer: Layer) => Check): Check {
	for (const layer of layers) {
		const found = check(layer);
		if (found !== undefined) return found;
	}
	return undefined;
}

function differs(
	fault: ProofFault,
	what: string,
	made: string,
	said: string,
	layer?: Layer,
): Check {
	if (made === said) return undefined;
	return failure(fault, `${what} is ${made}, and the proof says ${said}`, layer);
}

function failure(fault: ProofFault, message: string, layer?: Layer): Failure {
	return { valid: false, fault, message, layer };
}

function issueText(
	issue: { readonly path: readonly PropertyKey[]; readonly message: string } | undefined,
): string {
	if (issue === undefined) return "this is no proof";
	return `${issue.path.map(String).join(".") || "the proof"}: ${issue.message}`;
}
