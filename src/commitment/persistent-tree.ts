/**
 * Radix-4 trees over 16-byte keys, several side by side in one store of slots, that keep old states.
 *
 * `mark` freezes the present at no cost; changes after it copy the nodes on their path that the mark
 * sees, and change in place what was made since. So every mark keeps its own trees, `restore` goes
 * back to it, and `release` gives up what it alone saw.
 *
 * 1. Shape: a subtree without a key is empty, one with a single key is that key's leaf, any other is a
 *    node. Taking a key out collapses, so history never shows.
 * 2. A slot is *young* when it was born after the newest mark. Only young slots are changed in place,
 *    and everything above a young slot is young.
 * 3. The nodes above a stale node are stale: hashing descends into stale nodes only.
 * 4. Every slot in use is seen by the present, or stands in exactly one list of retired slots: that of
 *    the first mark (or of the present) that no longer sees it.
 */
import { FatalError } from "../domain/errors.ts";
import { digitAt, KEY_DIGITS, RADIX } from "./key-digits.ts";
import { RECORD_BYTES } from "./tree-hash.ts";
import { EMPTY, type Ref, TreeSlots } from "./tree-slots.ts";

/** A frozen state of one tree, good until it is released or a restore goes back behind it. */
export interface TreeMark {
	/** Later marks of a tree have higher epochs. */
	readonly epoch: number;
}

/** Of each tree its root and how many keys it has. */
export interface TreeState {
	readonly roots: readonly Ref[];
	readonly counts: readonly number[];
}

interface Frozen extends TreeMark, TreeState {
	/** What the mark before this one sees, and this one no longer. */
	retired: Ref[];
}

export class PersistentTree {
	readonly slots = new TreeSlots();
	/** Record (key, content hash) of the call in progress: callers write it, then call. */
	readonly record = new Uint8Array(RECORD_BYTES);
	readonly #words = new Uint32Array(this.record.buffer);
	/** Nodes on the way of the last `descend`, root first; `depth` of them. */
	readonly way = new Int32Array(KEY_DIGITS);
	#depth = 0;

	#roots: Ref[];
	#counts: number[];
	/** What the newest mark sees, and the present no longer. */
	#retired: Ref[] = [];
	/** Oldest first. */
	readonly #marks: Frozen[] = [];
	/** Birth of what is made now: above the epoch of every mark. */
	#epoch = 1;
	/** Epoch of the newest mark; 0: there is none. */
	#newest = 0;

	/** `trees` of them, all empty. */
	constructor(trees: number) {
		this.#roots = Array.from({ length: trees }, () => EMPTY);
		this.#counts = Array.from({ length: trees }, () => 0);
	}

	get depth(): number {
		return this.#depth;
	}

