/** How fast work goes, for the time that is left. */
export class Pace {
	readonly #beganMs = performance.now();
	#done = 0;

	went(count: number): void {
		this.#done += count;
	}

	/** Undefined in the first moments, when it says nothing. */
	perSecond(): number | undefined {
		const seconds = (performance.now() - this.#beganMs) / 1_000;
		return seconds < MIN_SECONDS ? undefined : Math.round(this.#done / seconds);
	}
}

const MIN_SECONDS = 0.25;
