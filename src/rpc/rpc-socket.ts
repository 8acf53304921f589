/**
 * One WebSocket with JSON-RPC on it, from opening to its end. It is never opened again.
 *
 * Invariants:
 * 1. A call ends with its own answer, its time limit, or the socket's end.
 * 2. The end drops every subscription exactly once.
 * 3. A socket that is silent for a whole time limit, or between two heartbeats, is ended. It is
 *    ended without the closing handshake: a silent peer would never answer that and would keep the
 *    process alive. The built-in WebSocket cannot do this, hence the `ws` package.
 */
import { WebSocket } from "ws";
import type { Clock } from "../domain/clock.ts";
import { LIMITS } from "../domain/limits.ts";
import type { HeadListener, HeadSubscription } from "./connection.ts";
import type { RpcAnswer, RpcCall, RpcOutcome } from "./json-rpc.ts";
import { isAnswer, isObject, readOutcome, resultOf } from "./json-rpc.ts";
import type { Asked, FailureReason } from "./provider-error.ts";
import { connectionFailure, malformed, ProviderError } from "./provider-error.ts";
import type { ProviderUrl } from "./provider-url.ts";
import { parseRetryAfter } from "./retry-after.ts";

interface PendingCall {
	readonly asked: Asked;
	readonly resolve: (outcome: RpcOutcome) => void;
	readonly reject: (error: ProviderError) => void;
}

interface End {
	readonly reason: FailureReason;
	readonly what: string;
}

interface RpcSocketOptions {
	readonly provider: ProviderUrl;
	/** Of opening, and of each call. */
	readonly timeoutMs: number;
	readonly clock: Clock;
	readonly onEnd: () => void;
}

/** Common proxies close a connection that was idle for 60 s. */
const HEARTBEAT_MS = 10_000;

export class RpcSocket {
	readonly #options: RpcSocketOptions;
	readonly #socket: WebSocket;
	readonly #opened: Promise<void>;
	readonly #pending = new Map<number, PendingCall>();
	readonly #subscriptions = new Map<string, HeadListener>();
	#nextId = 1;
	/** Messages and pongs so far: tells silence from slowness. */
	#received = 0;
	#ended: End | undefined;
	#acknowledging = false;
	/** The limit of opening, then the heartbeat. */
	#stopTimer: (() => void) | undefined;

