import { BulkheadRejectedError, bulkhead } from "cockatiel";
import type { RecantError } from "../domain/errors.ts";
import type { PoolHealth } from "../domain/store-health.ts";

export interface GateOptions {
	/** Most that run at once. */
	readonly running: number;
	/** Most that wait for their turn. */
	readonly waiting: number;
	readonly full: (limits: { readonly running: number; readonly waiting: number }) => RecantError;
}

/** Lets so many pieces of work through at once, so that one slow store cannot take every connection. */
export class Gate {
	readonly #options: GateOptions;
	readonly #bulkhead;

	constructor(options: GateOptions) {
		this.#options = options;
		this.#bulkhead = bulkhead(options.running, options.waiting);
	}

	/** Throws what `work` throws, or what `full` makes when too many wait. */
	async run<Result>(work: () => Promise<Result>): Promise<Result> {
		try {
			return await this.#bulkhead.execute(work);
		} catch (error) {
			if (error instanceof BulkheadRejectedError) throw this.#options.full(this.#options);
			throw error;
		}
	}

	health(): PoolHealth {
		const { running, waiting } = this.#options;
		return {
			size: running,
			busy: running - this.#bulkhead.executionSlots,
			waiting: waiting - this.#bulkhead.queueSlots,
		};
	}
}
