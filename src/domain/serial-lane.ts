/** Runs asynchronous work one after the other, in the order in which it was handed in. */
export class SerialLane {
	#last: Promise<unknown> = Promise.resolve();

	/** Resolves or rejects with what `work` did; a failure does not stop what comes after. */
	run<Result>(work: () => Promise<Result>): Promise<Result> {
		const result = this.#last.then(work, work);
		this.#last = result.catch(() => undefined);
		return result;
	}

	/** Resolves when everything handed in so far has ended. */
	async idle(): Promise<void> {
		await this.#last;
	}
}
