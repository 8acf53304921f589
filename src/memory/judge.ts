/**
 * Effective slots: where agents' operations take effect after the chain went back to `ancestor` and
 * came to `newHead` on another branch.
 *
 * slot = max(min(original slot, newHead + 1), slot from which its ground holds, ancestor + 1),
 * then a running maximum over the operations in log order.
 *
 * 1. Slots never fall in the order in which they are asked for, so a patch never precedes its put.
 * 2. No slot is at or below the ancestor: those blocks are sealed.
 * 3. No slot is above newHead + 1, the pending slot.
 *
 * Whether a ground holds is ground.ts's; conditions and patches are patch.ts's.
 */
import { FatalError } from "../domain/errors.ts";
import type { Height } from "../domain/ids.ts";

export class Slots {
	readonly #newHead: Height;
	#floor: Height;

	/** Throws `FatalError("internal")` for a head below the ancestor. */
	constructor(range: { readonly ancestor: Height; readonly newHead: Height }) {
		if (range.newHead < range.ancestor) {
			throw contradiction(`the new head ${range.newHead} is below the ancestor ${range.ancestor}`);
		}
		this.#newHead = range.newHead;
		this.#floor = range.ancestor + 1n;
	}

	/** The pending slot of the new chain. */
	get pending(): Height {
		return this.#newHead + 1n;
	}

	/** The last slot that was given. */
	get floor(): Height {
		return this.#floor;
	}

	/**
	 * `groundSlot`: slot from which what the operation rests on holds, 0 for nothing. Throws
	 * `FatalError("internal")` for one above the pending slot.
	 */
	next(originalSlot: Height, groundSlot: Height): Height {
		if (groundSlot > this.pending) {
			throw contradiction(`a ground at ${groundSlot} is above the pending slot ${this.pending}`);
		}
		const own = originalSlot < this.pending ? originalSlot : this.pending;
		for (const bound of [own, groundSlot]) if (bound > this.#floor) this.#floor = bound;
		return this.#floor;
	}
}

function contradiction(message: string): FatalError {
	return new FatalError("internal", {
		message,
		hint: "this is a defect of Recant; please report it with the log",
	});
}
