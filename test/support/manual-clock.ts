import type { Clock } from "../../src/domain/clock.ts";

/** Time that a test moves by hand: it stands while nobody does, and nobody who sleeps wakes before. */
export class ManualClock implements Clock {
	#nowMs: number;
	readonly #waiting: { readonly atMs: number; readonly work: () => void }[] = [];

	constructor(nowMs = 0) {
		this.#nowMs = nowMs;
	}

	now(): number {
		return this.#nowMs;
	}

	wallMs(): number {
		return this.#nowMs;
	}

	/** Runs what falls due, in order. */
	pass(ms: number): void {
		const untilMs = this.#nowMs + ms;
		for (;;) {
			this.#waiting.sort((one, other) => one.atMs - other.atMs);
			const [first] = this.#waiting;
			if (first === undefined || first.atMs > untilMs) break;
			this.#waiting.shift();
			this.#nowMs = Math.max(this.#nowMs, first.atMs);
			first.work();
		}
		this.#nowMs = untilMs;
	}

	sleep(ms: number, signal?: AbortSignal): Promise<void> {
		if (signal?.aborted === true) return Promise.resolve();
		return new Promise((resolve) => {
			const cancel = this.after(ms, resolve);
			signal?.addEventListener("abort", () => {
				cancel();
				resolve();
			});
		});
	}

	after(ms: number, work: () => void): () => void {
		const due = { atMs: this.#nowMs + ms, work };
		this.#waiting.push(due);
		return () => {
			const index = this.#waiting.indexOf(due);
			if (index >= 0) this.#waiting.splice(index, 1);
		};
	}

	every(ms: number, work: () => void): () => void {
		let cancel = (): void => undefined;
		const next = () => {
			cancel = this.after(ms, () => {
				next();
				work();
			});
		};
		next();
		return () => cancel();
	}

	random(): number {
		return 0.5;
	}
}
