/** One provider: its connection, how it did lately, and how much it takes at once. */
import { type Clock, systemClock } from "../domain/clock.ts";
import { LIMITS } from "../domain/limits.ts";
import { AnswerChecks } from "./answer-checks.ts";
import type { Connection } from "./connection.ts";
import { HttpConnection } from "./http-connection.ts";
import type { RpcCall, RpcOutcome } from "./json-rpc.ts";
import { rateLimitAmong } from "./json-rpc.ts";
import { LearnedSize } from "./learned-size.ts";
import { LogsAhead } from "./logs-ahead.ts";
import { type Asked, type FailureReason, ProviderError } from "./provider-error.ts";
import type { ProviderUrl } from "./provider-url.ts";
import { type Pass, RequestGate, type Weight } from "./request-gate.ts";
import type { RpcLog } from "./rpc-log.ts";
import { Standing } from "./standing.ts";
import { WebSocketConnection } from "./web-socket-connection.ts";

export interface ProviderOptions {
	/** Of one request, from when it is sent, and of opening a WebSocket. */
	readonly timeoutMs: number;
	/** Widest range of logs that is tried; default: LIMITS.rpcLogRangeBlocks. */
	readonly logRangeBlocks?: number | undefined;
	readonly log?: RpcLog | undefined;
	/** What its answers are held against; all providers of a chain share them. */
	readonly checks?: AnswerChecks | undefined;
	readonly clock?: Clock | undefined;
	/** Told when it answers with logs that it says to have taken back: its branch may be left. */
	readonly onRemovedLogs?: (() => void) | undefined;
}

/** What takes one provider as long as another, so that their latencies can be compared. */
const LIGHT_METHODS: readonly string[] = [
	"eth_chainId",
	"eth_getBlockByNumber",
	"eth_getBlockByHash",
	"eth_getTransactionReceipt",
];
const LIGHT_CALLS = 4;

export class Provider {
	readonly url: ProviderUrl;
	readonly connection: Connection;
	readonly checks: AnswerChecks;
	readonly standing: Standing;
	readonly timeoutMs: number;
	/** Blocks that this provider takes in one eth_getLogs. */
	readonly logRange: LearnedSize;
	/** Calls that it takes in one request. */
	readonly batch = new LearnedSize(LIMITS.rpcBatchCalls);
	readonly gate: RequestGate;
	/** Logs of heads that it announced. */
	readonly logsAhead = new LogsAhead();
	/** False once it refused a block's hash in the place of its number. */
	takesBlockHash = true;
	readonly #clock: Clock;
	readonly #onRemovedLogs: (() => void) | undefined;

	constructor(url: ProviderUrl, options: ProviderOptions) {
		const { timeoutMs, log, clock = systemClock } = options;
		this.url = url;
		this.timeoutMs = timeoutMs;
		this.checks = options.checks ?? new AnswerChecks();
		this.#clock = clock;
		this.#onRemovedLogs = options.onRemovedLogs;
		this.logRange = new LearnedSize(options.logRangeBlocks ?? LIMITS.rpcLogRangeBlocks);
		this.standing = new Standing({ provider: url.shown, clock, log });
		this.gate = new RequestGate(clock);
		this.connection =
			url.transport === "http"
				? new HttpConnection(url, { timeoutMs, clock })
				: new WebSocketConnection(url, { timeoutMs, clock });
	}

	/** Milliseconds until this provider may be asked again; 0: now. */
	get asideMs(): number {
		return this.standing.asideMs;
	}

	/** Runs `task`, which asks this provider, and notes how it went. Throws what `task` throws. */
	async attempt<Answer>(task: (provider: Provider) => Promise<Answer>): Promise<Answer> {
		const startedMs = this.#clock.now();
		try {
			const answer = await this.#repeatWhenLost(task);
			this.standing.succeeded(startedMs);
			return answer;
		} catch (error) {
			if (!(error instanceof ProviderError)) throw error;
			this.standing.failed(error, startedMs);
			if (error.reason.kind === "removed_logs") this.#onRemovedLogs?.();
			throw error;
		}
	}

