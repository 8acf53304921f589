/**
 * How one provider did lately: whether it is put aside and for how long, its share of errors, its latency.
 *
 * Invariants
 * 1. Failures that were under way together count once, so that twenty parallel calls into a node that just
 *    stopped do not put it aside for as long as twenty failures in a row would.
 * 2. Every time for which a provider is put aside has an upper limit, also one that the provider asks for.
 */
import type { Clock } from "../domain/clock.ts";
import { LIMITS } from "../domain/limits.ts";
import type { BreakerState } from "../domain/store-health.ts";
import { backoffMs } from "./backoff.ts";
import { type FailureReason, isProviderAtFault, type ProviderError } from "./provider-error.ts";
import type { RpcLog } from "./rpc-log.ts";

interface StandingOptions {
	/** The provider's URL without secrets. */
	readonly provider: string;
	readonly clock: Clock;
	readonly log: RpcLog | undefined;
}

/** Weight of the newest request in the share of errors, and of the newest answer in the latency. */
const ERROR_WEIGHT = 0.1;
const LATENCY_WEIGHT = 0.2;
/** The share of errors halves in this time by itself: nothing is asked of a provider that is not chosen. */
const ERRORS_HALVE_MS = 60_000;
/** What an error costs, in the latency of small requests: the question is asked once more, elsewhere. */
const ERROR_COST_MS = 500;
/** An untrue answer puts a provider aside for this long at least, also where there is no other. */
const UNTRUE_MS = 1_000;

export class Standing {
	readonly #options: StandingOptions;
	#consecutiveFailures = 0;
	/** When the first of these failures was, or the answer that ended them. */
	#since: Date;
	#lastError: string | undefined;
	#lastFault: FailureReason["kind"] | undefined;
	#latencyMs: number | undefined;
	#errors = 0;
	#errorsAtMs: number;
	/** On the clock's `now`, as all times here. */
	#failedAtMs = Number.NEGATIVE_INFINITY;
	#retryAtMs = Number.NEGATIVE_INFINITY;
	#trustedAtMs = Number.NEGATIVE_INFINITY;
	/** Untrue answers since it was last trusted for LIMITS.rpcDistrustMostMs. */
	#untrue = 0;

	constructor(options: StandingOptions) {
		this.#options = options;
		this.#since = new Date(options.clock.wallMs());
		this.#errorsAtMs = options.clock.now();
	}

	/** Milliseconds until this provider may be asked again; 0: now. */
	get asideMs(): number {
		return Math.max(0, this.#retryAtMs - this.#now);
	}

	/** It gave an untrue answer: asked only where no other can be, and `asideMs` is over. */
	get isDistrusted(): boolean {
		return this.distrustedMs > 0;
	}

	/** Milliseconds until it is trusted again; 0: it is. */
	get distrustedMs(): number {
		return Math.max(0, this.#trustedAtMs - this.#now);
	}

	get lastError(): string | undefined {
		return this.#lastError;
	}

	get lastFault(): FailureReason["kind"] | undefined {
		return this.#lastFault;
	}

	get consecutiveFailures(): number {
		return this.#consecutiveFailures;
	}

	/** Of small requests, the newer the more they count; undefined before the first answer. */
	get latencyMs(): number | undefined {
		return this.#latencyMs;
	}

	/** Share of its latest requests that failed by its fault, in [0, 1]; the newer the more they count. */
	get errorRate(): number {
		return this.#errors * 0.5 ** ((this.#now - this.#errorsAtMs) / ERRORS_HALVE_MS);
	}

	/** What the next small request is expected to take, an error included. */
	get costMs(): number {
		return (this.#latencyMs ?? 0) + this.errorRate * ERROR_COST_MS;
	}

	get since(): Date {
		return this.#since;
	}

	get breaker(): BreakerState {
		if (this.asideMs > 0) return "open";
		return this.#consecutiveFailures === 0 ? "closed" : "half_open";
	}

	/** An answer came after so long. */
	measured(ms: number): void {
		this.#latencyMs =
			this.#latencyMs === undefined
				? ms
				: this.#latencyMs + (ms - this.#latencyMs) * LATENCY_WEIGHT;
	}

	/** It has not answered for so long, and another one has. Counts for more than an answer: it may hang. */
	late(ms: number): void {
		this.#latencyMs = Math.max(this.#latencyMs ?? 0, ((this.#latencyMs ?? 0) + ms) / 2);
	}

	/** `startedMs` is when the attempt began: one that began before a failure does not end it. */
	succeeded(startedMs: number): void {
		this.#count(0);
		if (startedMs < this.#failedAtMs) return;
		if (this.#consecutiveFailures > 0) {
			const { log, provider, clock } = this.#options;
			log?.info({ provider, failures: this.#consecutiveFailures }, "provider answers again");
			this.#since = new Date(clock.wallMs());
		}
		this.#consecutiveFailures = 0;
		this.#retryAtMs = Number.NEGATIVE_INFINITY;
	}

	/** Puts the provider aside when it is at fault; `startedMs` is when the failed attempt began. */
	failed(error: ProviderError, startedMs: number): void {
		if (error.reason.kind === "closed") return;
		this.#lastError = error.message;
		if (!isProviderAtFault(error.reason) || startedMs <= this.#failedAtMs) return;
		const { log, provider, clock } = this.#options;
		this.#failedAtMs = this.#now;
		this.#lastFault = error.reason.kind;
		this.#count(1);
		if (this.#consecutiveFailures === 0) this.#since = new Date(clock.wallMs());
		this.#consecutiveFailures += 1;
		this.#retryAtMs = this.#failedAtMs + this.#waitMs(error.reason);
		if (error.reason.kind === "untrue") this.#distrust();
		if (this.#consecutiveFailures > 1) return;
		log?.warn({ provider, error: error.message }, "provider is failing");
	}

	#waitMs(reason: FailureReason): number {
		const { clock } = this.#options;
		const waitMs = backoffMs(this.#consecutiveFailures, clock.random());
		if (reason.kind === "untrue") return Math.max(waitMs, UNTRUE_MS);
		return Math.max(waitMs, Math.min(askedForMs(reason), LIMITS.rpcRetryAfterMs));
	}

	/** For longer at each untrue answer, until it was trusted for long. */
	#distrust(): void {
		const isAnew = this.#now - this.#trustedAtMs > LIMITS.rpcDistrustMostMs;
		this.#untrue = isAnew ? 0 : this.#untrue;
		const doubled = LIMITS.rpcDistrustMs * 2 ** Math.min(this.#untrue, MAX_DOUBLINGS);
		this.#untrue += 1;
		this.#trustedAtMs = this.#now + Math.min(doubled, LIMITS.rpcDistrustMostMs);
	}

	#count(error: 0 | 1): void {
		this.#errors = this.errorRate * (1 - ERROR_WEIGHT) + error * ERROR_WEIGHT;
		this.#errorsAtMs = this.#now;
	}

	get #now(): number {
		return this.#options.clock.now();
	}
}

/** 2^16 times LIMITS.rpcDistrustMs is past its limit; more would only overflow. */
const MAX_DOUBLINGS = 16;

function askedForMs(reason: FailureReason): number {
	return "retryAfterMs" in reason ? (reason.retryAfterMs ?? 0) : 0;
}
