/** What a checkpoint commits to: a root for each layer, and one hash that binds them to their block. */
import { hash } from "node:crypto";
import type { ChainId, Height, Hex } from "../domain/ids.ts";
import { LAYERS, type Layer } from "../domain/layer.ts";
import { HASH_BYTES, writeHash } from "./key-digits.ts";
import { ZERO_HASH } from "./tree-hash.ts";

/** Root of each layer's tree: 32 bytes, zeros for a layer without memories. */
export type StateRoots = Readonly<Record<Layer, Hex>>;

/** Of a state without memories. */
export const EMPTY_ROOTS: StateRoots = {
	short_term: ZERO_HASH,
	long_term: ZERO_HASH,
	episodic: ZERO_HASH,
	semantic: ZERO_HASH,
};

/** The block that a state root belongs to. */
export interface RootPlace {
	readonly chainId: ChainId;
	readonly height: Height;
	readonly blockHash: Hex;
}

const TAG = Buffer.from("recant.state-root.v1\0", "ascii");
const NUMBER_BYTES = 8;
const ROOT_INPUT_BYTES = TAG.length + 2 * NUMBER_BYTES + HASH_BYTES + LAYERS.length * HASH_BYTES;

/**
 * Binds the layers to their place: SHA-256 over the tag `recant.state-root.v1` and a zero byte, the
 * chain id and the height (8 bytes each, unsigned, big-endian), the block's hash (32 bytes), and the
 * roots (32 bytes each) in the order of LAYERS. Throws `FatalError("verification_failed")` when a hash is
 * not 32 bytes of lower-case hexadecimal.
 */
export function stateRoot(roots: StateRoots, at: RootPlace): Hex {
	const input = Buffer.alloc(ROOT_INPUT_BYTES);
	let offset = TAG.copy(input);
	offset = input.writeBigUInt64BE(BigInt(at.chainId), offset);
	offset = input.writeBigUInt64BE(at.height, offset);
	for (const part of [at.blockHash, ...LAYERS.map((layer) => roots[layer])]) {
		writeHash(part, input, offset);
		offset += HASH_BYTES;
	}
	return `0x${hash("sha256", input)}`;
}

/** Whether two states are equal, layer by layer. */
export function sameRoots(a: StateRoots, b: StateRoots): boolean {
	return LAYERS.every((layer) => a[layer] === b[layer]);
}

/** Layers whose roots differ, in the order of LAYERS. */
export function differingLayers(a: StateRoots, b: StateRoots): readonly Layer[] {
	return LAYERS.filter((layer) => a[layer] !== b[layer]);
}
