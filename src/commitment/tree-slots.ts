/**
 * The nodes and leaves of state trees in flat arrays: 53 bytes a node and 52 a leaf, so that a million
 * memories take about 90 MB and the garbage collector sees a dozen objects.
 *
 * A reference is one number: 0 is no key, a positive one a node, a negative one a leaf. Every slot
 * carries its birth, the epoch in which it was taken; a slot that was given back carries the next free
 * one there.
 */
import { HASH_BYTES, KEY_BYTES, RADIX } from "./key-digits.ts";
import {
	emptyIntoNode,
	HASH_WORDS,
	hashIntoNode,
	leafIntoNode,
	RECORD_BYTES,
	RECORD_WORDS,
	writeNodeHash,
} from "./tree-hash.ts";

/** Number of a node (positive), of a leaf (negative), or EMPTY. */
export type Ref = number;

/** No key. */
export const EMPTY: Ref = 0;

const FIRST_SLOTS = 64;
const KEY_WORDS = KEY_BYTES / Uint32Array.BYTES_PER_ELEMENT;

export class TreeSlots {
	#children = new Int32Array(FIRST_SLOTS * RADIX);
	#hashes = Buffer.alloc(FIRST_SLOTS * HASH_BYTES);
	#hashWords = wordsOf(this.#hashes);
	/** 1: the hash is not that of the children yet; then the same holds of every node above. */
	#stale = new Uint8Array(FIRST_SLOTS);
	#nodeBirths = new Int32Array(FIRST_SLOTS);
	/** Slot 0 is never used: its reference means no key. */
	#nodesEnd = 1;
	#freeNode = 0;
	#nodes = 0;

	#records = Buffer.alloc(FIRST_SLOTS * RECORD_BYTES);
	#recordWords = wordsOf(this.#records);
	#leafBirths = new Int32Array(FIRST_SLOTS);
	#leavesEnd = 1;
	#freeLeaf = 0;
	#leaves = 0;

