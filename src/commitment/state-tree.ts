/**
 * The state tree: for each layer a radix-4 tree over the keys of its visible memories, whose root is a
 * function of the set of (key, content hash) alone. docs/STATE-TREE.md defines it byte by byte.
 *
 * It holds the present, and every state that was marked, each with roots, leaves and paths of its own.
 * A state that is not marked is gone with the next change.
 *
 * Costs: a change takes O(depth), about log4 of the memories; roots O(changes × depth) hashes; `mark`
 * O(1); `restore` O(what changed since the mark); `release` O(what changed between its neighbours).
 * Memory: 91 bytes a memory, and at a million memories about 450 a change for as long as a mark sees
 * what was replaced.
 */
import { FatalError } from "../domain/errors.ts";
import type { Hex, MemoryKey } from "../domain/ids.ts";
import { LAYERS, type Layer } from "../domain/layer.ts";
import type { Version } from "../domain/memory.ts";
import {
	digitAt,
	KEY_BYTES,
	KEY_DIGITS,
	RADIX,
	readHash,
	readKey,
	writeHash,
	writeKey,
} from "./key-digits.ts";
import { defect, PersistentTree, type TreeMark } from "./persistent-tree.ts";
import type { StateRoots } from "./state-root.ts";
import { RECORD_BYTES, recordHash, ZERO_HASH } from "./tree-hash.ts";
import { EMPTY, type Ref } from "./tree-slots.ts";

/**
 * What is committed of a visible memory. `contentHash` binds the memory's namespace and id; who
 * verifies computes it from the body, and does not take it from the row. Tombstones are not committed.
 */
export type CommittedMemory = Pick<Version, "memoryKey" | "layer" | "contentHash">;

/** A leaf as it stands in the tree. */
export interface TreeLeaf {
	readonly type: "leaf";
	readonly memoryKey: MemoryKey;
	readonly contentHash: Hex;
}

/** The way from a layer's root to where a key is, or would be. */
export interface TreePath {
	/** Root first: hashes of the three children that are not on the way, in the order of their digits. */
	readonly siblings: readonly (readonly [Hex, Hex, Hex])[];
	/** What stands at the end: the key's own leaf, the leaf of another key, or nothing. */
	readonly terminal: TreeLeaf | { readonly type: "empty" };
}

/** What stands at a child of a node. */
export type TreeChild =
	| { readonly type: "empty" }
	| TreeLeaf
	| { readonly type: "node"; readonly hash: Hex };

/** What stands at a path: everything that a replica needs to compare this far down. */
export type TreeNode =
	| { readonly type: "empty" }
	| TreeLeaf
	| { readonly type: "node"; readonly hash: Hex; readonly children: readonly TreeChild[] };

/** Digits `0` to `3` from the root on, at most 64; the root's own path is empty. */
export type DigitPath = string;

const LAYER_INDEX: Readonly<Record<Layer, number>> = {
	short_term: 0,
	long_term: 1,
	episodic: 2,
	semantic: 3,
};

/** Records of `addPacked` that are put into order at a time: 8 MB of numbers. */
const SORTED_RECORDS = 2 ** 20;

export class StateTree {
	readonly #tree = new PersistentTree(LAYERS.length);

	/** A tree of these memories, in any order. */
	static build(memories: Iterable<CommittedMemory>): StateTree {
		const tree = new StateTree();
		for (const memory of memories) tree.set(memory);
		return tree;
	}

	/**
	 * Sets many memories of one layer from records of 48 bytes, key then content hash, in any order: a
	 * million at once in about a second. Throws `FatalError("internal")` when the last record is cut off.
	 */
	addPacked(layer: Layer, records: Uint8Array): void {
		if (records.length % RECORD_BYTES !== 0) {
			throw defect(`${records.length} bytes are not whole records of ${RECORD_BYTES}`);
		}
		const count = records.length / RECORD_BYTES;
		this.#tree.slots.reserve(count);
		for (let from = 0; from < count; from += SORTED_RECORDS) {
			const to = Math.min(from + SORTED_RECORDS, count);
			for (const record of inKeyOrder(records, from, to)) this.#setPacked(layer, records, record);
		}
	}

