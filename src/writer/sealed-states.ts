/**
 * The lease holder's state tree, with the sealed blocks of the window whose state is still in it.
 *
 * 1. A commit is tried on the tree before it is sent: `attempt`, then `keep` or `drop` when its outcome
 *    is known. There is one attempt at a time.
 * 2. What is kept is the state of the last commit that is known to have succeeded.
 * 3. A block's state is had at no cost while it is in the window: trees share what did not change.
 */
import { applyChanges, type LeafChange } from "../commitment/leaf-changes.ts";
import type { TreeMark } from "../commitment/persistent-tree.ts";
import type { StateRoots } from "../commitment/state-root.ts";
import type { StateTree } from "../commitment/state-tree.ts";
import { FatalError } from "../domain/errors.ts";
import type { Height } from "../domain/ids.ts";
import type { Checkpoint, CommitBatch, UnrootedBatch } from "./commit-batch.ts";

interface Attempt {
	readonly before: TreeMark;
	/** Sealed by the batch, ascending. */
	readonly sealed: ReadonlyMap<Height, TreeMark>;
	/** Blocks above it are left behind; undefined: none is. */
	readonly ancestor: Height | undefined;
}

export class SealedStates {
	readonly tree: StateTree;
	readonly #sealed = new Map<Height, TreeMark>();
	#attempt: Attempt | undefined;

	constructor(tree: StateTree) {
		this.tree = tree;
	}

	/** Of the state as it stands, with the pending slot and with what is being tried. */
	get roots(): StateRoots {
		return this.tree.roots();
	}

	/** State of a sealed block of the present branch; undefined: it has to be read from rows. */
	at(height: Height): TreeMark | undefined {
		return this.#sealed.get(height);
	}

	/** Applies the batch's steps, and gives it with its roots. */
	attempt(batch: UnrootedBatch): CommitBatch {
		return this.#tried(undefined, (sealed) => this.#rooted(batch, sealed));
	}

	/**
	 * Goes back to an ancestor by `changes`, which must give the roots that were sealed there, and applies
	 * the steps of the new branch. Throws `FatalError("verification_failed")` through `verify`.
	 */
	attemptFork(
		batch: UnrootedBatch,
		back: {
			readonly ancestor: Height;
			readonly changes: readonly LeafChange[];
			readonly verify: (roots: StateRoots) => void;
		},
	): CommitBatch {
		return this.#tried(back.ancestor, (sealed) => {
			applyChanges(this.tree, back.changes);
			back.verify(this.tree.roots());
			return this.#rooted(batch, sealed);
		});
	}

	/** What was tried was committed. */
	keep(): void {
		const attempt = this.#attempt;
		if (attempt === undefined) return;
		this.#attempt = undefined;
		this.tree.release(attempt.before);
		const { ancestor } = attempt;
		if (ancestor !== undefined) this.#forget((height) => height > ancestor);
		for (const [height, mark] of attempt.sealed) this.#sealed.set(height, mark);
	}

	/** What was tried was not committed. */
	drop(): void {
		const attempt = this.#attempt;
		if (attempt === undefined) return;
		this.#attempt = undefined;
		this.tree.restore(attempt.before);
		this.tree.release(attempt.before);
	}

	/** Blocks below `floor` have left the window. */
	trimBelow(floor: Height): void {
		this.#forget((height) => height < floor);
	}

	/** What throws leaves the tree as it was. */
	#tried(
		ancestor: Height | undefined,
		work: (sealed: Map<Height, TreeMark>) => CommitBatch,
	): CommitBatch {
		if (this.#attempt !== undefined) throw unsettled();
		const sealed = new Map<Height, TreeMark>();
		this.#attempt = { before: this.tree.mark(), sealed, ancestor };
		try {
			return work(sealed);
		} catch (error) {
			this.drop();
			throw error;
		}
	}

	#rooted({ steps, ...batch }: UnrootedBatch, marks: Map<Height, TreeMark>): CommitBatch {
		const checkpoints: Checkpoint[] = [];
		for (const { changes, sealed } of steps) {
			applyChanges(this.tree, changes);
			if (sealed === undefined) continue;
			checkpoints.push({ ...sealed, roots: this.tree.roots() });
			marks.set(sealed.height, this.tree.mark());
		}
		return { ...batch, roots: this.tree.roots(), checkpoints };
	}

	#forget(gone: (height: Height) => boolean): void {
		for (const [height, mark] of this.#sealed) {
			if (!gone(height)) continue;
			this.tree.release(mark);
			this.#sealed.delete(height);
		}
	}
}

function unsettled(): FatalError {
	return new FatalError("internal", {
		message: "a commit was tried while the outcome of another is open",
		hint: "this is a defect of Recant; please report it with the log",
	});
}
