/**
 * Stands before one store: a breaker that stops asking a store which does not answer, one more try for
 * reads, and what is known of the store's health.
 *
 * 1. Only errors for which `isAway` holds count against the store. Everything else, a refusal of the
 *    store's own too, is an answer, and an answer closes the breaker.
 * 2. What an open breaker refuses was never sent: its outcome is certain.
 * 3. `run` asks once. `read` asks again after a failure, so it is for work without effects, and for
 *    work that no loop above it repeats: one request is repeated in one place only.
 */
import {
	BrokenCircuitError,
	CircuitState,
	ConsecutiveBreaker,
	circuitBreaker,
	ExponentialBackoff,
	halfJitterGenerator,
	handleWhen,
	retry,
} from "cockatiel";
import type { RecantError } from "../domain/errors.ts";
import type { BreakerState, PoolHealth, StoreHealth } from "../domain/store-health.ts";

/**
 * Failures in a row that open the breaker. One store's stop fails everything that was under way on it
 * at once, so this is no measure of time; it lets single accidents pass.
 */
const BREAK_AFTER = 5;
/** Until an open breaker tries again: at first, and at most. So late is a recovery seen at worst. */
const TRY_AGAIN_MS = { first: 100, most: 1_000 };
/** Further tries of a read, and the waits before them: a restart of a pooler or a broken connection. */
const READ_RETRIES = 2;
const READ_RETRY_MS = { first: 25, most: 250 };

export interface GuardLog {
	info(fields: Record<string, unknown>, message: string): void;
	warn(fields: Record<string, unknown>, message: string): void;
}

export interface StoreGuardOptions {
	readonly name: string;
	/** Whether an error says that the store did not answer. */
	readonly isAway: (error: unknown) => boolean;
	/** What a caller gets while the breaker is open; `lastError` is why it is. */
	readonly refusal: (lastError: string) => RecantError;
	readonly pool?: () => PoolHealth;
	readonly log?: GuardLog | undefined;
}

/** What a work came to, as the breaker shall see it: an error of the caller's own is an answer too. */
type Answer<Result> = { readonly value: Result } | { readonly error: unknown };

export class StoreGuard {
	readonly #options: StoreGuardOptions;
	readonly #breaker;
	readonly #retry;
	#failures = 0;
	#retries = 0;
	#lastError: string | undefined;
	#state: StoreHealth["state"] = "up";
	#since = new Date();

	constructor(options: StoreGuardOptions) {
		this.#options = options;
		const away = handleWhen(options.isAway);
		// Both backoffs are jittered: what failed together does not come back together.
		this.#breaker = circuitBreaker(away, {
			breaker: new ConsecutiveBreaker(BREAK_AFTER),
			halfOpenAfter: new ExponentialBackoff(delays(TRY_AGAIN_MS)),
		});
		this.#retry = retry(away, {
			maxAttempts: READ_RETRIES,
			backoff: new ExponentialBackoff(delays(READ_RETRY_MS)),
		});
		this.#breaker.onStateChange(() => this.#look());
		this.#retry.onRetry(() => {
			this.#retries += 1;
		});
	}

	/** False from the first failure until the next answer. */
	get isUp(): boolean {
		return this.#state === "up";
	}

	/** Asks once. Throws what `work` throws, or the refusal. */
	async run<Result>(work: () => Promise<Result>): Promise<Result> {
		try {
			const answer = await this.#breaker.execute(() => this.#noted(work));
			if ("error" in answer) throw answer.error;
			return answer.value;
		} catch (error) {
			if (!(error instanceof BrokenCircuitError)) throw error;
			throw this.#options.refusal(this.#lastError ?? "it does not answer");
		}
	}

	/** Asks up to three times while the store does not answer; not when the breaker refuses. */
	read<Result>(work: () => Promise<Result>): Promise<Result> {
		return this.#retry.execute(() => this.run(work));
	}

	/** The store was seen to go away, outside of any request. */
	lost(error: unknown): void {
		this.#failed(error);
	}

	/** The store was seen to be there, outside of any request. */
	found(): void {
		this.#answered();
	}

	health(): StoreHealth {
		return {
			name: this.#options.name,
			state: this.#state,
			breaker: breakerState(this.#breaker.state),
			since: this.#since,
			failures: this.#failures,
			retries: this.#retries,
			lastError: this.#lastError,
			pool: this.#options.pool?.(),
		};
	}

	async #noted<Result>(work: () => Promise<Result>): Promise<Answer<Result>> {
		try {
			const value = await work();
			this.#answered();
			return { value };
		} catch (error) {
			if (this.#options.isAway(error)) {
				this.#failed(error);
				throw error;
			}
			this.#answered();
			return { error };
		}
	}

	#answered(): void {
		this.#failures = 0;
		this.#look();
	}

	#failed(error: unknown): void {
		this.#failures += 1;
		this.#lastError = error instanceof Error ? error.message : String(error);
		this.#look();
	}

	#look(): void {
		const isClosed = this.#breaker.state === CircuitState.Closed;
		const failing = isClosed ? "failing" : "down";
		const state = this.#failures === 0 ? "up" : failing;
		if (state === this.#state) return;
		const before = this.#state;
		this.#state = state;
		this.#since = new Date();
		const { name, log } = this.#options;
		if (state === "up") log?.info({ store: name }, "a store answers again");
		if (before === "up") log?.warn({ store: name, reason: this.#lastError }, "a store is failing");
	}
}

function delays({ first, most }: { readonly first: number; readonly most: number }) {
	return { initialDelay: first, maxDelay: most, generator: halfJitterGenerator };
}

function breakerState(state: CircuitState): BreakerState {
	if (state === CircuitState.Closed) return "closed";
	return state === CircuitState.HalfOpen ? "half_open" : "open";
}
