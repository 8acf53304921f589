/** What the demo started, and how each ends: last first, also when it is interrupted midway. */
import { ToolError } from "../support/tool-error.ts";

export class Cleanup {
	readonly #ends: (() => Promise<void>)[] = [];
	readonly #starting = new Set<Promise<unknown>>();
	#running: Promise<void> | undefined;

	/** Throws ToolError `demo_interrupted` once the end has begun. */
	async start<Started>(
		begin: () => Promise<Started>,
		end: (started: Started) => void | Promise<void>,
	): Promise<Started> {
		if (this.#running !== undefined) throw interrupted();
		const starting = begin();
		this.#starting.add(starting);
		try {
			const started = await starting;
			this.#ends.push(async () => end(started));
			return started;
		} finally {
			this.#starting.delete(starting);
		}
	}

	/**
	 * Waits for what is just starting, then ends everything. Goes on when one fails and throws the
	 * first failure at the end; a second call waits for the same end.
	 */
	run(): Promise<void> {
		this.#running ??= this.#run();
		return this.#running;
	}

	async #run(): Promise<void> {
		await Promise.allSettled(this.#starting);
		const failures: unknown[] = [];
		for (let end = this.#ends.pop(); end !== undefined; end = this.#ends.pop()) {
			await end().catch((error: unknown) => failures.push(error));
		}
		if (failures.length > 0) throw failures[0];
	}
}

function interrupted(): ToolError {
	return new ToolError("demo_interrupted", {
		message: "the demo is ending, so nothing more is started",
		hint: "run it again",
	});
}
