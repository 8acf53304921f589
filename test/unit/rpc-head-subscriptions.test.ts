/** Subscriptions that say nothing, over real sockets; time is moved by the test. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { createChainSource } from "../../src/rpc/chain-source.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { SCRIPTED_TRUST, scriptedBlock } from "../support/scripted-chain.ts";
import { atTestEnd } from "../support/test-end.ts";

interface Node {
	head: number;
	announces: boolean;
	/** Every socket so far. */
	readonly sockets: readonly WebSocket[];
	/** A block more; told where it announces. */
	mine(): void;
}

async function startNode(): Promise<Node & { readonly url: string }> {
	const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
	await new Promise((resolve) => server.on("listening", resolve));
	const sockets: WebSocket[] = [];
	server.on("connection", (socket) => {
		sockets.push(socket);
		socket.on("message", (data) => {
			const { id, method } = JSON.parse(data.toString()) as { id: number; method: string };
			const result = method === "eth_subscribe" ? "0xab" : scriptedBlock(node.head);
			socket.send(JSON.stringify({ jsonrpc: "2.0", id, result }));
		});
	});
	const node: Node & { readonly url: string } = {
		url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
		head: 100,
		announces: true,
		sockets,
		mine: () => {
			node.head += 1;
			if (!node.announces) return;
			const params = { subscription: "0xab", result: scriptedBlock(node.head) };
			const said = JSON.stringify({ jsonrpc: "2.0", method: "eth_subscription", params });
			for (const socket of sockets) socket.send(said);
		},
	};
	atTestEnd(() => {
		for (const socket of sockets) socket.terminate();
		server.close();
	});
	return node;
}

async function watching(node: Node & { readonly url: string }) {
	const clock = new ManualClock(1_000_000);
	const lines: string[] = [];
	const say = (_: unknown, message: string) => void lines.push(message);
	const source = createChainSource({
		urls: [node.url],
		pollIntervalMs: 1e9,
		timeoutMs: 5_000,
		trust: SCRIPTED_TRUST,
		clock,
		log: { info: say, warn: say },
	});
	atTestEnd(() => source.close());
	const seen = { heads: 0 };
	source.watch(() => {
		seen.heads += 1;
	});
	await expect.poll(() => seen.heads).toBe(1);
	/** Each second a poll, as a follower does at each `onHead`. */
	const poll = async (seconds: number) => {
		for (let second = 0; second < seconds; second += 1) {
			clock.pass(1_000);
			await source.latest();
			await new Promise(setImmediate);
		}
	};
	return { source, clock, lines, seen, poll };
}

describe("a socket", () => {
	test("that announces each head stays, and so does one of a chain that stands still", async () => {
		const node = await startNode();
		const { poll, seen } = await watching(node);
		for (let block = 0; block < 5; block += 1) {
			const before = seen.heads;
			node.mine();
			await expect.poll(() => seen.heads).toBe(before + 1);
			await poll(2);
		}
		await poll(120);
		expect(node.sockets).toHaveLength(1);
	});

	test("that does not announce what the polls see is opened anew, which tells of a head", async () => {
		const node = await startNode();
		const { poll, clock, seen, lines } = await watching(node);
		node.mine();
		await expect.poll(() => seen.heads).toBe(2);
		node.announces = false;
		node.mine();
		await poll(2);
		expect(node.sockets).toHaveLength(1);
		await poll(1);
		expect(lines).toContain("provider's socket is silent: it did not announce block 102");
		clock.pass(250);
		await expect.poll(() => node.sockets.length).toBe(2);
		await expect.poll(() => seen.heads).toBe(3);
		node.announces = true;
		node.mine();
		await expect.poll(() => seen.heads).toBe(4);
		await poll(60);
		expect(node.sockets).toHaveLength(2);
	});

	test("of a node that never announces is opened anew ever more rarely", async () => {
		const node = await startNode();
		node.announces = false;
		const { poll } = await watching(node);
		for (let second = 0; second < 180; second += 1) {
			node.mine();
			await poll(1);
		}
		expect(node.sockets.length).toBeGreaterThan(3);
		expect(node.sockets.length).toBeLessThanOrEqual(8);
	});

	test("that is dropped during a fork is opened anew, and tells of what was missed", async () => {
		const node = await startNode();
		const { clock, seen } = await watching(node);
		node.sockets[0]?.terminate();
		// Another branch, as high as the one before, that nobody announces.
		await expect.poll(() => node.sockets[0]?.readyState).toBe(3);
		await new Promise((resolve) => setTimeout(resolve, 20));
		clock.pass(250);
		await expect.poll(() => seen.heads).toBe(2);
		expect(node.sockets).toHaveLength(2);
	});

	test("that does not answer a ping is given up", async () => {
		const node = await startNode();
		const { clock, seen } = await watching(node);
		// Nothing is read from it any more, so no pong is sent.
		node.sockets[0]?.pause();
		clock.pass(10_000);
		clock.pass(10_000);
		await new Promise((resolve) => setTimeout(resolve, 20));
		clock.pass(250);
		await expect.poll(() => seen.heads).toBe(2);
		expect(node.sockets).toHaveLength(2);
	});

	test("that is refused for a while is not asked for before", async () => {
		const server = createServer();
		let upgrades = 0;
		server.on("upgrade", (_request, socket) => {
			upgrades += 1;
			socket.end("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n");
		});
		await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
		atTestEnd(() => void server.close());
		const clock = new ManualClock(1_000_000);
		const source = createChainSource({
			urls: [`ws://127.0.0.1:${(server.address() as AddressInfo).port}`],
			pollIntervalMs: 1e9,
			timeoutMs: 5_000,
			clock,
		});
		atTestEnd(() => source.close());
		await expect(source.latest()).rejects.toMatchObject({ fields: { reason: "rate_limited" } });
		clock.pass(29_999);
		await expect(source.latest()).rejects.toMatchObject({ fields: { waitMs: 1 } });
		expect(upgrades).toBe(1);
		expect(source.health()).toMatchObject([{ state: "limited" }]);
	});
});
