/**
 * How much a provider takes at once: blocks of a log range, calls of a batch. Providers do not
 * publish it, for logs it depends on how dense they are, and it changes with a plan or a node behind
 * the URL; so it is learned from refusals, and from what they say where they say it.
 *
 * Invariants: 1 <= size <= maximum; a refusal makes the size smaller than what was refused, so
 * trying again ends after at most log2(maximum) refusals. No size is final: it grows again, slowly.
 */
import type { RangeHint } from "./range-hint.ts";

export class LearnedSize {
	readonly #maximum: number;
	#size: number;
	/** Largest size that worked and was not refused since; 0: none yet. */
	#proved = 0;
	/** What the provider named as its limit. */
	#named: number | undefined;
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
		const isAtLimit = this.#named !== undefined && this.#size >= this.#named;
		if (this.#streak < (isAtLimit ? GROW_PAST_LIMIT_AFTER : GROW_AFTER)) return;
		this.#streak = 0;
		this.#grow(isAtLimit);
	}

	/** Notes that `used` was refused, with what was said. False when it was 1, which nothing can be smaller than. */
	refused(used: number, hint?: RangeHint): boolean {
		if (used <= 1) return false;
		if (this.#proved >= used) this.#proved = 0;
		const next =
			hint === undefined || hint.blocks >= used
				? Math.max(Math.floor(used / 2), this.#proved)
				: hint.blocks;
		if (hint?.type === "limit") this.#named = hint.blocks;
		// Requests that were under way together are refused together: only the first one counts.
		this.#size = Math.min(this.#size, next);
		this.#streak = 0;
		return true;
	}

	#grow(isPastLimit: boolean): void {
		const grown = Math.min(this.#maximum, Math.ceil(this.#size * GROWTH));
		// Once a named limit was outlived it is forgotten; a refusal will name it again.
		if (isPastLimit) this.#named = undefined;
		this.#size = this.#named === undefined ? grown : Math.min(grown, this.#named);
	}
}

/** One request in 17 at most is spent on finding out whether more is taken now. */
const GROW_AFTER = 16;
/** One in 257 where the provider said what it takes. */
const GROW_PAST_LIMIT_AFTER = 256;
const GROWTH = 1.25;
