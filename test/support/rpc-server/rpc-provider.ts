/**
 * One provider: HTTP and WebSocket on one port, over a view of its own of the served chain. It follows
 * that chain, so many blocks behind, unless it was given another branch.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import {
	type ExchangeFault,
	type Fault,
	FaultSwitch,
	faultyAnswer,
	isOfExchange,
} from "./faults.ts";
import {
	answerOf,
	type NodeTraits,
	type NodeView,
	type RpcCall,
	RpcFailure,
	WHOLE_NODE,
} from "./node-answers.ts";
import type { ServedChain, Shown } from "./served-chain.ts";

export interface ProviderTraits extends NodeTraits {
	/** Calls of one batch. */
	readonly maxBatch: number;
	/** HTTP requests of a second; above it the answer is a refusal. */
	readonly requestsPerSecond: number;
	readonly rateAnswer: "status" | "retry_after" | "body";
	/** Before each answer. */
	readonly latencyMs: number;
	/** Whether WebSockets hear of new heads. */
	readonly announces: boolean;
}

const WHOLE_PROVIDER: ProviderTraits = {
	...WHOLE_NODE,
	maxBatch: Number.POSITIVE_INFINITY,
	requestsPerSecond: Number.POSITIVE_INFINITY,
	rateAnswer: "status",
	latencyMs: 0,
	announces: true,
};

/** The exchange as it goes out. */
interface Reply {
	readonly status: number;
	readonly headers: Readonly<Record<string, string>>;
	readonly body: string;
	readonly fault: ExchangeFault | undefined;
}

export class RpcProvider {
	readonly faults: FaultSwitch;
	/** Calls so far, by method. */
	readonly calls = new Map<string, number>();
	/** HTTP requests and WebSocket messages so far. */
	requests = 0;
	traits: ProviderTraits;
	/** Blocks behind the served chain. */
	lag = 0;
	/** Undefined: it follows the served chain. */
	own: Shown | undefined;
	/** True: its sockets take everything and say nothing, pongs included. */
	silent = false;
	readonly #chain: ServedChain;
	readonly #server = createServer((request, response) => void this.#serve(request, response));
	readonly #sockets = new WebSocketServer({ noServer: true, autoPong: false });
	readonly #subscriptions = new Map<WebSocket, Set<string>>();
	readonly #unlisten: () => void;
	#announced: Shown;
	#subscribed = 0;
	#second = 0;
	#inSecond = 0;

