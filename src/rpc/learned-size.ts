/**
 * How much a provider takes at once: blocks of a log range, calls of a batch. Providers do not
 * publish it, and for logs it depends on how dense they are, so it is learned from refusals.
 *
 * Invariants: 1 <= size <= maximum; a refusal makes the size smaller than what was refused, so
 * trying again ends after at most log2(maximum) refusals.
 */
export class LearnedSize {
	readonly #maximum: number;
	#size: number;
	/** Largest size that worked and was not refused since; 0: none yet. */
	#proved = 0;
	#streak = 0;

	constructor(maximum: number) {
		this.#maximum = maximum;
		this.#size = maximum;
	}

	get size(): number {
		return this.#size;
	}

	/** Notes that `used` worked. Uses below the present size say nothing about growing. */
	worked(used: number): void {
		if (used < this.#size) return;
		this.#proved = Math.max(this.#proved, used);
		this.#streak += 1;
		if (this.#streak < GROW_AFTER) return;
		this.#streak = 0;
		this.#size = Math.min(this.#maximum, Math.ceil(this.#size * GROWTH));
	}

	/** Notes that `used` was refused. False when it was 1, which nothing can be smaller than. */
	refused(used: number): boolean {
		if (used <= 1) return false;
		if (this.#proved >= used) this.#proved = 0;
		const next = Math.max(Math.floor(used / 2), this.#proved);
		// Requests that were under way together are refused together: only the first one counts.
		this.#size = Math.min(this.#size, next);
		this.#streak = 0;
		return true;
	}
}

/** One request in 17 at most is spent on finding out whether more is taken now. */
const GROW_AFTER = 16;
const GROWTH = 1.25;
