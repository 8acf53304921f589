import { once } from "node:events";
import { createConnection } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { RecantApiError } from "../../src/client/api-error.ts";
import { RecantClient } from "../../src/client/client.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { type HttpServer, serveHttp } from "../../src/http/server.ts";
import type { EventView, RecantService } from "../../src/service/recant-service.ts";
import { CHAIN_ID, ROLLBACK, type TestHttp, testHttp, UUID } from "../unit/http-fixture.ts";

interface Serving extends TestHttp {
	readonly server: HttpServer;
	readonly client: RecantClient;
}

const running: HttpServer[] = [];

afterEach(async () => {
	await Promise.all(running.splice(0).map((server) => server.close(0)));
});

async function serving(
	options: {
		readonly overrides?: Partial<RecantService>;
		readonly apiKeys?: readonly string[];
		readonly host?: string;
	} = {},
): Promise<Serving> {
	const http = testHttp(options);
	const server = await serveHttp({
		app: http.app,
		host: options.host ?? "127.0.0.1",
		port: 0,
		log: { error: () => undefined },
	});
	running.push(server);
	return { ...http, server, client: new RecantClient({ url: `${server.url}/` }) };
}

describe("the port", () => {
	it("that is in use is named", async () => {
		const { server, app } = await serving();
		const port = Number(new URL(server.url).port);
		const second = serveHttp({ app, host: "127.0.0.1", port, log: { error: () => undefined } });
		await expect(second).rejects.toMatchObject({
			code: "port_in_use",
			message: `port ${port} on 127.0.0.1 is in use`,
			fields: { host: "127.0.0.1", port },
		});
	});

	it("of an address of another machine cannot be bound", async () => {
		const { app } = await serving();
		const log = { error: () => undefined };
		const attempt = serveHttp({ app, host: "192.0.2.1", port: 0, log });
		await expect(attempt).rejects.toMatchObject({
			code: "configuration_invalid",
			hint: expect.stringContaining("RECANT_HOST"),
		});
	});

	it("is in the URL, with brackets around IPv6", async () => {
		const { server } = await serving({ host: "::1" });
		expect(server.url).toMatch(/^http:\/\/\[::1\]:\d+$/);
		expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
	});
});

describe("a request over a socket", () => {
	it.each(["a/b:c", "100%", "a%2Fb", "☃", "history"])("reaches the memory %s", async (id) => {
		const { client, last } = await serving();
		await client.memory("anvil", id, { at: 5n, namespace: "ledger" });
		expect(last("memory")[1]).toMatchObject({ id, at: { at: { kind: "height", height: 5n } } });
	});

	it("with a chunked body past the limit is answered before it is whole", async () => {
		const { server, calls } = await serving();
		const chunk = new Uint8Array(65_536).fill(0x20);
		let sent = 0;
		const body = new ReadableStream<Uint8Array>({
			pull(controller) {
				sent += chunk.length;
				controller.enqueue(chunk);
				if (sent > 4 * LIMITS.requestBytes) controller.close();
			},
		});
		const response = await fetch(`${server.url}/v1/chains/anvil/operations`, {
			method: "POST",
			headers: { "content-type": "application/json" },
			body,
			duplex: "half",
		});
		expect(response.status).toBe(413);
		expect(await response.json()).toMatchObject({ code: "body_too_large" });
		expect(calls).toEqual([]);
	});

	it("by a rebound name is refused", async () => {
		const { server } = await serving();
		const answer = await rawRequest(
			server.url,
			"GET /v1/status HTTP/1.1\r\nHost: evil.example\r\n",
		);
		expect(answer).toMatch(/^HTTP\/1\.1 403 /);
		expect(answer).toContain("forbidden_host");
	});

	it("that is no HTTP ends only its own connection", async () => {
		const { server } = await serving();
		expect(await rawRequest(server.url, "\u0000\u0001\u0002")).toMatch(/^HTTP\/1\.1 400 /);
		expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
	});
});

async function rawRequest(url: string, head: string): Promise<string> {
	const { hostname, port } = new URL(url);
	const socket = createConnection({ host: hostname, port: Number(port) });
	await once(socket, "connect");
	socket.write(`${head}Connection: close\r\n\r\n`);
	const chunks: Buffer[] = [];
	socket.on("data", (chunk: Buffer) => chunks.push(chunk));
	await once(socket, "close");
	return Buffer.concat(chunks).toString();
}