	constructor(chain: ServedChain, traits: Partial<ProviderTraits>, seed: number) {
		this.#chain = chain;
		this.traits = { ...WHOLE_PROVIDER, ...traits };
		this.faults = new FaultSwitch(seed);
		this.#announced = chain.now;
		this.#unlisten = chain.onChange(() => this.announce());
		this.#server.on("upgrade", (request, socket, head) => {
			this.#sockets.handleUpgrade(request, socket, head, (ws) => this.#accept(ws));
		});
	}

	get url(): string {
		return `http://127.0.0.1:${this.#port}`;
	}

	get wsUrl(): string {
		return `ws://127.0.0.1:${this.#port}`;
	}

	get shown(): Shown {
		if (this.own !== undefined) return this.own;
		const { branch, head } = this.#chain.now;
		return { branch, head: Math.max(0, head - this.lag) };
	}

	/** Calls of that method so far. */
	count(method: string): number {
		return this.calls.get(method) ?? 0;
	}

	get sockets(): number {
		return this.#subscriptions.size;
	}

	async listen(port = 0): Promise<void> {
		await new Promise<void>((resolve) => this.#server.listen(port, "127.0.0.1", resolve));
	}

	async stop(): Promise<void> {
		this.#unlisten();
		this.dropSockets();
		const closed = new Promise((resolve) => this.#server.close(resolve));
		this.#server.closeAllConnections();
		await closed;
	}

	dropSockets(): void {
		for (const socket of this.#subscriptions.keys()) socket.terminate();
		this.#subscriptions.clear();
	}

	/** Tells its WebSockets of the blocks since the last time, as nodes do: of a new branch all of them. */
	announce(): void {
		const { branch, head } = this.shown;
		const before = this.#announced;
		this.#announced = { branch, head };
		if (!this.traits.announces || this.silent || this.#subscriptions.size === 0) return;
		const isTold = (height: number) =>
			height <= before.head && before.branch.ownerOf(height) === branch.ownerOf(height);
		const fresh: number[] = [];
		for (let height = head; height > 0 && !isTold(height); height -= 1) fresh.push(height);
		for (const height of fresh.slice(0, MOST_ANNOUNCED).reverse()) this.#announceBlock(height);
	}

	#announceBlock(height: number): void {
		const { tree } = this.#chain;
		const { hash, header } = tree.block(this.shown.branch, height);
		for (const [socket, ids] of this.#subscriptions) {
			for (const subscription of ids) {
				const params = { subscription, result: { ...header, hash } };
				socket.send(JSON.stringify({ jsonrpc: "2.0", method: "eth_subscription", params }));
			}
		}
	}

	get #port(): number {
		return (this.#server.address() as AddressInfo).port;
	}

	get #view(): NodeView {
		return { ...this.shown, tree: this.#chain.tree, traits: this.traits };
	}

	async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
		const chunks: Uint8Array[] = [];
		for await (const chunk of request) chunks.push(chunk as Uint8Array);
		const reply = this.#reply(Buffer.concat(chunks).toString());
		await this.#wait(reply.fault);
		const { status, headers, body, fault } = reply;
		if (fault?.kind === "hang") return;
		if (fault?.kind === "reset") return void response.destroy();
		response.writeHead(status, { "content-type": "application/json", ...headers });
		if (fault?.kind === "hang_in_body") return void response.write(body.slice(0, body.length / 2));
		response.end(body);
	}

	#accept(socket: WebSocket): void {
		this.#subscriptions.set(socket, new Set());
		socket.on("close", () => this.#subscriptions.delete(socket));
		socket.on("error", () => socket.terminate());
		socket.on("ping", (data) => {
			if (!this.silent) socket.pong(data);
		});
		socket.on("message", (data) => void this.#answerSocket(socket, data.toString()));
	}

	async #answerSocket(socket: WebSocket, text: string): Promise<void> {
		if (this.silent) return;
		const managed = this.#subscribe(socket, JSON.parse(text) as RpcCall);
		if (managed !== undefined) return socket.send(managed);
		const { body, fault } = this.#reply(text);
		await this.#wait(fault);
		if (fault?.kind === "hang" || fault?.kind === "hang_in_body" || this.silent) return;
		if (fault?.kind === "reset") return socket.terminate();
		socket.send(body);
	}

	#subscribe(socket: WebSocket, { id, method, params }: RpcCall): string | undefined {
		const ids = this.#subscriptions.get(socket);
		if (method === "eth_unsubscribe") {
			return JSON.stringify({ jsonrpc: "2.0", id, result: ids?.delete(String(params[0])) });
		}
		if (method !== "eth_subscribe") return undefined;
		this.#count(method);
		this.#subscribed += 1;
		const subscription = `0x${this.#subscribed.toString(16)}`;
		ids?.add(subscription);
		return JSON.stringify({ jsonrpc: "2.0", id, result: subscription });
	}

	async #wait(fault: ExchangeFault | undefined): Promise<void> {
		const ms = this.traits.latencyMs + (fault?.kind === "slow" ? fault.ms : 0);
		if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
	}

	#reply(text: string): Reply {
		this.requests += 1;
		const parsed = JSON.parse(text) as RpcCall | readonly RpcCall[];
		const isBatch = Array.isArray(parsed);
		const calls = (isBatch ? parsed : [parsed]) as readonly RpcCall[];
		for (const { method } of calls) this.#count(method);
		if (this.#isOverRate()) return this.#rateReply(calls);
		if (calls.length > this.traits.maxBatch) return ok(errorBody(null, -32_600, "batch too large"));
		const faults = calls.map((call) => this.faults.of(call));
		const exchange = faults.find(isOfExchange);
		const answers = calls.flatMap((call, index) => this.#answers(call, faults[index], isBatch));
		if (exchange?.kind === "out_of_order") answers.reverse();
		const body = isBatch ? `[${answers.join(",")}]` : (answers[0] ?? "");
		return exchange === undefined ? ok(body) : faultyReply(exchange, body, calls);
	}

	/** One answer, unless it is missing or doubled. */
	#answers(call: RpcCall, fault: Fault | undefined, isBatch: boolean): readonly string[] {
		if (fault === undefined || isOfExchange(fault))
			return [answerBody(call, answerOf(this.#view, call))];
		const body = answerBody(call, faultyAnswer(this.#view, call, fault));
		if (fault.kind === "then") fault.move();
		if (fault.kind === "missing" && isBatch) return [];
		return fault.kind === "doubled" && isBatch ? [body, body] : [body];
	}

	#count(method: string): void {
		this.calls.set(method, this.count(method) + 1);
	}

	#isOverRate(): boolean {
		const second = Math.floor(performance.now() / 1_000);
		if (second !== this.#second) this.#inSecond = 0;
		this.#second = second;
		this.#inSecond += 1;
		return this.#inSecond > this.traits.requestsPerSecond;
	}

	#rateReply(calls: readonly RpcCall[]): Reply {
		const { rateAnswer } = this.traits;
		if (rateAnswer === "body") return ok(errorBody(calls[0]?.id, -32_005, "rate limit exceeded"));
		return statusReply(429, rateAnswer === "retry_after" ? 1 : undefined, undefined);
	}
}

/** A node that comes back after hours does not announce them all. */
const MOST_ANNOUNCED = 64;

function ok(body: string): Reply {
	return { status: 200, headers: {}, body, fault: undefined };
}

function statusReply(
	status: number,
	retryAfterS: number | undefined,
	fault: ExchangeFault | undefined,
): Reply {
	const headers: Record<string, string> =
		retryAfterS === undefined ? {} : { "retry-after": `${retryAfterS}` };
	return { status, headers, body: `{"message":"status ${status}"}`, fault };
}

function faultyReply(fault: ExchangeFault, body: string, calls: readonly RpcCall[]): Reply {
	switch (fault.kind) {
		case "status":
			return statusReply(fault.status, fault.retryAfterS, fault);
		case "body_error":
			return { ...ok(errorBody(calls[0]?.id, fault.code, fault.message)), fault };
		case "malformed":
			return { ...ok("<html>502 Bad Gateway</html>"), fault };
		case "truncated_body":
			return { ...ok(body.slice(0, body.length / 2)), fault };
		default:
			return { ...ok(body), fault };
	}
}

function answerBody({ id }: RpcCall, answer: unknown): string {
	if (!(answer instanceof RpcFailure))
		return JSON.stringify({ jsonrpc: "2.0", id, result: answer });
	const { code, message, data } = answer;
	return JSON.stringify({ jsonrpc: "2.0", id, error: { code, message, data } });
}

function errorBody(id: unknown, code: number, message: string): string {
	return JSON.stringify({ jsonrpc: "2.0", id, error: { code, message } });
}
