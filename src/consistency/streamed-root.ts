/**
 * The root of a layer's state tree from its leaves in the order of their keys, in memory that does not
 * grow with them: only the way to the last leaf is held. It gives what commitment/state-tree.ts gives.
 *
 * Two neighbouring keys that share n digits both lie below the node at depth n and part there. So a
 * leaf hangs where it parts from the nearer of its neighbours, and every node below the depth at
 * which the next key parts is complete.
 */
import { digitAt, KEY_BYTES, KEY_DIGITS, writeKey } from "../commitment/key-digits.ts";
import type { StateRoots } from "../commitment/state-root.ts";
import { leafHash, nodeHash, ZERO_HASH } from "../commitment/tree-hash.ts";
import type { Hex, MemoryKey } from "../domain/ids.ts";
import type { Layer } from "../domain/layer.ts";

type Children = [Hex, Hex, Hex, Hex];

/** No node above: the key stands alone. */
const ALONE = -1;

class LayerRoot {
	/** Children so far of the node at each depth on the way to the last leaf. */
	readonly #open: Children[] = [];
	#last: { readonly key: Uint8Array; readonly hash: Hex } | undefined;
	/** Digits that the last key shares with the one before it. */
	#shared = ALONE;

	/** Keys must rise; a key that stands there already is passed over. */
	add(memoryKey: MemoryKey, contentHash: Hex): void {
		const key = new Uint8Array(KEY_BYTES);
		writeKey(memoryKey, key);
		const next = { key, hash: leafHash(memoryKey, contentHash) };
		if (this.#last !== undefined) {
			const shared = sharedDigits(this.#last.key, key);
			if (shared === KEY_DIGITS) return;
			this.#hang(this.#last, shared);
			this.#shared = shared;
		}
		this.#last = next;
	}

	/** Ends the stream. */
	root(): Hex {
		if (this.#last === undefined) return ZERO_HASH;
		if (this.#shared === ALONE) return this.#last.hash;
		this.#hang(this.#last, ALONE);
		return nodeHash(this.#open[0] ?? empty());
	}

	/** Puts a leaf to its place, and closes the nodes below the depth at which the next key parts. */
	#hang(leaf: { readonly key: Uint8Array; readonly hash: Hex }, next: number): void {
		let depth = Math.max(this.#shared, next);
		this.#put(leaf.key, depth, leaf.hash);
		for (; depth > Math.max(next, 0); depth -= 1) {
			const closed = nodeHash(this.#open[depth] ?? empty());
			this.#open[depth] = empty();
			this.#put(leaf.key, depth - 1, closed);
		}
	}

	#put(key: Uint8Array, depth: number, hash: Hex): void {
		for (let above = this.#open.length; above <= depth; above += 1) this.#open.push(empty());
		const children = this.#open[depth];
		if (children !== undefined) children[digitAt(key, depth)] = hash;
	}
}

function empty(): Children {
	return [ZERO_HASH, ZERO_HASH, ZERO_HASH, ZERO_HASH];
}

function sharedDigits(a: Uint8Array, b: Uint8Array): number {
	let index = 0;
	while (index < KEY_DIGITS && digitAt(a, index) === digitAt(b, index)) index += 1;
	return index;
}

export class StreamedRoots {
	readonly #layers: Readonly<Record<Layer, LayerRoot>> = {
		short_term: new LayerRoot(),
		long_term: new LayerRoot(),
		episodic: new LayerRoot(),
		semantic: new LayerRoot(),
	};

	/** Keys of one layer must come rising. */
	add(layer: Layer, memoryKey: MemoryKey, contentHash: Hex): void {
		this.#layers[layer].add(memoryKey, contentHash);
	}

	roots(): StateRoots {
		return {
			short_term: this.#layers.short_term.root(),
			long_term: this.#layers.long_term.root(),
			episodic: this.#layers.episodic.root(),
			semantic: this.#layers.semantic.root(),
		};
	}
}