	constructor(options: RpcSocketOptions) {
		this.#options = options;
		this.#socket = new WebSocket(options.provider.url, { maxPayload: LIMITS.rpcAnswerBytes });
		this.#socket.on("message", (data) => this.#receive(data.toString()));
		this.#socket.on("pong", () => {
			this.#received += 1;
		});
		// The library's own error for it does not have the headers.
		this.#socket.on("unexpected-response", (_request, { statusCode, headers }) =>
			this.end(
				...refusedUpgrade(
					statusCode,
					parseRetryAfter(headers["retry-after"], options.clock.wallMs()),
				),
			),
		);
		this.#socket.on("error", (error) => this.end(...endOf(error)));
		this.#socket.on("close", (code) => this.end({ kind: "lost" }, `lost its socket (${code})`));
		this.#opened = this.#open();
	}

	/** One outcome per call, in order. */
	async send(calls: readonly RpcCall[], method: string): Promise<readonly RpcOutcome[]> {
		await this.#untilOpened({ provider: this.#options.provider, method });
		const firstId = this.#nextId;
		const receivedBefore = this.#received;
		const { clock, timeoutMs } = this.#options;
		const stopTimer = clock.after(timeoutMs, () =>
			this.#timeOut({ firstId, count: calls.length, receivedBefore }),
		);
		try {
			return await Promise.all(calls.map((call) => this.#call(call)));
		} finally {
			stopTimer();
		}
	}

	async subscribeHeads(listener: HeadListener): Promise<HeadSubscription> {
		const method = "eth_subscribe";
		const asked = { provider: this.#options.provider, method };
		const [outcome] = await this.send([{ method, params: ["newHeads"] }], method);
		const id = outcome === undefined ? undefined : resultOf(outcome, asked);
		if (typeof id !== "string") throw malformed(asked, "no subscription id");
		if (this.#ended !== undefined) throw this.#endError(asked, this.#ended);
		this.#subscriptions.set(id, listener);
		return {
			cancel: () => this.#cancel(id),
			abandon: (why) => this.end({ kind: "lost" }, why),
		};
	}

	end(reason: FailureReason, what: string): void {
		if (this.#ended !== undefined) return;
		const end = { reason, what };
		this.#ended = end;
		this.#stopTimer?.();
		this.#socket.terminate();
		this.#options.onEnd();
		for (const { asked, reject } of this.#pending.values()) reject(this.#endError(asked, end));
		this.#pending.clear();
		const listeners = [...this.#subscriptions.values()];
		this.#subscriptions.clear();
		for (const listener of listeners) listener.onDrop();
	}

	#open(): Promise<void> {
		const { timeoutMs, clock } = this.#options;
		return new Promise((resolve) => {
			const limit = () => this.end({ kind: "timeout" }, `had no socket in ${timeoutMs} ms`);
			this.#stopTimer = clock.after(timeoutMs, limit);
			this.#socket.on("open", () => {
				this.#stopTimer?.();
				this.#stopTimer = clock.every(HEARTBEAT_MS, this.#heartbeat());
				resolve();
			});
			this.#socket.on("close", () => resolve());
		});
	}

	async #untilOpened(asked: Asked): Promise<void> {
		await this.#opened;
		// The server began to close it: what is sent now would never be answered.
		if (this.#socket.readyState !== WebSocket.OPEN) this.end({ kind: "lost" }, "lost its socket");
		if (this.#ended !== undefined) throw this.#endError(asked, this.#ended);
	}

	#heartbeat(): () => void {
		let before = -1;
		return () => {
			if (this.#received === before)
				this.end({ kind: "timeout" }, `heard nothing in ${HEARTBEAT_MS} ms`);
			else this.#socket.ping();
			before = this.#received;
		};
	}

	#call(call: RpcCall): Promise<RpcOutcome> {
		const id = this.#nextId++;
		const asked = { provider: this.#options.provider, method: call.method };
		return new Promise((resolve, reject) => {
			this.#pending.set(id, { asked, resolve, reject });
			this.#socket.send(JSON.stringify({ jsonrpc: "2.0", id, ...call }));
		});
	}

	/** Gives up the calls; the whole socket only when it said nothing in the meantime. */
	#timeOut(sent: { firstId: number; count: number; receivedBefore: number }): void {
		const what = `was not answered in ${this.#options.timeoutMs} ms`;
		if (this.#received === sent.receivedBefore) this.end({ kind: "timeout" }, what);
		for (let id = sent.firstId; id < sent.firstId + sent.count; id += 1) {
			const call = this.#take(id);
			call?.reject(new ProviderError(call.asked, { kind: "timeout" }, what));
		}
	}

	#receive(text: string): void {
		this.#received += 1;
		const message = parseJson(text);
		if (!isAnswer(message)) this.end({ kind: "malformed" }, "got a malformed answer: no JSON-RPC");
		else if (message.method === "eth_subscription") this.#announce(message.params);
		else {
			this.#settle(message);
			this.#acknowledge();
		}
	}

	/**
	 * A node that leaves Nagle's algorithm on, as Anvil does, holds further answers back until the kernel here has
	 * acknowledged the one before, which it delays by 40 ms unless something is sent. So something is: a pong that
	 * nobody asked for (RFC 6455, 5.5.3), one for all that came together.
	 */
	#acknowledge(): void {
		if (this.#acknowledging) return;
		this.#acknowledging = true;
		queueMicrotask(() => {
			this.#acknowledging = false;
			if (this.#ended === undefined && this.#pending.size > 0) this.#socket.pong();
		});
	}

	/** An answer without a pending call came after that call's time limit, and is dropped. */
	#settle(answer: RpcAnswer): void {
		const call = this.#take(answer.id);
		try {
			call?.resolve(readOutcome(answer, call.asked));
		} catch (error) {
			if (!(error instanceof ProviderError)) throw error;
			call?.reject(error);
		}
	}

	#take(id: unknown): PendingCall | undefined {
		if (typeof id !== "number") return undefined;
		const call = this.#pending.get(id);
		this.#pending.delete(id);
		return call;
	}

	#announce(params: unknown): void {
		if (!isNotification(params) || typeof params.subscription !== "string") return;
		this.#subscriptions.get(params.subscription)?.onHead(params.result);
	}

	async #cancel(id: string): Promise<void> {
		if (!this.#subscriptions.delete(id) || this.#ended !== undefined) return;
		const method = "eth_unsubscribe";
		await this.send([{ method, params: [id] }], method);
	}

	#endError(asked: Asked, { reason, what }: End): ProviderError {
		return new ProviderError(asked, reason, what);
	}
}

function isNotification(
	value: unknown,
): value is { readonly subscription?: unknown; readonly result?: unknown } {
	return isObject(value);
}

function parseJson(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		// Undefined is no JSON value, and the caller treats it as malformed.
		return undefined;
	}
}

function refusedUpgrade(
	status: number | undefined,
	retryAfterMs: number | undefined,
): [reason: FailureReason, what: string] {
	if (status === 429)
		return [{ kind: "rate_limited", retryAfterMs }, "was refused a socket with HTTP status 429"];
	return [
		{ kind: "http_status", status: status ?? 0, retryAfterMs },
		`was refused a socket with HTTP status ${status ?? "none"}`,
	];
}

/** `ws` gives the system's code, or its own WS_ERR_… code. */
function endOf(error: Error): [reason: FailureReason, what: string] {
	const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
	if (code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH")
		return [{ kind: "oversized" }, `got an answer above ${LIMITS.rpcAnswerBytes} bytes`];
	if (code?.startsWith("WS_ERR_") === true)
		return [{ kind: "malformed" }, `got a malformed answer: ${code}`];
	return [connectionFailure(code), `has no socket (${code ?? "no code"})`];
}
