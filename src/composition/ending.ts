/** What has to be ended, last first. */
export class Ending {
	readonly #steps: (() => Promise<void>)[] = [];

	add(step: () => Promise<void>): void {
		this.#steps.push(step);
	}

	/** Goes on when a step fails, and throws the first failure at the end. */
	async run(): Promise<void> {
		const failures: unknown[] = [];
		for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
			await step().catch((error: unknown) => failures.push(error));
		}
		if (failures.length > 0) throw failures[0];
	}
}