	/**
	 * Makes the memory visible, in place of what its key held. False: it was there already, and nothing
	 * changed. Throws `FatalError("verification_failed")` when key or hash is malformed.
	 */
	set(memory: CommittedMemory): boolean {
		writeKey(memory.memoryKey, this.#tree.record);
		writeHash(memory.contentHash, this.#tree.record, KEY_BYTES);
		return this.#tree.set(LAYER_INDEX[memory.layer]);
	}

	/**
	 * Takes the memory out. Throws `FatalError("internal")` when the layer does not hold it, or holds it
	 * with another content hash than the given one: then the tree and the rows have parted.
	 */
	delete(layer: Layer, memoryKey: MemoryKey, contentHash?: Hex): void {
		const leaf = this.#find(layer, memoryKey, undefined);
		if (leaf === EMPTY) throw defect(`${layer} holds no memory ${memoryKey}`);
		const held = this.#leafAt(leaf).contentHash;
		if (contentHash !== undefined && held !== contentHash) {
			throw defect(`${layer} holds ${memoryKey} as ${held}, and not as ${contentHash}`);
		}
		this.#tree.delete(LAYER_INDEX[layer], leaf);
	}

	/** The roots of the present, or of a mark. Hashes what has changed since they were asked for. */
	roots(mark?: TreeMark): StateRoots {
		const rootOf = (layer: Layer): Hex => this.#hash(this.#root(layer, mark));
		return {
			short_term: rootOf("short_term"),
			long_term: rootOf("long_term"),
			episodic: rootOf("episodic"),
			semantic: rootOf("semantic"),
		};
	}

	/** Memories of each layer, at present or at a mark. */
	counts(mark?: TreeMark): Readonly<Record<Layer, number>> {
		const { counts } = this.#tree.state(mark);
		const countOf = (layer: Layer): number => counts[LAYER_INDEX[layer]] ?? 0;
		return {
			short_term: countOf("short_term"),
			long_term: countOf("long_term"),
			episodic: countOf("episodic"),
			semantic: countOf("semantic"),
		};
	}

	/** Slots in use, for the present and every mark together. */
	get used(): { readonly nodes: number; readonly leaves: number } {
		return this.#tree.slots.used;
	}

	/**
	 * Freezes the present at no cost. Who takes a mark releases it, or restores one before it; a mark
	 * that is used after that throws `FatalError("internal")`.
	 */
	mark(): TreeMark {
		return this.#tree.mark();
	}

	/** Goes back to the mark, which stays; marks after it are dropped. */
	restore(mark: TreeMark): void {
		this.#tree.restore(mark);
	}

	/** Gives a mark up, the oldest or any other; the present and the other marks stay as they are. */
	release(mark: TreeMark): void {
		this.#tree.release(mark);
	}

	/** Content hash of the visible memory, at present or at a mark; undefined: none. */
	contentHash(layer: Layer, memoryKey: MemoryKey, mark?: TreeMark): Hex | undefined {
		const leaf = this.#find(layer, memoryKey, mark);
		return leaf === EMPTY ? undefined : this.#leafAt(leaf).contentHash;
	}

	/** Leaf hash of the visible memory, at present or at a mark; undefined: none. */
	leaf(layer: Layer, memoryKey: MemoryKey, mark?: TreeMark): Hex | undefined {
		const leaf = this.#find(layer, memoryKey, mark);
		return leaf === EMPTY ? undefined : this.#hash(leaf);
	}

	/** Whether exactly this is visible, at present or at a mark. */
	has(memory: CommittedMemory, mark?: TreeMark): boolean {
		return this.contentHash(memory.layer, memory.memoryKey, mark) === memory.contentHash;
	}

	/** What proves that the key is in the layer, or is not, at present or at a mark. */
	path(layer: Layer, memoryKey: MemoryKey, mark?: TreeMark): TreePath {
		writeKey(memoryKey, this.#tree.record);
		const end = this.#tree.descend(this.#root(layer, mark));
		const { way, depth, record } = this.#tree;
		const siblings = Array.from(way.subarray(0, depth), (node, at) =>
			this.#siblings(node, digitAt(record, at)),
		);
		return { siblings, terminal: end === EMPTY ? { type: "empty" } : this.#leafAt(end) };
	}

	/**
	 * What the keys that begin with these digits come to, at present or at a mark. Throws
	 * `FatalError("invalid_request")` for what is no path.
	 */
	node(layer: Layer, path: DigitPath, mark?: TreeMark): TreeNode {
		const ref = this.#at(this.#root(layer, mark), path);
		if (ref === EMPTY) return { type: "empty" };
		if (ref < 0) return this.#leafAt(ref);
		const children = Array.from({ length: RADIX }, (_, digit) => this.#childAt(ref, digit));
		return { type: "node", hash: this.#hash(ref), children };
	}

	/**
	 * The memories whose keys begin with these digits, in the order of their keys. A mark can be read
	 * for as long as it is kept; reading the present ends with the next change of the tree.
	 */
	*memories(layer: Layer, path: DigitPath = "", mark?: TreeMark): Generator<CommittedMemory> {
		for (const leaf of this.#leavesBelow(this.#at(this.#root(layer, mark), path))) {
			const { memoryKey, contentHash } = this.#leafAt(leaf);
			yield { layer, memoryKey, contentHash };
		}
	}

	#setPacked(layer: Layer, records: Uint8Array, index: number): void {
		const { record } = this.#tree;
		const at = index * RECORD_BYTES;
		for (let byte = 0; byte < RECORD_BYTES; byte++) record[byte] = records[at + byte] ?? 0;
		this.#tree.set(LAYER_INDEX[layer]);
	}

	#root(layer: Layer, mark: TreeMark | undefined): Ref {
		return this.#tree.root(LAYER_INDEX[layer], mark);
	}

	#find(layer: Layer, memoryKey: MemoryKey, mark: TreeMark | undefined): Ref {
		writeKey(memoryKey, this.#tree.record);
		return this.#tree.find(this.#root(layer, mark));
	}

	#hash(ref: Ref): Hex {
		const { slots } = this.#tree;
		if (ref === EMPTY) return ZERO_HASH;
		if (ref < 0) return recordHash(slots.recordWords, slots.recordWord(ref));
		const offset = slots.freshHash(ref);
		return readHash(slots.hashes, offset);
	}

	#leafAt(leaf: Ref): TreeLeaf {
		const { slots } = this.#tree;
		const at = slots.recordOffset(leaf);
		return {
			type: "leaf",
			memoryKey: readKey(slots.records, at),
			contentHash: readHash(slots.records, at + KEY_BYTES),
		};
	}

	#childAt(node: Ref, digit: number): TreeChild {
		const child = this.#tree.slots.child(node, digit);
		if (child === EMPTY) return { type: "empty" };
		return child < 0 ? this.#leafAt(child) : { type: "node", hash: this.#hash(child) };
	}

	#siblings(node: Ref, digit: number): readonly [Hex, Hex, Hex] {
		const other = (nth: number): Hex =>
			this.#hash(this.#tree.slots.child(node, nth < digit ? nth : nth + 1));
		return [other(0), other(1), other(2)];
	}

