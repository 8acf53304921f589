/**
 * Runs rounds one at a time: a poke during a round begins another after it, a failed round is tried
 * again after a wait that grows and is shortened by nothing but `now`. After a failure that trying again
 * cannot mend the loop stands, until `now` says that something was done about it.
 */

import { type Clock, systemClock } from "../domain/clock.ts";

/** Waits between rounds while they fail. */
const BACKOFF_MS = { first: 250, most: 5_000 };
/** Beyond this the doubled wait is above the most anyway. */
const MAX_DOUBLINGS = 8;

export interface RoundLoopOptions {
	readonly round: () => Promise<void>;
	/** `failures` in a row, this one included. False: no further round is wanted before `now`. */
	readonly onFailure: (error: unknown, failures: number) => boolean;
	readonly clock?: Clock | undefined;
}

export class RoundLoop {
	readonly #options: RoundLoopOptions;
	#running: Promise<void> | undefined;
	#again = false;
	#stopped = false;
	#standing = false;
	#failures = 0;
	#retryAt = 0;
	readonly #clock: Clock;
	#cancel: () => void = () => undefined;

	constructor(options: RoundLoopOptions) {
		this.#options = options;
		this.#clock = options.clock ?? systemClock;
	}

	get isStopped(): boolean {
		return this.#stopped;
	}

	/** There may be something to do. Nothing happens while a failed round waits for its next try, or stands. */
	poke(): void {
		if (this.#stopped || this.#standing || this.#clock.now() < this.#retryAt) return;
		this.#again = true;
		this.#running ??= this.#run().finally(() => {
			this.#running = undefined;
			if (this.#again) this.poke();
		});
	}

	/** There is something to do, whatever failed before. */
	now(): void {
		this.#standing = false;
		this.#retryAt = 0;
		this.poke();
	}

	/** Resolves when the round under way has ended; none begins after that. */
	async stop(): Promise<void> {
		this.#stopped = true;
		this.#cancel();
		await this.#running;
	}

	async #run(): Promise<void> {
		while (this.#again && !this.#stopped) {
			this.#again = false;
			try {
				await this.#options.round();
				this.#failures = 0;
			} catch (error) {
				this.#again = false;
				this.#failures += 1;
				if (this.#options.onFailure(error, this.#failures)) this.#wait();
				else this.#standing = true;
				return;
			}
		}
		if (this.#stopped) this.#again = false;
	}

	#wait(): void {
		const doublings = Math.min(this.#failures - 1, MAX_DOUBLINGS);
		const most = Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** doublings);
		// Up to half is left out by chance, so that chains on one node do not ask in step.
		const waitMs = most * (0.5 + this.#clock.random() / 2);
		this.#retryAt = this.#clock.now() + waitMs;
		this.#cancel();
		this.#cancel = this.#clock.after(waitMs, () => this.now());
	}
}