describe("the client", () => {
	it("throws what the service says, with code, hint and status", async () => {
		const { client } = await serving();
		const error = await client.chain("mainnet").catch((caught: unknown) => caught);
		expect(error).toBeInstanceOf(RecantApiError);
		expect(error).toMatchObject({
			code: "unknown_chain",
			hint: "see /v1/status",
			status: 404,
			retryable: false,
			problem: { chain: "mainnet" },
		});
	});

	it("sends its key", async () => {
		const { server, client } = await serving({ apiKeys: ["the-key-of-this-test"] });
		await expect(client.status()).rejects.toMatchObject({ code: "unauthorized", status: 401 });
		const withKey = new RecantClient({ url: server.url, apiKey: "the-key-of-this-test" });
		expect((await withKey.status()).chains).toHaveLength(1);
	});

	it("says when nothing answers, and when something else does", async () => {
		const { server, client } = await serving();
		const wrong = new RecantClient({ url: `${server.url}/docs` });
		await expect(wrong.status()).rejects.toMatchObject({ code: "not_found" });
		await server.close(0);
		await expect(client.status()).rejects.toMatchObject({ code: "unreachable", status: undefined });
	});

	it("writes bigints, batches and keys", async () => {
		const { client, last } = await serving();
		await client.write(
			"anvil",
			[
				{ op: "put", layer: "semantic", content: {}, expiresAtBlock: 2n ** 60n },
				{ op: "delete", id: "a", ifVersion: 3 },
			],
			{ idempotencyKey: "k-1", waitMs: 100 },
		);
		expect(last("write")[1]).toMatchObject({
			operations: [{ expiresAtBlock: 2n ** 60n }, { ifVersion: 3n }],
			idempotencyKey: "k-1",
			deadlineMs: 100,
		});
	});

	it("calls every route as it is documented", async () => {
		const { client, calls } = await serving();
		await client.status();
		await client.chain("anvil");
		await client.blocks("anvil", { from: 1, to: 5n, fork: "all" });
		await client.operation("anvil", UUID);
		await client.memories("anvil", { at: "latest", layer: "episodic", limit: 5 });
		await client.history("anvil", "a", { namespace: "ledger" });
		await client.search("anvil", { text: "a", k: 3 });
		await client.diff("anvil", { from: 1, to: "latest" });
		await client.checkpoints("anvil", { before: 10n });
		await client.checkpoint("anvil", 0);
		await client.rollbacks("anvil");
		await client.rollback("anvil", UUID);
		await client.report("anvil", UUID);
		await client.planRollback("anvil", 0n);
		expect((await client.startRollback("anvil", 0)).id).toBe(ROLLBACK.id);
		const restored = { to: 5n, namespaces: ["a"] };
		expect((await client.restore("anvil", restored, { dryRun: true })).dryRun).toBe(true);
		const applied = await client.restore("anvil", restored, { idempotencyKey: "k-2" });
		expect(applied).toMatchObject({ dryRun: false, idempotencyKey: "k-2" });
		await client.merge("anvil", { theirs: "latest", rule: { kind: "latest" } });
		expect(calls).toHaveLength(18);
	});
});

describe("events over a socket", () => {
	it("arrive as they come, and their id resumes", async () => {
		async function* two(): AsyncGenerator<EventView> {
			yield { chainId: CHAIN_ID, position: 13n, type: "put", data: { text: "a\n\nb" } };
			yield { chainId: CHAIN_ID, position: undefined, type: "progress", data: {} };
		}
		const { client } = await serving({ overrides: { events: two } });
		const received = await collect(client.events({}, AbortSignal.timeout(20_000)));
		expect(received).toEqual([
			{
				id: `${CHAIN_ID}:13`,
				event: { chainId: CHAIN_ID, position: "13", type: "put", data: { text: "a\n\nb" } },
			},
			{ id: `${CHAIN_ID}:13`, event: { chainId: CHAIN_ID, type: "progress", data: {} } },
		]);
	});

	it("stop at their source when the client goes", async () => {
		const source = waitingSource();
		const { client } = await serving({ overrides: { events: source.events } });
		const stop = new AbortController();
		const reading = collect(client.events({}, stop.signal)).catch(() => undefined);
		await source.opened;
		stop.abort();
		await source.ended;
		await reading;
	});

	it("end when the server closes, well before its deadline", async () => {
		const source = waitingSource();
		const { client, server } = await serving({ overrides: { events: source.events } });
		const reading = collect(client.events({}, AbortSignal.timeout(50_000)));
		await source.opened;
		const begin = Date.now();
		await server.close(40_000);
		expect(Date.now() - begin).toBeLessThan(20_000);
		expect(await reading).toEqual([]);
		await source.ended;
	});
});

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
	const collected: Item[] = [];
	for await (const item of items) collected.push(item);
	return collected;
}

/** Events that never come, until the signal. */
function waitingSource() {
	const opened = Promise.withResolvers<void>();
	const ended = Promise.withResolvers<void>();
	async function* events(_query: unknown, signal: AbortSignal): AsyncGenerator<EventView> {
		opened.resolve();
		await new Promise<void>((resolve) => {
			signal.addEventListener("abort", () => resolve());
		});
		ended.resolve();
		yield* [];
	}
	return { events, opened: opened.promise, ended: ended.promise };
}

describe("closing", () => {
	it("lets a request under way finish", async () => {
		const gate = Promise.withResolvers<void>();
		const asked = Promise.withResolvers<void>();
		const { client, server } = await serving({
			overrides: {
				rollback: async () => {
					asked.resolve();
					await gate.promise;
					return ROLLBACK;
				},
			},
		});
		const answer = client.rollback("anvil", UUID);
		await asked.promise;
		const closed = server.close(10_000);
		setTimeout(() => gate.resolve(), 50);
		expect((await answer).id).toBe(ROLLBACK.id);
		await closed;
	});

	it("cuts what is left when the deadline passes, and may be asked twice", async () => {
		const asked = Promise.withResolvers<void>();
		const { client, server } = await serving({
			overrides: {
				rollback: () => {
					asked.resolve();
					return new Promise(() => undefined);
				},
			},
		});
		const answer = client.rollback("anvil", UUID).catch((error: unknown) => error);
		await asked.promise;
		const begin = Date.now();
		await Promise.all([server.close(100), server.close(100)]);
		expect(Date.now() - begin).toBeLessThan(20_000);
		expect(await answer).toMatchObject({ code: "unreachable" });
	});
});
