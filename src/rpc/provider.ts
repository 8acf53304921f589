/**
 * One provider: its connection, how it did lately, and how much it takes at once.
 *
 * Invariant: failures that were under way together count once, so that twenty parallel calls into
 * a node that just stopped do not put it aside for as long as twenty failures in a row would.
 */
import { LIMITS } from "../domain/limits.ts";
import type { BreakerState } from "../domain/store-health.ts";
import type { ProviderHealth } from "../follower/chain-source.ts";
import { backoffMs } from "./backoff.ts";
import type { Connection } from "./connection.ts";
import { HttpConnection } from "./http-connection.ts";
import type { RpcCall, RpcOutcome } from "./json-rpc.ts";
import { LearnedSize } from "./learned-size.ts";
import { isProviderAtFault, ProviderError } from "./provider-error.ts";
import type { ProviderUrl } from "./provider-url.ts";
import { WebSocketConnection } from "./web-socket-connection.ts";

/** Where changes of a provider's state are told; pino's loggers fit. */
export interface RpcLog {
	info(fields: Readonly<Record<string, unknown>>, message: string): void;
	warn(fields: Readonly<Record<string, unknown>>, message: string): void;
}

export class Provider {
	readonly url: ProviderUrl;
	readonly connection: Connection;
	/** Blocks that this provider takes in one eth_getLogs. */
	readonly logRange = new LearnedSize(LIMITS.rpcLogRangeBlocks);
	readonly #batch = new LearnedSize(LIMITS.rpcBatchCalls);
	readonly #log: RpcLog | undefined;
	#consecutiveFailures = 0;
	/** When the first of these failures was, or the answer that ended them. */
	#since = new Date();
	#lastError: string | undefined;
	#latencyMs: number | undefined;
	/** On the clock of performance.now(), as all times here. */
	#failedAtMs = Number.NEGATIVE_INFINITY;
	#retryAtMs = Number.NEGATIVE_INFINITY;

	constructor(url: ProviderUrl, timeoutMs: number, log: RpcLog | undefined) {
		this.url = url;
		this.#log = log;
		this.connection =
			url.transport === "http"
				? new HttpConnection(url, timeoutMs)
				: new WebSocketConnection(url, timeoutMs);
	}

	/** Milliseconds until this provider may be asked again; 0: now. */
	get asideMs(): number {
		return Math.max(0, this.#retryAtMs - performance.now());
	}

	get lastError(): string | undefined {
		return this.#lastError;
	}

	/** Runs `task`, which asks this provider, and notes how it went. Throws what `task` throws. */
	async attempt<Answer>(task: (provider: Provider) => Promise<Answer>): Promise<Answer> {
		const startedMs = performance.now();
		try {
			const answer = await this.#repeatWhenLost(task);
			this.#succeeded();
			return answer;
		} catch (error) {
			if (error instanceof ProviderError) this.failed(error, startedMs);
			throw error;
		}
	}

	/** One outcome per call, in order. Splits what the provider does not take at once. */
	async ask(calls: readonly RpcCall[]): Promise<readonly RpcOutcome[]> {
		const outcomes: RpcOutcome[] = [];
		// Each round either gets on or makes the batch smaller, see LearnedSize.
		while (outcomes.length < calls.length) {
			const slice = calls.slice(outcomes.length, outcomes.length + this.#batch.size);
			outcomes.push(...(await this.#exchange(slice)));
		}
		return outcomes;
	}

	health(): ProviderHealth {
		return {
			url: this.url.shown,
			state: this.#consecutiveFailures === 0 ? "ok" : "failing",
			latencyMs: this.#latencyMs,
			consecutiveFailures: this.#consecutiveFailures,
			lastError: this.#lastError,
			breaker: this.#breaker(),
			since: this.#since,
		};
	}

	/** Puts the provider aside when it is at fault; `startedMs` is when the failed attempt began. */
	failed(error: ProviderError, startedMs: number): void {
		if (error.reason.kind === "closed") return;
		this.#lastError = error.message;
		if (!isProviderAtFault(error.reason) || startedMs <= this.#failedAtMs) return;
		this.#failedAtMs = performance.now();
		if (this.#consecutiveFailures === 0) this.#since = new Date();
		this.#consecutiveFailures += 1;
		const waitMs = Math.max(backoffMs(this.#consecutiveFailures), retryAfterMs(error));
		this.#retryAtMs = this.#failedAtMs + waitMs;
		if (this.#consecutiveFailures > 1) return;
		this.#log?.warn({ provider: this.url.shown, error: error.message }, "provider is failing");
	}

	#succeeded(): void {
		if (this.#consecutiveFailures > 0)
			this.#log?.info(
				{ provider: this.url.shown, failures: this.#consecutiveFailures },
				"provider answers again",
			);
		if (this.#consecutiveFailures > 0) this.#since = new Date();
		this.#consecutiveFailures = 0;
		this.#retryAtMs = Number.NEGATIVE_INFINITY;
	}

	#breaker(): BreakerState {
		if (this.#consecutiveFailures === 0) return "closed";
		return this.asideMs > 0 ? "open" : "half_open";
	}

	/** Servers close idle connections at any time, also just when one is used again. */
	async #repeatWhenLost<Answer>(task: (provider: Provider) => Promise<Answer>): Promise<Answer> {
		try {
			return await task(this);
		} catch (error) {
			if (error instanceof ProviderError && error.reason.kind === "lost") return await task(this);
			throw error;
		}
	}

	/** Nothing when the batch was too large: then it is smaller the next time. */
	async #exchange(slice: readonly RpcCall[]): Promise<readonly RpcOutcome[]> {
		const startedMs = performance.now();
		try {
			const outcomes = await this.connection.send(slice);
			this.#latencyMs = performance.now() - startedMs;
			this.#batch.worked(slice.length);
			return outcomes;
		} catch (error) {
			if (isTooLarge(error) && this.#batch.refused(slice.length)) return [];
			throw error;
		}
	}
}

function isTooLarge(error: unknown): boolean {
	if (!(error instanceof ProviderError)) return false;
	return error.reason.kind === "batch_refused" || error.reason.kind === "oversized";
}

function retryAfterMs({ reason }: ProviderError): number {
	if (reason.kind !== "rate_limited" || reason.retryAfterMs === undefined) return 0;
	return Math.min(reason.retryAfterMs, LIMITS.rpcRetryAfterMs);
}