	/** Puts it aside when it is at fault; `startedMs` is when the attempt began that failed. */
	failed(error: ProviderError, startedMs: number = this.#clock.now()): void {
		this.standing.failed(error, startedMs);
	}

	/** One outcome per call, in order. Splits what the provider does not take at once. */
	async ask(calls: readonly RpcCall[]): Promise<readonly RpcOutcome[]> {
		const outcomes: RpcOutcome[] = [];
		// By all of them: one slice of many calls is nothing that somebody waits for.
		const weight = isLight(calls) ? "light" : "heavy";
		// Each round either gets on or makes the batch smaller, see LearnedSize.
		while (outcomes.length < calls.length) {
			const size = Math.min(this.batch.size, this.gate.mostCalls);
			const slice = calls.slice(outcomes.length, outcomes.length + size);
			outcomes.push(...(await this.#exchange(slice, weight)));
		}
		return outcomes;
	}

	/** Ends what is under way, and what waits, with the reason `closed`. */
	close(): void {
		this.gate.close();
		this.connection.close();
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
	async #exchange(slice: readonly RpcCall[], weight: Weight): Promise<readonly RpcOutcome[]> {
		const asked = { provider: this.url, method: slice[0]?.method ?? "" };
		const pass = await this.#enter({ calls: slice.length, weight, asked });
		let isTooMuch = false;
		try {
			return await this.#send(slice, { asked, pass });
		} catch (error) {
			if (!(error instanceof ProviderError)) throw error;
			isTooMuch = isSignOfTooMuch(error.reason);
			if (error.reason.kind === "rate_limited") this.gate.limitRate(pass);
			// One after the other they would wait for a whole time limit each.
			if (error.reason.kind === "timeout") this.gate.sendAway();
			if (isTooLarge(error.reason) && this.batch.refused(slice.length)) return [];
			throw error;
		} finally {
			this.gate.leave(pass, { isTooMuch });
		}
	}

	async #send(
		slice: readonly RpcCall[],
		{ asked, pass }: { readonly asked: Asked; readonly pass: Pass },
	): Promise<readonly RpcOutcome[]> {
		const outcomes = await this.connection.send(slice);
		const limited = rateLimitAmong(outcomes, asked);
		if (limited !== undefined) throw limited;
		if (isLight(slice)) this.standing.measured(this.#clock.now() - pass.startedMs);
		this.batch.worked(slice.length);
		return outcomes;
	}

	async #enter({
		calls,
		weight,
		asked,
	}: {
		readonly calls: number;
		readonly weight: Weight;
		readonly asked: Asked;
	}): Promise<Pass> {
		const answer = await this.gate.enter(calls, weight);
		if (answer.type === "pass") return answer.pass;
		if (answer.type === "closed") throw new ProviderError(asked, { kind: "closed" }, "was closed");
		const why =
			answer.type === "full" ? `${LIMITS.rpcWaitingRequests} requests wait` : "one before it hangs";
		throw new ProviderError(asked, { kind: "busy" }, `was not sent: ${why}`);
	}
}

function isLight(calls: readonly RpcCall[]): boolean {
	return calls.length <= LIGHT_CALLS && calls.every(({ method }) => LIGHT_METHODS.includes(method));
}

function isTooLarge({ kind }: FailureReason): boolean {
	return kind === "batch_refused" || kind === "oversized";
}

/** Bad gateway, unavailable, gateway timeout, overloaded (as some proxies say it). */
const BUSY_STATUSES: readonly number[] = [502, 503, 504, 529];

function isSignOfTooMuch(reason: FailureReason): boolean {
	if (reason.kind === "http_status") return BUSY_STATUSES.includes(reason.status);
	return reason.kind === "rate_limited" || reason.kind === "timeout";
}