	/** Slots in use. */
	get used(): { readonly nodes: number; readonly leaves: number } {
		return { nodes: this.#nodes, leaves: this.#leaves };
	}

	/**
	 * Makes room for `leaves` more, and the nodes over them, at once instead of by doubling. By a quarter
	 * at least: whoever adds page by page would copy everything at each (6 s for 400 pages of a million).
	 */
	reserve(leaves: number): void {
		this.#growLeaves(grown(this.#leafBirths.length, this.#leavesEnd + leaves));
		// A tree of n random keys has n / ln 4 = 0.72 n nodes.
		this.#growNodes(grown(this.#stale.length, this.#nodesEnd + Math.ceil(leaves * 0.75)));
	}

	/** A node without children. */
	newNode(birth: number): Ref {
		const node = this.#takeNode(birth);
		this.#children.fill(EMPTY, node * RADIX, (node + 1) * RADIX);
		return node;
	}

	/** A node with the children of another. */
	copyNode(from: Ref, birth: number): Ref {
		const node = this.#takeNode(birth);
		this.#children.copyWithin(node * RADIX, from * RADIX, (from + 1) * RADIX);
		return node;
	}

	/** A leaf with the record (key, content hash) that begins at word 0 of `record`. */
	newLeaf(record: Uint32Array, birth: number): Ref {
		const leaf = this.#takeLeaf(birth);
		this.writeRecord(-leaf, record);
		return -leaf;
	}

	/** The caller names nothing that is still referred to. */
	free(ref: Ref): void {
		if (ref > 0) {
			this.#nodeBirths[ref] = this.#freeNode;
			this.#freeNode = ref;
			this.#nodes -= 1;
		} else {
			this.#leafBirths[-ref] = this.#freeLeaf;
			this.#freeLeaf = -ref;
			this.#leaves -= 1;
		}
	}

	birth(ref: Ref): number {
		return (ref > 0 ? this.#nodeBirths[ref] : this.#leafBirths[-ref]) ?? 0;
	}

	child(node: Ref, digit: number): Ref {
		return this.#children[node * RADIX + digit] ?? EMPTY;
	}

	/** The node's hash, and those above it, have to be made stale by the caller. */
	setChild(node: Ref, digit: number, child: Ref): void {
		this.#children[node * RADIX + digit] = child;
	}

	/** False: it was stale already, and so is everything above it. */
	makeStale(node: Ref): boolean {
		if (this.#stale[node] === 1) return false;
		this.#stale[node] = 1;
		return true;
	}

	/** Bytes of all leaves' records; the leaf's begin at `recordOffset`. Invalid after a new leaf. */
	get records(): Uint8Array {
		return this.#records;
	}

	recordOffset(leaf: Ref): number {
		return -leaf * RECORD_BYTES;
	}

	/** Words of all leaves' records; the leaf's begin at `recordWord`. Invalid after a new leaf. */
	get recordWords(): Uint32Array {
		return this.#recordWords;
	}

	recordWord(leaf: Ref): number {
		return -leaf * RECORD_WORDS;
	}

	writeRecord(leaf: Ref, record: Uint32Array): void {
		const to = this.recordWord(leaf);
		for (let word = 0; word < RECORD_WORDS; word++) {
			this.#recordWords[to + word] = record[word] ?? 0;
		}
	}

	sameKey(leaf: Ref, record: Uint32Array): boolean {
		return this.#sameWords(leaf, record, 0, KEY_WORDS);
	}

	sameContent(leaf: Ref, record: Uint32Array): boolean {
		return this.#sameWords(leaf, record, KEY_WORDS, RECORD_WORDS);
	}

	#sameWords(leaf: Ref, record: Uint32Array, from: number, to: number): boolean {
		const at = this.recordWord(leaf);
		for (let word = from; word < to; word++) {
			if (this.#recordWords[at + word] !== record[word]) return false;
		}
		return true;
	}

	/** Where the node's hash begins in `hashes`, after everything stale at and below it is hashed. */
	freshHash(node: Ref): number {
		this.#freshen(node);
		return node * HASH_BYTES;
	}

	/** Bytes of all nodes' hashes. Invalid after a new node. */
	get hashes(): Uint8Array {
		return this.#hashes;
	}

	/** At most 64 deep. A node that is not stale has nothing stale below it. */
	#freshen(node: Ref): void {
		if (this.#stale[node] === 0) return;
		for (let digit = 0; digit < RADIX; digit++) {
			const child = this.child(node, digit);
			if (child > 0) this.#freshen(child);
		}
		for (let digit = 0; digit < RADIX; digit++) {
			const child = this.child(node, digit);
			if (child > 0) hashIntoNode(digit, this.#hashWords, child * HASH_WORDS);
			else if (child < 0) leafIntoNode(digit, this.#recordWords, this.recordWord(child));
			else emptyIntoNode(digit);
		}
		writeNodeHash(this.#hashes, node * HASH_BYTES);
		this.#stale[node] = 0;
	}

	#takeNode(birth: number): Ref {
		let node = this.#freeNode;
		if (node === 0) {
			node = this.#nodesEnd++;
			if (node >= this.#stale.length) this.#growNodes(2 * this.#stale.length);
		} else {
			this.#freeNode = this.#nodeBirths[node] ?? 0;
		}
		this.#nodeBirths[node] = birth;
		this.#stale[node] = 1;
		this.#nodes += 1;
		return node;
	}

	#takeLeaf(birth: number): number {
		let leaf = this.#freeLeaf;
		if (leaf === 0) {
			leaf = this.#leavesEnd++;
			if (leaf >= this.#leafBirths.length) this.#growLeaves(2 * this.#leafBirths.length);
		} else {
			this.#freeLeaf = this.#leafBirths[leaf] ?? 0;
		}
		this.#leafBirths[leaf] = birth;
		this.#leaves += 1;
		return leaf;
	}

	#growNodes(slots: number): void {
		if (slots <= this.#stale.length) return;
		this.#children = copied(this.#children, new Int32Array(slots * RADIX));
		this.#hashes = copied(this.#hashes, Buffer.alloc(slots * HASH_BYTES));
		this.#hashWords = wordsOf(this.#hashes);
		this.#stale = copied(this.#stale, new Uint8Array(slots));
		this.#nodeBirths = copied(this.#nodeBirths, new Int32Array(slots));
	}

	#growLeaves(slots: number): void {
		if (slots <= this.#leafBirths.length) return;
		this.#records = copied(this.#records, Buffer.alloc(slots * RECORD_BYTES));
		this.#recordWords = wordsOf(this.#records);
		this.#leafBirths = copied(this.#leafBirths, new Int32Array(slots));
	}
}

function grown(slots: number, wanted: number): number {
	return wanted <= slots ? slots : Math.max(wanted, Math.ceil(slots * 1.25));
}

function wordsOf(bytes: Buffer<ArrayBuffer>): Uint32Array<ArrayBuffer> {
	const words = bytes.length / Uint32Array.BYTES_PER_ELEMENT;
	return new Uint32Array(bytes.buffer, bytes.byteOffset, words);
}

function copied<T extends { set(from: T): void }>(from: T, to: T): T {
	to.set(from);
	return to;
}
