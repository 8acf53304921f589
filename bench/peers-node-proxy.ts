/**
 * A proxy before the node, one for each side that is measured: it counts what the side asks, notes
 * when it first shows the side a block, and can hold the side's view of the chain while a fork is made.
 *
 * 1. A node shows a new branch at once, while Anvil builds it block by block. So forks are made while
 *    the view is held: questions for the head get the last answer again, so that polls go on in their
 *    own time; other questions wait, and announcements are kept back, until `release`.
 * 2. `hold` answers when nothing is under way: no answer of before is mixed with what comes after.
 * 3. What is not about the head is passed on unread.
 */
import {
	Agent,
	createServer,
	type IncomingMessage,
	request,
	type Server,
	type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import type { Hex } from "viem";
import { WebSocket, WebSocketServer } from "ws";

interface Call {
	readonly id: number | string;
	readonly method: string;
	readonly params?: readonly unknown[];
}

interface Answer {
	readonly id?: number | string;
	readonly result?: unknown;
	readonly method?: string;
	readonly params?: { readonly result?: unknown };
}

const TAGS = new Set(["latest", "safe", "finalized", "pending"]);
const LINGERING_MS = 60_000;

/** What a side asked since `restart`. */
export interface Asked {
	/** JSON-RPC calls, those of a batch one by one, without polls that showed nothing new. */
	readonly calls: number;
	/** Questions for a head by its tag whose answer was the one of before. */
	readonly idlePolls: number;
	/** Calls of `calls` by method, heads apart from other blocks. */
	readonly byMethod: Readonly<Record<string, number>>;
	/** Requests that carried them: HTTP requests, or messages of a WebSocket. */
	readonly messages: number;
}

export class NodeProxy {
	readonly #nodeUrl: URL;
	readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });
	readonly #heads = new Map<string, string>();
	readonly #shownAt = new Map<string, number>();
	readonly #sockets = new Set<WebSocket>();
	#held: PromiseWithResolvers<void> | undefined;
	#underWay = 0;
	#idle: (() => void) | undefined;
	#byMethod = new Map<string, number>();
	#idlePolls = 0;
	#messages = 0;
	#firstAskedAt = Number.NaN;
	readonly #server: Server;
	/** Told once, when a block or logs are asked for the first time since `restart`. */
	onFirstAsked: (() => void) | undefined;

	private constructor(nodeUrl: string) {
		this.#nodeUrl = new URL(nodeUrl);
		this.#server = createServer((asking, answering) => {
			this.#http(asking, answering).catch(() => answering.destroy());
		});
		this.#server.keepAliveTimeout = LINGERING_MS;
		const sockets = new WebSocketServer({ server: this.#server });
		sockets.on("connection", (socket) => this.#webSocket(socket));
	}

	static async before(nodeUrl: string): Promise<NodeProxy> {
		const proxy = new NodeProxy(nodeUrl);
		await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
		return proxy;
	}

	get #port(): number {
		return (this.#server.address() as AddressInfo).port;
	}

	get url(): string {
		return `http://127.0.0.1:${this.#port}`;
	}

	get wsUrl(): string {
		return `ws://127.0.0.1:${this.#port}`;
	}

	/** Forgets what was asked. */
	restart(): void {
		this.#byMethod = new Map();
		this.#idlePolls = 0;
		this.#messages = 0;
		this.#firstAskedAt = Number.NaN;
	}

	asked(): Asked {
		const byMethod = Object.fromEntries(
			[...this.#byMethod].toSorted(([one], [other]) => one.localeCompare(other)),
		);
		const calls = [...this.#byMethod.values()].reduce((sum, each) => sum + each, 0);
		return { calls, idlePolls: this.#idlePolls, byMethod, messages: this.#messages };
	}

	/** When a block or logs were first asked for since `restart`; NaN: none were. */
	get firstAskedAt(): number {
		return this.#firstAskedAt;
	}

	/** When the side was first shown that block as a head; NaN: it was not. */
	shownAt(hash: Hex): number {
		return this.#shownAt.get(hash) ?? Number.NaN;
	}

	/** The side's view stays as it is from now on. */
	async hold(): Promise<void> {
		this.#held ??= Promise.withResolvers();
		if (this.#underWay === 0) return;
		const { promise, resolve } = Promise.withResolvers<void>();
		this.#idle = resolve;
		await promise;
	}

	release(): void {
		this.#held?.resolve();
		this.#held = undefined;
	}

	async stop(): Promise<void> {
		this.release();
		for (const socket of this.#sockets) socket.terminate();
		const closed = new Promise((resolve) => this.#server.close(resolve));
		this.#server.closeAllConnections();
		await closed;
		this.#agent.destroy();
	}

	async #http(asking: IncomingMessage, answering: ServerResponse): Promise<void> {
		const body = await buffer(asking);
		const parsed: unknown = JSON.parse(body.toString());
		const calls = (Array.isArray(parsed) ? parsed : [parsed]) as readonly Call[];
		const known = this.#held === undefined ? undefined : this.#fromBefore(calls);
		if (known !== undefined) {
			answering.setHeader("content-type", "application/json");
			answering.end(JSON.stringify(Array.isArray(parsed) ? known : known[0]));
			return;
		}
		while (this.#held !== undefined) await this.#held.promise;
		this.#count(calls);
		this.#began();
		try {
			const passed = await this.#passOn(body);
			answering.writeHead(passed.statusCode ?? 502, {
				"content-type": passed.headers["content-type"] ?? "application/json",
			});
			if (calls.some(asksForHead)) {
				const answer = await buffer(passed);
				this.#learn(calls, JSON.parse(answer.toString()));
				answering.end(answer);
			} else {
				for await (const chunk of passed) answering.write(chunk);
				answering.end();
			}
		} finally {
			this.#ended();
		}
	}

	#passOn(body: Buffer): Promise<IncomingMessage> {
		return new Promise((resolve, reject) => {
			const { hostname, port } = this.#nodeUrl;
			const headers = { "content-type": "application/json", "content-length": body.length };
			const sent = request(
				{ agent: this.#agent, host: hostname, port, method: "POST", headers },
				resolve,
			);
			sent.setNoDelay(true);
			sent.on("error", reject);
			sent.end(body);
		});
	}

	#webSocket(side: WebSocket): void {
		const node = new WebSocket(`ws://${this.#nodeUrl.host}`);
		const open = new Promise((resolve) => node.once("open", resolve));
		const waiting = new Map<number | string, Call>();
		for (const [one, other] of [
			[side, node],
			[node, side],
		] as const) {
			this.#sockets.add(one);
			one.on("close", () => {
				this.#sockets.delete(one);
				other.close();
			});
			// Followed by `close`.
			one.on("error", () => other.terminate());
		}
		side.on("message", (data) => {
			void this.#fromSide(String(data), { side, node, open, waiting });
		});
		let toSide = Promise.resolve();
		node.on("message", (data) => {
			const text = String(data);
			// In the order in which they came, announcements too.
			toSide = toSide.then(() => this.#toSide(text, side, waiting));
		});
	}

	async #fromSide(text: string, between: SocketPair): Promise<void> {
		const { side, node, open, waiting } = between;
		const parsed: unknown = JSON.parse(text);
		const calls = (Array.isArray(parsed) ? parsed : [parsed]) as readonly Call[];
		const known = this.#held === undefined ? undefined : this.#fromBefore(calls);
		if (known !== undefined) {
			side.send(JSON.stringify(Array.isArray(parsed) ? known : known[0]));
			return;
		}
		while (this.#held !== undefined) await this.#held.promise;
		await open;
		this.#count(calls);
		for (const call of calls) waiting.set(call.id, call);
		this.#began();
		node.send(text);
	}

	async #toSide(text: string, side: WebSocket, waiting: Map<number | string, Call>): Promise<void> {
		const parsed = JSON.parse(text) as Answer | readonly Answer[];
		const answers = (Array.isArray(parsed) ? parsed : [parsed]) as readonly Answer[];
		if (answers[0]?.method === "eth_subscription") {
			while (this.#held !== undefined) await this.#held.promise;
			this.#show(answers[0].params?.result);
		} else {
			const calls = answers.map(({ id = "" }) => waiting.get(id));
			for (const { id = "" } of answers) waiting.delete(id);
			this.#learn(
				calls.filter((call) => call !== undefined),
				answers,
			);
			this.#ended();
		}
		side.send(text);
	}

	/** The answers that were given before, if all of it is about heads. */
	#fromBefore(calls: readonly Call[]): readonly unknown[] | undefined {
		if (!calls.every(asksForHead)) return undefined;
		const known = calls.map((call) => this.#heads.get(keyOf(call)));
		if (known.includes(undefined)) return undefined;
		return calls.map(({ id }, index) => ({
			jsonrpc: "2.0",
			id,
			result: JSON.parse(known[index] ?? "null"),
		}));
	}

	#learn(calls: readonly Call[], parsed: unknown): void {
		const answers = (Array.isArray(parsed) ? parsed : [parsed]) as readonly Answer[];
		for (const call of calls) {
			if (!asksForHead(call)) continue;
			const result = answers.find(({ id }) => id === call.id)?.result;
			if (result === undefined) continue;
			const text = JSON.stringify(result);
			if (this.#heads.get(keyOf(call)) === text) this.#takeBack(call);
			this.#heads.set(keyOf(call), text);
			if (call.params?.[0] === "latest") this.#show(result);
		}
	}

	/** It was counted as a call when it was asked; now it turns out to have shown nothing new. */
	#takeBack(call: Call): void {
		const counted = this.#byMethod.get(nameOf(call)) ?? 0;
		// 0: it was asked before the last `restart`.
		if (counted > 0) this.#byMethod.set(nameOf(call), counted - 1);
		this.#idlePolls += 1;
	}

	#show(block: unknown): void {
		if (typeof block !== "object" || block === null || !("hash" in block)) return;
		const hash = String(block.hash);
		if (!this.#shownAt.has(hash)) this.#shownAt.set(hash, performance.now());
	}

	#count(calls: readonly Call[]): void {
		this.#messages += 1;
		for (const call of calls) {
			this.#byMethod.set(nameOf(call), (this.#byMethod.get(nameOf(call)) ?? 0) + 1);
			if (call.method.startsWith("eth_get") && Number.isNaN(this.#firstAskedAt)) {
				this.#firstAskedAt = performance.now();
				this.onFirstAsked?.();
			}
		}
	}

	#began(): void {
		this.#underWay += 1;
	}

	#ended(): void {
		this.#underWay -= 1;
		if (this.#underWay === 0) this.#idle?.();
	}
}

interface SocketPair {
	readonly side: WebSocket;
	readonly node: WebSocket;
	readonly open: Promise<unknown>;
	readonly waiting: Map<number | string, Call>;
}

function asksForHead({ method, params }: Call): boolean {
	if (method === "eth_blockNumber" || method === "eth_chainId") return true;
	return method === "eth_getBlockByNumber" && TAGS.has(String(params?.[0]));
}

function keyOf({ method, params }: Call): string {
	return `${method} ${JSON.stringify(params ?? [])}`;
}

function nameOf(call: Call): string {
	const { method, params } = call;
	return method === "eth_getBlockByNumber" && asksForHead(call)
		? `${method} ${String(params?.[0])}`
		: method;
}