	/** The present, or a mark. */
	state(mark: TreeMark | undefined): TreeState {
		if (mark !== undefined) return this.#frozen(mark);
		return { roots: this.#roots, counts: this.#counts };
	}

	root(tree: number, mark: TreeMark | undefined): Ref {
		const roots = mark === undefined ? this.#roots : this.#frozen(mark).roots;
		return roots[tree] ?? EMPTY;
	}

	/** Freezes the present. */
	mark(): TreeMark {
		const frozen: Frozen = {
			epoch: this.#epoch,
			roots: [...this.#roots],
			counts: [...this.#counts],
			retired: this.#retired,
		};
		this.#marks.push(frozen);
		this.#retired = [];
		this.#newest = this.#epoch;
		this.#epoch += 1;
		return frozen;
	}

	/** Goes back to the mark, which stays; marks after it are dropped. */
	restore(mark: TreeMark): void {
		const frozen = this.#frozen(mark);
		const dropped = this.#marks.splice(this.#marks.indexOf(frozen) + 1);
		for (const root of this.#roots) this.#freeSeenAfter(frozen.epoch, root);
		for (const { retired } of dropped) this.#freeAfter(frozen.epoch, retired);
		this.#freeAfter(frozen.epoch, this.#retired);
		this.#roots = [...frozen.roots];
		this.#counts = [...frozen.counts];
		this.#retired = [];
		this.#newest = frozen.epoch;
	}

	/** Gives a mark up: what neither a mark beside it nor the present sees is free again. */
	release(mark: TreeMark): void {
		const frozen = this.#frozen(mark);
		const at = this.#marks.indexOf(frozen);
		const next = this.#marks[at + 1];
		const older = this.#marks[at - 1]?.epoch ?? 0;
		const seen = joined(this.#freeAfter(older, next?.retired ?? this.#retired), frozen.retired);
		if (next === undefined) this.#retired = seen;
		else next.retired = seen;
		this.#marks.splice(at, 1);
		this.#newest = this.#marks.at(-1)?.epoch ?? 0;
	}

	/** Puts `record` in. False: exactly that was there already, and nothing changed. */
	set(tree: number): boolean {
		const end = this.descend(this.#roots[tree] ?? EMPTY);
		if (this.#isOwn(end)) return this.#replace(tree, end);
		const leaf = this.slots.newLeaf(this.#words, this.#epoch);
		this.#link(tree, this.#depth, end === EMPTY ? leaf : this.#fork(leaf, end));
		this.#count(tree, 1);
		return true;
	}

	/** Takes out the leaf that `find` has just found in the present. */
	delete(tree: number, leaf: Ref): void {
		this.#unlink(tree);
		this.#retire(leaf);
		this.#count(tree, -1);
	}

	/** The leaf of the record's key, or EMPTY. */
	find(root: Ref): Ref {
		const end = this.descend(root);
		return this.#isOwn(end) ? end : EMPTY;
	}

	/** Follows the record's key from `root` to a leaf, perhaps another key's, or to EMPTY. */
	descend(root: Ref): Ref {
		let ref = root;
		let depth = 0;
		while (ref > 0) {
			this.way[depth] = ref;
			ref = this.slots.child(ref, digitAt(this.record, depth));
			depth += 1;
		}
		this.#depth = depth;
		return ref;
	}

	#frozen(mark: TreeMark): Frozen {
		const frozen = this.#marks.findLast((kept) => kept === mark);
		if (frozen === undefined) throw defect(`mark ${mark.epoch} is not one of this tree any more`);
		return frozen;
	}

	#isOwn(end: Ref): boolean {
		return end < 0 && this.slots.sameKey(end, this.#words);
	}

	#replace(tree: number, leaf: Ref): boolean {
		if (this.slots.sameContent(leaf, this.#words)) return false;
		if (this.#isYoung(leaf)) {
			this.slots.writeRecord(leaf, this.#words);
			this.#makeStale(this.#depth);
			return true;
		}
		this.#link(tree, this.#depth, this.slots.newLeaf(this.#words, this.#epoch));
		this.#retire(leaf);
		return true;
	}

	/** Nodes from where the way ends down to the digit in which two keys part. */
	#fork(leaf: Ref, other: Ref): Ref {
		const { records } = this.slots;
		const at = this.slots.recordOffset(other);
		let parting = this.#depth;
		while (digitAt(this.record, parting) === digitAt(records, parting, at)) parting += 1;
		let node = this.slots.newNode(this.#epoch);
		this.slots.setChild(node, digitAt(this.record, parting), leaf);
		this.slots.setChild(node, digitAt(records, parting, at), other);
		for (let depth = parting - 1; depth >= this.#depth; depth--) {
			const above = this.slots.newNode(this.#epoch);
			this.slots.setChild(above, digitAt(this.record, depth), node);
			node = above;
		}
		return node;
	}

	/** Hangs `ref` in at the record's key, `length` digits down the way; copies what is not young. */
	#link(tree: number, length: number, ref: Ref): void {
		let hung = ref;
		for (let depth = length - 1; depth >= 0; depth--) {
			const node = this.way[depth] ?? EMPTY;
			const young = this.#isYoung(node);
			const changed = young ? node : this.slots.copyNode(node, this.#epoch);
			this.slots.setChild(changed, digitAt(this.record, depth), hung);
			if (young) {
				this.#makeStale(depth + 1);
				return;
			}
			this.#retire(node);
			hung = changed;
		}
		this.#roots[tree] = hung;
	}

	/** Makes the first `length` nodes of the way stale, from below; they are young. */
	#makeStale(length: number): void {
		for (let depth = length - 1; depth >= 0; depth--) {
			if (!this.slots.makeStale(this.way[depth] ?? EMPTY)) return;
		}
	}

	/** Takes the end of the way out; nodes that keep a single leaf give their place to it. */
	#unlink(tree: number): void {
		let left: Ref = EMPTY;
		let length = this.#depth;
		while (length > 0) {
			const node = this.way[length - 1] ?? EMPTY;
			const lone = this.#loneLeaf(node, digitAt(this.record, length - 1), left);
			if (lone === EMPTY) break;
			this.#retire(node);
			left = lone;
			length -= 1;
		}
		this.#link(tree, length, left);
	}

	/** The only leaf of a node whose child `digit` is `replaced`; EMPTY: it keeps more than one key. */
	#loneLeaf(node: Ref, digit: number, replaced: Ref): Ref {
		let lone = replaced;
		for (let other = 0; other < RADIX; other++) {
			const child = other === digit ? EMPTY : this.slots.child(node, other);
			if (child === EMPTY) continue;
			if (child > 0 || lone !== EMPTY) return EMPTY;
			lone = child;
		}
		return lone;
	}

	#count(tree: number, by: number): void {
		this.#counts[tree] = (this.#counts[tree] ?? 0) + by;
	}

	#isYoung(ref: Ref): boolean {
		return this.slots.birth(ref) > this.#newest;
	}

	/** The present no longer sees it. */
	#retire(ref: Ref): void {
		if (this.#isYoung(ref)) this.slots.free(ref);
		else this.#retired.push(ref);
	}

	/** Frees those that were born after the epoch, and answers the others. */
	#freeAfter(epoch: number, retired: readonly Ref[]): Ref[] {
		const kept: Ref[] = [];
		for (const ref of retired) {
			if (this.slots.birth(ref) > epoch) this.slots.free(ref);
			else kept.push(ref);
		}
		return kept;
	}

	/** Frees what was born after the epoch, at and below `ref`: below an older slot all is older. */
	#freeSeenAfter(epoch: number, ref: Ref): void {
		if (ref === EMPTY || this.slots.birth(ref) <= epoch) return;
		if (ref > 0) {
			for (let digit = 0; digit < RADIX; digit++) {
				this.#freeSeenAfter(epoch, this.slots.child(ref, digit));
			}
		}
		this.slots.free(ref);
	}
}

/** The shorter list goes into the longer one. */
function joined(a: Ref[], b: Ref[]): Ref[] {
	const [longer, shorter] = a.length < b.length ? [b, a] : [a, b];
	for (const ref of shorter) longer.push(ref);
	return longer;
}

/** What only a caller's mistake brings about. */
export function defect(message: string): FatalError {
	return new FatalError("internal", {
		message: `state tree: ${message}`,
		hint: "this is a defect of Recant; please report it with the log",
	});
}
