/**
 * JSON-RPC over HTTP with viem's client, which knows user info in URLs, answers above a size, and
 * JSON-RPC errors under an HTTP error status.
 *
 * Two things are done here instead: the time limit, since viem's ends with the response's head and a
 * body that never ends would be waited for without end; and batches, see json-rpc.ts.
 */
import { HttpRequestError, ResponseBodyTooLargeError } from "viem";
import type { HttpRpcClient } from "viem/utils";
import { getHttpRpcClient } from "viem/utils";
import type { Clock } from "../domain/clock.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Connection } from "./connection.ts";
import type { RpcCall, RpcOutcome } from "./json-rpc.ts";
import { readBatch, readSingle } from "./json-rpc.ts";
import type { Asked } from "./provider-error.ts";
import { connectionFailure, malformed, ProviderError } from "./provider-error.ts";
import type { ProviderUrl } from "./provider-url.ts";
import { parseRetryAfter } from "./retry-after.ts";

/** What an exchange left besides its answer. */
interface Exchange {
	readonly asked: Asked;
	readonly timeoutMs: number;
	readonly timeLimit: AbortSignal;
	readonly clock: Clock;
	response: Response | undefined;
}

export class HttpConnection implements Connection {
	readonly subscribeHeads = undefined;
	readonly #provider: ProviderUrl;
	readonly #timeoutMs: number;
	readonly #clock: Clock;
	readonly #client: HttpRpcClient;
	readonly #underWay = new Set<AbortController>();
	#closed = false;

	constructor(
		provider: ProviderUrl,
		{ timeoutMs, clock }: { readonly timeoutMs: number; readonly clock: Clock },
	) {
		this.#provider = provider;
		this.#timeoutMs = timeoutMs;
		this.#clock = clock;
		this.#client = getHttpRpcClient(provider.url, {
			timeout: 0,
			maxResponseBodySize: LIMITS.rpcAnswerBytes,
		});
	}

	async send(calls: readonly RpcCall[]): Promise<readonly RpcOutcome[]> {
		const [first] = calls;
		if (first === undefined) return [];
		const asked = { provider: this.#provider, method: first.method };
		if (calls.length > 1)
			return readBatch(await this.#post(asked, calls.map(toRequest)), calls.length, asked);
		return [readSingle(await this.#post(asked, toRequest(first, 0)), 0, asked)];
	}

	close(): void {
		this.#closed = true;
		for (const controller of this.#underWay) controller.abort();
	}

	async #post(asked: Asked, body: RpcRequest | RpcRequest[]): Promise<unknown> {
		if (this.#closed) throw new ProviderError(asked, { kind: "closed" }, "was closed");
		const controller = new AbortController();
		const stopTimer = this.#clock.after(this.#timeoutMs, () => controller.abort());
		const exchange: Exchange = {
			asked,
			timeoutMs: this.#timeoutMs,
			timeLimit: controller.signal,
			clock: this.#clock,
			response: undefined,
		};
		this.#underWay.add(controller);
		try {
			return await this.#request(exchange, body);
		} finally {
			stopTimer();
			this.#underWay.delete(controller);
		}
	}

	async #request(exchange: Exchange, body: RpcRequest | RpcRequest[]): Promise<unknown> {
		try {
			const answer: unknown = await this.#client.request({
				body,
				fetchOptions: { signal: exchange.timeLimit },
				onResponse: (response) => {
					exchange.response = response;
				},
			});
			// viem passes on an error body that is JSON-RPC; the status says more here.
			if (exchange.response?.status === 429) throw rateLimited(exchange);
			return answer;
		} catch (error) {
			if (error instanceof ProviderError) throw error;
			if (this.#closed) throw new ProviderError(exchange.asked, { kind: "closed" }, "was closed");
			throw toProviderError(error, exchange, Array.isArray(body));
		}
	}
}

interface RpcRequest extends RpcCall {
	readonly id: number;
}

function toRequest(call: RpcCall, id: number): RpcRequest {
	return { ...call, id };
}

function toProviderError(error: unknown, exchange: Exchange, isBatch: boolean): ProviderError {
	const { asked, timeoutMs, timeLimit } = exchange;
	if (timeLimit.aborted)
		return new ProviderError(asked, { kind: "timeout" }, `was not answered in ${timeoutMs} ms`);
	if (error instanceof ResponseBodyTooLargeError)
		return new ProviderError(asked, { kind: "oversized" }, `got an answer of ${error.size} bytes`);
	// An error page that is announced as JSON ends viem's reading before it looks at the status.
	if (exchange.response?.ok === false) return fromStatus(exchange.response, exchange, isBatch);
	return fromNetwork(error instanceof HttpRequestError ? error.cause : error, asked);
}

/** Statuses with which providers refuse a batch as such: bad request, content too large. */
const BATCH_STATUSES: readonly number[] = [400, 413];

function fromStatus(
	{ status, statusText, headers }: Response,
	exchange: Exchange,
	isBatch: boolean,
): ProviderError {
	const { asked } = exchange;
	if (status === 429) return rateLimited(exchange);
	const retryAfterMs = retryAfterOf(headers, exchange);
	const what = `was answered with HTTP status ${status} ${statusText}`;
	return isBatch && BATCH_STATUSES.includes(status)
		? new ProviderError(asked, { kind: "batch_refused" }, what)
		: new ProviderError(asked, { kind: "http_status", status, retryAfterMs }, what);
}

function rateLimited(exchange: Exchange): ProviderError {
	const { asked, response } = exchange;
	const retryAfterMs = response && retryAfterOf(response.headers, exchange);
	return new ProviderError(
		asked,
		{ kind: "rate_limited", retryAfterMs },
		"was answered with HTTP status 429 (too many requests)",
	);
}

function retryAfterOf(headers: Headers, { clock }: Exchange): number | undefined {
	return parseRetryAfter(headers.get("retry-after") ?? undefined, clock.wallMs());
}

/** undici throws a TypeError whose cause has the system's code; JSON.parse a SyntaxError. */
function fromNetwork(error: unknown, asked: Asked): ProviderError {
	if (error instanceof SyntaxError) return malformed(asked, "no JSON");
	const code = systemCode(error);
	const what = `has no connection (${code ?? "no code"})`;
	return new ProviderError(asked, connectionFailure(code), what);
}

/** The first `code` along the causes; they are nested two or three deep. */
function systemCode(error: unknown): string | undefined {
	let cause = error;
	for (let depth = 0; depth < MAX_CAUSES && cause instanceof Error; depth += 1) {
		if ("code" in cause && typeof cause.code === "string") return cause.code;
		cause = cause.cause;
	}
	return undefined;
}

const MAX_CAUSES = 5;
