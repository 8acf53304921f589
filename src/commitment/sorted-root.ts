/**
 * The root of a layer's state tree from its memories in the order of their keys, in memory that does
 * not grow with their number: only the nodes on the way to the last key are open. It gives the root
 * that state-tree.ts gives for the same memories; a test compares them.
 *
 * A node is there at depth d when two keys share their first d digits. So the digits that a key shares
 * with the key before and the key after say at which depth its leaf hangs, and which nodes are done.
 */

import { FatalError } from "../domain/errors.ts";
import type { Hex, MemoryKey } from "../domain/ids.ts";
import type { Layer } from "../domain/layer.ts";
import { digitAt, KEY_BYTES, KEY_DIGITS, writeKey } from "./key-digits.ts";
import type { StateRoots } from "./state-root.ts";
import { leafHash, nodeHash, ZERO_HASH } from "./tree-hash.ts";

type Children = [Hex, Hex, Hex, Hex];

export class SortedRoot {
	/** Node at each depth on the way to the last key, as far as it is known to be one. */
	readonly #open: Children[] = [];
	/** The last key, and the one that is being compared with it. */
	#last = new Uint8Array(KEY_BYTES);
	#next = new Uint8Array(KEY_BYTES);
	#leaf: Hex | undefined;

	/** Keys must rise. Throws `FatalError("internal")` when one does not. */
	add(memoryKey: MemoryKey, contentHash: Hex): void {
		writeKey(memoryKey, this.#next);
		if (this.#leaf !== undefined) this.#place(this.#leaf, this.#sharedDigits(memoryKey));
		this.#leaf = leafHash(memoryKey, contentHash);
		[this.#last, this.#next] = [this.#next, this.#last];
	}

	/** Root of all that were added; zeros for none. Nothing can be added after it. */
	finish(): Hex {
		if (this.#leaf === undefined) return ZERO_HASH;
		const top = this.#open.at(0);
		if (top === undefined) return this.#leaf;
		this.#hang(this.#leaf);
		this.#closeBelow(0);
		return nodeHash(top);
	}

	/** Hangs the last key's leaf up, knowing how many digits the key shares with the next one. */
	#place(leaf: Hex, shared: number): void {
		while (this.#open.length <= shared) {
			this.#open.push([ZERO_HASH, ZERO_HASH, ZERO_HASH, ZERO_HASH]);
		}
		this.#hang(leaf);
		this.#closeBelow(shared);
	}

	#hang(hash: Hex): void {
		const depth = this.#open.length - 1;
		const node = this.#open[depth];
		if (node !== undefined) node[digitAt(this.#last, depth)] = hash;
	}

	/** Hashes the nodes below that depth into their parents. */
	#closeBelow(depth: number): void {
		while (this.#open.length > depth + 1) {
			const node = this.#open.pop();
			if (node !== undefined) this.#hang(nodeHash(node));
		}
	}

	#sharedDigits(memoryKey: MemoryKey): number {
		for (let index = 0; index < KEY_DIGITS; index += 1) {
			const before = digitAt(this.#last, index);
			const after = digitAt(this.#next, index);
			if (before < after) return index;
			if (before > after) break;
		}
		throw new FatalError("internal", {
			message: `memory ${memoryKey} does not come after the one before it`,
			hint: "this is a defect of Recant; please report it with the log",
		});
	}
}

/** The roots of all layers, from memories whose keys rise within each layer. */
export class SortedRoots {
	readonly #layers: Readonly<Record<Layer, SortedRoot>> = {
		short_term: new SortedRoot(),
		long_term: new SortedRoot(),
		episodic: new SortedRoot(),
		semantic: new SortedRoot(),
	};
	readonly #last = new Map<Layer, MemoryKey>();

	/** A key that stands there already is passed over: damaged rows may show a memory twice. */
	add(layer: Layer, memoryKey: MemoryKey, contentHash: Hex): void {
		if (this.#last.get(layer) === memoryKey) return;
		this.#last.set(layer, memoryKey);
		this.#layers[layer].add(memoryKey, contentHash);
	}

	/** Nothing can be added after it. */
	finish(): StateRoots {
		return {
			short_term: this.#layers.short_term.finish(),
			long_term: this.#layers.long_term.finish(),
			episodic: this.#layers.episodic.finish(),
			semantic: this.#layers.semantic.finish(),
		};
	}
}
