/** What several answers on one socket cost where the node sends each only when the one before is acknowledged. */
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { systemClock } from "../../src/domain/clock.ts";
import { parseProviderUrl } from "../../src/rpc/provider-url.ts";
import { WebSocketConnection } from "../../src/rpc/web-socket-connection.ts";

const LATER = "later";

let server: WebSocketServer;
let connection: WebSocketConnection;
/** Answers that wait for the one before to be acknowledged: by the first pong, as Nagle's algorithm has it. */
let held: string[];
let pongs: number;

beforeEach(async () => {
	held = [];
	pongs = 0;
	server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
	await new Promise((resolve) => server.once("listening", resolve));
	server.on("connection", answerOneByOne);
	const { port } = server.address() as AddressInfo;
	connection = new WebSocketConnection(parseProviderUrl(`ws://127.0.0.1:${port}`), {
		timeoutMs: 2_000,
		clock: systemClock,
	});
});
afterEach(async () => {
	connection.close();
	for (const socket of server.clients) socket.terminate();
	await new Promise((resolve) => server.close(resolve));
});

function answerOneByOne(socket: WebSocket): void {
	let unacknowledged = false;
	const next = () => {
		const answer = unacknowledged ? undefined : held.shift();
		if (answer === undefined) return;
		unacknowledged = true;
		socket.send(answer);
	};
	socket.on("message", (data) => {
		const { id, params } = JSON.parse(data.toString()) as { id: number; params: unknown[] };
		// Sent after the answers had come, so it acknowledges the last.
		if (params[0] === LATER) unacknowledged = false;
		held.push(JSON.stringify({ jsonrpc: "2.0", id, result: params[0] }));
		next();
	});
	socket.on("pong", () => {
		pongs += 1;
		unacknowledged = false;
		next();
	});
}

const calls = (count: number) =>
	Array.from({ length: count }, (_, index) => ({ method: "eth_chainId", params: [index] }));

test("an answer is acknowledged at once while others are waited for, and not after the last", async () => {
	const outcomes = await connection.send(calls(5));
	expect(outcomes).toEqual(Array.from({ length: 5 }, (_, value) => ({ kind: "result", value })));
	// What is alone needs none; and whatever was sent before it has come by its answer.
	await connection.send([{ method: "eth_chainId", params: [LATER] }]);
	expect(pongs).toBe(4);
});

test("answers that come together are acknowledged together", async () => {
	server.removeAllListeners("connection");
	server.on("connection", (socket) => {
		socket.on("pong", () => {
			pongs += 1;
		});
		const answers: string[] = [];
		socket.on("message", (data) => {
			const { id } = JSON.parse(data.toString()) as { id: number };
			answers.push(JSON.stringify({ jsonrpc: "2.0", id, result: id }));
			if (answers.length < 6) return;
			const { _socket: tcp } = socket as unknown as { _socket: { cork(): void; uncork(): void } };
			// One write for the first five.
			tcp.cork();
			for (const answer of answers.slice(0, 5)) socket.send(answer);
			tcp.uncork();
			socket.once("pong", () => socket.send(answers[5] ?? ""));
		});
	});
	expect(await connection.send(calls(6))).toHaveLength(6);
	expect(pongs).toBe(1);
});
