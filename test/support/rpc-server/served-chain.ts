/** The chain as most of its nodes see it at a moment: a branch of the tree, up to a height. */
import type { BlockTree, Branch } from "./block-tree.ts";

export interface Shown {
	readonly branch: Branch;
	/** Highest block. */
	readonly head: number;
}

export class ServedChain implements Shown {
	readonly tree: BlockTree;
	#shown: Shown;
	readonly #listeners = new Set<() => void>();

	constructor(tree: BlockTree, head = 0) {
		this.tree = tree;
		this.#shown = { branch: tree.trunk, head };
		tree.trunk.hashAt(head);
	}

	get branch(): Branch {
		return this.#shown.branch;
	}

	get head(): number {
		return this.#shown.head;
	}

	get headHash() {
		return this.branch.hashAt(this.head);
	}

	/** As it is now, whatever becomes of it. */
	get now(): Shown {
		return this.#shown;
	}

	mine(blocks = 1): void {
		this.show({ branch: this.branch, head: this.head + blocks });
	}

	/** Takes back the last `depth` blocks and mines `blocks` others in their place. Answers what was before. */
	fork(depth: number, blocks: number): Shown {
		const before = this.#shown;
		const ancestor = this.head - depth;
		this.show({ branch: this.tree.fork(this.branch, ancestor), head: ancestor + blocks });
		return before;
	}

	/** A branch beside this one, which nobody follows yet, with transactions of its own. */
	beside(depth: number, blocks: number): Shown {
		const ancestor = this.head - depth;
		const branch = this.tree.fork(this.branch, ancestor, false);
		branch.hashAt(ancestor + blocks);
		return { branch, head: ancestor + blocks };
	}

	/** Takes blocks back without others. */
	shrink(depth: number): void {
		this.show({ branch: this.branch, head: this.head - depth });
	}

	show(shown: Shown): void {
		shown.branch.hashAt(shown.head);
		this.#shown = { branch: shown.branch, head: shown.head };
		for (const listener of this.#listeners) listener();
	}

	/** Called after each change; answers the end of it. */
	onChange(listener: () => void): () => void {
		this.#listeners.add(listener);
		return () => void this.#listeners.delete(listener);
	}
}
