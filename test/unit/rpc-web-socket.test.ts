/** Sockets that misbehave, over real TCP. What a well-behaved one does is tested on Anvil. */
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { ChainSource } from "../../src/follower/chain-source.ts";
import { createChainSource } from "../../src/rpc/chain-source.ts";
import { acceptUpgrade, sendText, startRawSocketServer } from "../support/raw-socket-server.ts";
import { atTestEnd } from "../support/test-end.ts";

const TIMEOUT_MS = 200;
const UNAVAILABLE = { code: "rpc_unavailable", retryable: true };

function sourceOf(url: string, pollIntervalMs = 60_000): ChainSource {
	const source = createChainSource({ urls: [url], pollIntervalMs, timeoutMs: TIMEOUT_MS });
	atTestEnd(() => source.close());
	return source;
}

describe("a WebSocket provider", () => {
	test.each([
		["never accepts the socket", () => undefined],
		["accepts the socket and stays silent", acceptUpgrade],
	])("that %s is given up in time, and its connection ended", async (_, talk) => {
		const server = await startRawSocketServer(talk);
		const startedMs = performance.now();
		await expect(sourceOf(server.url).chainId()).rejects.toMatchObject({
			...UNAVAILABLE,
			fields: { reason: "timeout", method: "eth_chainId" },
		});
		expect(performance.now() - startedMs).toBeLessThan(TIMEOUT_MS + 500);
		await expect.poll(() => server.openConnections()).toBe(0);
	});

	test.each([
		["429 Too Many Requests", "rate_limited"],
		["403 Forbidden", "http_status"],
	])("that refuses the socket with %s is put aside", async (status, reason) => {
		const server = await startRawSocketServer((socket) =>
			socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`),
		);
		const source = sourceOf(server.url);
		// The clock stands still, so the pause after the first failure does not pass.
		vi.useFakeTimers({ toFake: ["performance"] });
		onTestFinished(() => void vi.useRealTimers());
		await expect(source.chainId()).rejects.toMatchObject({ ...UNAVAILABLE, fields: { reason } });
		await expect(source.chainId()).rejects.toMatchObject(UNAVAILABLE);
		expect(server.connections).toHaveLength(1);
	});

	test.each(["no JSON", "[]", '{"id":1}'])("that says %s is malformed", async (text) => {
		const server = await startRawSocketServer((socket, request) => {
			acceptUpgrade(socket, request);
			socket.once("data", () => sendText(socket, text));
		});
		await expect(sourceOf(server.url).chainId()).rejects.toMatchObject({
			code: "rpc_failed",
			fields: { reason: "malformed" },
		});
	});

	test("that answers another call is not believed", async () => {
		const server = await startRawSocketServer((socket, request) => {
			acceptUpgrade(socket, request);
			socket.once("data", () => sendText(socket, '{"id":99,"result":"0x1"}'));
		});
		await expect(sourceOf(server.url).chainId()).rejects.toMatchObject(UNAVAILABLE);
	});

	test("that drops the socket under a call is asked once more on a new one", async () => {
		const server = await startRawSocketServer((socket, request) => {
			acceptUpgrade(socket, request);
			socket.once("data", () => {
				if (server.connections.length === 1) socket.destroy();
				else sendText(socket, '{"id":1,"result":"0x1"}');
			});
		});
		expect(await sourceOf(server.url).chainId()).toBe(1);
		expect(server.connections).toHaveLength(2);
	});

	test("that cannot announce heads is polled", async () => {
		const server = await startRawSocketServer((socket, request) => {
			acceptUpgrade(socket, request);
			socket.once("data", () =>
				sendText(socket, '{"id":1,"error":{"code":-32601,"message":"no such method"}}'),
			);
		});
		let heads = 0;
		const stop = sourceOf(server.url, 20).watch(() => {
			heads += 1;
		});
		await expect.poll(() => heads).toBeGreaterThan(3);
		stop();
		const before = heads;
		await new Promise((resolve) => setTimeout(resolve, 100));
		expect(heads).toBe(before);
	});

	test("is left at once by close, also when it would never say goodbye", async () => {
		const server = await startRawSocketServer(acceptUpgrade);
		const source = sourceOf(server.url);
		const underWay = expect(source.chainId()).rejects.toMatchObject(UNAVAILABLE);
		await expect.poll(() => server.openConnections()).toBe(1);
		await source.close();
		await underWay;
		await expect.poll(() => server.openConnections()).toBe(0);
	});
});
