/**
 * A digest of each layer's state that costs one hash for a memory that comes or goes, whatever the
 * size of the state: the sum modulo 2^256 of one SHA-256 leaf for every visible memory.
 *
 * It depends on what is visible and on nothing else: not on order, history, generation or log.
 *
 * What it is for, honestly: two states that should be equal and are not have different digests, save
 * for chance (2^-256). It finds divergence, lost writes and damaged rows. It is NOT collision-resistant
 * against an adversary who chooses memories (sums modulo 2^256 fall to generalised-birthday attacks
 * long before 2^128 work), and it proves neither inclusion nor exclusion. The state tree takes its place behind
 * `StateCommitment`.
 */
import { hash } from "node:crypto";
import { FatalError } from "../domain/errors.ts";
import type { ChainId, Height, Hex } from "../domain/ids.ts";
import { LAYERS, type Layer } from "../domain/layer.ts";
import type { Version } from "../domain/memory.ts";

/** For each layer 32 bytes. */
export type StateDigest = Readonly<Record<Layer, Hex>>;

/**
 * What is committed of a visible memory. `contentHash` binds the memory's namespace and id; who
 * verifies computes it from the body, and does not take it from the row.
 */
export type CommittedMemory = Pick<Version, "memoryKey" | "layer" | "contentHash">;

/**
 * What the writer and the rollback need of a commitment to the state. Only visible memories are in
 * it: a version is removed when it is overwritten, deleted or expires, and a tombstone is never added.
 */
export interface StateCommitment {
	add(memory: CommittedMemory): void;
	/** The very version that was added: another content hash would leave a difference for good. */
	remove(memory: CommittedMemory): void;
	toDigest(): StateDigest;
	/** One of its own, to go on from here without changing this. */
	copy(): StateCommitment;
}

const LEAF_TAG = Buffer.from("recant.state-leaf.v1\0", "ascii");
const STATE_TAG = Buffer.from("recant.state.v1\0", "ascii");
const MODULUS_BITS = 256;

const ZERO: Hex = `0x${"0".repeat(64)}`;

/** Of a state without memories. */
export const EMPTY_DIGEST: StateDigest = {
	short_term: ZERO,
	long_term: ZERO,
	episodic: ZERO,
	semantic: ZERO,
};

export class DigestAccumulator implements StateCommitment {
	readonly #sums: Record<Layer, bigint>;

	/** Goes on from `digest`. Throws `FatalError("verification_failed")` when it is not one. */
	constructor(digest: StateDigest = EMPTY_DIGEST) {
		this.#sums = {
			short_term: sumOf(digest.short_term),
			long_term: sumOf(digest.long_term),
			episodic: sumOf(digest.episodic),
			semantic: sumOf(digest.semantic),
		};
	}

	add(memory: CommittedMemory): void {
		const sum = this.#sums[memory.layer] + leaf(memory);
		this.#sums[memory.layer] = BigInt.asUintN(MODULUS_BITS, sum);
	}

	remove(memory: CommittedMemory): void {
		const sum = this.#sums[memory.layer] - leaf(memory);
		this.#sums[memory.layer] = BigInt.asUintN(MODULUS_BITS, sum);
	}

	toDigest(): StateDigest {
		return {
			short_term: hexOf(this.#sums.short_term),
			long_term: hexOf(this.#sums.long_term),
			episodic: hexOf(this.#sums.episodic),
			semantic: hexOf(this.#sums.semantic),
		};
	}

	copy(): DigestAccumulator {
		return new DigestAccumulator(this.toDigest());
	}
}

/**
 * Binds every layer to its place: SHA-256 over the tag `recant.state.v1` and a zero byte, the chain id
 * and the height (8 bytes each, unsigned, big-endian), the block's hash (32 bytes), and the digests
 * (32 bytes each) in the order of LAYERS.
 */
export function stateHash(
	digest: StateDigest,
	at: { readonly chainId: ChainId; readonly height: Height; readonly blockHash: Hex },
): Hex {
	const place = Buffer.alloc(16);
	place.writeBigUInt64BE(BigInt(at.chainId), 0);
	place.writeBigUInt64BE(at.height, 8);
	const layers = LAYERS.map((layer) => bytes32(digest[layer]));
	return `0x${hash("sha256", Buffer.concat([STATE_TAG, place, bytes32(at.blockHash), ...layers]))}`;
}

/**
 * SHA-256 over the tag `recant.state-leaf.v1` and a zero byte, the memory key (16 bytes) and the
 * content hash (32 bytes).
 */
function leaf(memory: CommittedMemory): bigint {
	const key = Buffer.from(memory.memoryKey.replaceAll("-", ""), "hex");
	const input = Buffer.concat([LEAF_TAG, key, bytes32(memory.contentHash)]);
	return BigInt(`0x${hash("sha256", input)}`);
}

const HEX_32 = /^0x[0-9a-f]{64}$/;

function checked32(hex: Hex): Hex {
	if (HEX_32.test(hex)) return hex;
	throw new FatalError("verification_failed", {
		message: `${JSON.stringify(hex)} is not 32 bytes of lower-case hexadecimal`,
		hint: "a stored hash was changed outside of Recant; restore it from a backup",
	});
}

function bytes32(hex: Hex): Uint8Array {
	return Buffer.from(checked32(hex).slice(2), "hex");
}

function sumOf(hex: Hex): bigint {
	return BigInt(checked32(hex));
}

function hexOf(sum: bigint): Hex {
	return `0x${sum.toString(16).padStart(64, "0")}`;
}
