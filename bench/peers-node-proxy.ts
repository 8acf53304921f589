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
import { WebSocket, WebSocketServer } from "ws";
import { type Answer, AskedNode, asksForHead, type Call } from "./peers-asked.ts";

const LINGERING_MS = 60_000;

export class NodeProxy {
	/** What the side asked, and was shown. */
	readonly asked = new AskedNode();
	readonly #nodeUrl: URL;
	readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });
	readonly #sockets = new Set<WebSocket>();
	#held: PromiseWithResolvers<void> | undefined;
	#underWay = 0;
	#idle: (() => void) | undefined;
	readonly #server: Server;
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
		const known = this.#held === undefined ? undefined : this.asked.fromBefore(calls);
		if (known !== undefined) {
			answering.setHeader("content-type", "application/json");
			answering.end(JSON.stringify(Array.isArray(parsed) ? known : known[0]));
			return;
		}
		while (this.#held !== undefined) await this.#held.promise;
		this.asked.count(calls);
		this.#began();
		try {
			const passed = await this.#passOn(body);
			answering.writeHead(passed.statusCode ?? 502, {
				"content-type": passed.headers["content-type"] ?? "application/json",
			});
			if (calls.some(asksForHead)) {
				const answer = await buffer(passed);
				this.asked.learn(calls, JSON.parse(answer.toString()));
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
		// Straight on: with one a side makes its kernel acknowledge what came, as it would without a proxy.
		side.on("pong", () => {
			if (node.readyState === WebSocket.OPEN) node.pong();
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
		const known = this.#held === undefined ? undefined : this.asked.fromBefore(calls);
		if (known !== undefined) {
			side.send(JSON.stringify(Array.isArray(parsed) ? known : known[0]));
			return;
		}
		while (this.#held !== undefined) await this.#held.promise;
		await open;
		this.asked.count(calls);
		for (const call of calls) waiting.set(call.id, call);
		this.#began();
		node.send(text);
	}

	async #toSide(text: string, side: WebSocket, waiting: Map<number | string, Call>): Promise<void> {
		const parsed = JSON.parse(text) as Answer | readonly Answer[];
		const answers = (Array.isArray(parsed) ? parsed : [parsed]) as readonly Answer[];
		if (answers[0]?.method === "eth_subscription") {
			while (this.#held !== undefined) await this.#held.promise;
			this.asked.show(answers[0].params?.result);
		} else {
			const calls = answers.map(({ id = "" }) => waiting.get(id));
			for (const { id = "" } of answers) waiting.delete(id);
			this.asked.learn(
				calls.filter((call) => call !== undefined),
				answers,
			);
			this.#ended();
		}
		side.send(text);
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