	/** What stands below `root` at these digits; a leaf above stands there too if its key does. */
	#at(root: Ref, path: DigitPath): Ref {
		if (path.length > KEY_DIGITS || !/^[0-3]*$/.test(path)) throw noPath(path);
		let ref = root;
		for (let depth = 0; depth < path.length; depth++) {
			const digit = Number(path[depth]);
			if (ref > 0) ref = this.#tree.slots.child(ref, digit);
			else if (ref < 0 && this.#digitOf(ref, depth) !== digit) return EMPTY;
		}
		return ref;
	}

	#digitOf(leaf: Ref, depth: number): number {
		const { slots } = this.#tree;
		return digitAt(slots.records, depth, slots.recordOffset(leaf));
	}

	*#leavesBelow(ref: Ref): Generator<Ref> {
		if (ref < 0) yield ref;
		if (ref <= 0) return;
		for (let digit = 0; digit < RADIX; digit++) {
			yield* this.#leavesBelow(this.#tree.slots.child(ref, digit));
		}
	}
}

/**
 * Indexes of records `from` (inclusive) to `to` (exclusive) by the first 32 bits of their keys; of two
 * records with one key the later stays the later. What is set in this order lies side by side in
 * memory: at a million a fifth less time for building (1.3 s), and a tenth less for every later root.
 */
function inKeyOrder(records: Uint8Array, from: number, to: number): Float64Array {
	const view = new DataView(records.buffer, records.byteOffset);
	const order = new Float64Array(to - from);
	// 32 bits of key over 20 bits of index: whole numbers below 2^53 are exact.
	for (let index = 0; index < order.length; index++) {
		order[index] = view.getUint32((from + index) * RECORD_BYTES) * SORTED_RECORDS + index;
	}
	return order.sort().map((numbered) => from + (numbered % SORTED_RECORDS));
}

function noPath(path: string): FatalError {
	return new FatalError("invalid_request", {
		message: `${JSON.stringify(path)} is not a path of at most ${KEY_DIGITS} digits 0 to 3`,
		hint: "name the digits of a memory key from the root on",
	});
}
