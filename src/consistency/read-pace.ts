/** Keeps a check within its read budget, so that it never takes the stores away from their users. */
import { setTimeout as sleep } from "node:timers/promises";

/** Time that may be owed before it is waited for: shorter sleeps are mostly the timer's own error. */
const SLACK_MS = 20;

export class ReadPace {
	readonly #rowsPerSecond: number;
	readonly #signal: AbortSignal;
	/** When the rows taken so far are paid for, on the clock of `performance.now`. */
	#paidAtMs = performance.now();
	#rows = 0;

	constructor(rowsPerSecond: number, signal: AbortSignal) {
		this.#rowsPerSecond = rowsPerSecond;
		this.#signal = signal;
	}

	/** Rows read so far. */
	get rows(): number {
		return this.#rows;
	}

	/**
	 * Says that rows were read; resolves when the next may be. The rate holds over every stretch of time:
	 * what was not used earlier is not saved up. Rejects when the signal aborts.
	 */
	async took(rows: number): Promise<void> {
		this.#signal.throwIfAborted();
		this.#rows += rows;
		const now = performance.now();
		this.#paidAtMs = Math.max(this.#paidAtMs, now) + (rows * 1_000) / this.#rowsPerSecond;
		const owedMs = this.#paidAtMs - now;
		if (owedMs > SLACK_MS) await sleep(owedMs, undefined, { signal: this.#signal });
	}
}
