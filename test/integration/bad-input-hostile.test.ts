import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Anvil } from "../../scripts/support/anvil.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { type EventClient, openEventClient } from "../support/event-client.ts";
import {
	type Installation,
	makeInstallation,
	problemOf,
	type RunningService,
	startService,
	startTokenNode,
	tokenChain,
	until,
} from "../support/running-service.ts";

let anvil: Anvil;
let installation: Installation;
let service: RunningService;

beforeAll(async () => {
	installation = await makeInstallation("hostile");
	const node = await startTokenNode();
	anvil = node.anvil;
	await anvil.mine(3);
	service = await startService({
		installation,
		chains: [tokenChain({ rpcUrl: anvil.rpcUrl, token: node.token.address })],
		flushRows: 1,
	});
	await service.reaches(4);
	// Until LanceDB has a table, a search scans the tail alone.
	await service.write({
		op: "put",
		...{ id: "bait", namespace: "bait", layer: "semantic" },
		...{ content: { secret: true }, text: "a secret that no filter may give away" },
	});
	await flushed();
});

afterAll(async () => {
	await service?.stop();
	await anvil?.stop();
	await installation?.remove();
});

async function flushed(): Promise<void> {
	await until("the tail to be flushed", async () => {
		const { body } = await service.chain("");
		return body.collections.every(({ tail }: { tail: number }) => tail === 0);
	});
}

const NAMES = [
	"' OR '1'='1",
	"'; drop table recant.versions; --",
	"') OR true --",
	"\\' OR 1=1 --",
	'" OR ""="',
	"a' AND layer IN ('semantic') OR 'a'='a",
	"%",
	"_",
	"$1",
	"$" + "{namespace}",
	"{1,2}",
	'{"a","b"}',
	"NULL",
	",",
	"a/b",
	"a//b/../c",
	"100%25",
	"%2F",
	"?x=1&y=2",
	"#top",
	"a b\tc",
	"line\nbreak\r\n",
	"\u0001\u001f\u007f",
	"\u202edetrever",
	"\u200b",
	"e\u0301 \u00e9",
	"\u{1f600}\u{1f468}\u200d\u{1f469}\u200d\u{1f467}",
	"\ufffd\uffff",
	"__proto__",
	"constructor",
	"toString",
	"history",
	"..a",
	"a:b@c",
	"日本語".repeat(42),
];

describe("a name", () => {
	it.each(NAMES)("%j of a memory and its namespace is nothing but a name", async (name) => {
		const memory = { id: name, namespace: name.slice(0, 128), layer: "semantic" };
		const content = { [name === "__proto__" ? "proto" : name]: name };
		const written = await service.write({ op: "put", ...memory, content, text: name });
		expect(written.status, written.text).toBe(201);
		await flushed();

		const query = `namespace=${encodeURIComponent(memory.namespace)}`;
		const id = encodeURIComponent(name);
		const read = await service.chain(`/memories/${id}?${query}`);
		expect(read.body.memory).toMatchObject({ ...memory, content });
		const listed = await service.chain(`/memories?${query}`);
		expect(listed.body.items.map((item: { id: string }) => item.id)).toEqual([name]);
		const history = await service.chain(`/memories/${id}/history?${query}`);
		expect(history.body.items).toHaveLength(1);
		const { body } = await service.search({ text: "secret", namespace: memory.namespace, k: 200 });
		expect(body.results.map((result: { memory: { id: string } }) => result.memory.id)).toEqual([
			name,
		]);
		const diff = await service.chain(`/diff?from=0&${query}`);
		expect(diff.body.items.map((item: { id: string }) => item.id)).toEqual([name]);
		const gone = await service.write({ op: "delete", id: name, namespace: memory.namespace });
		expect(gone.status).toBe(201);
		expect((await service.chain(`/memories/${id}?${query}`)).status).toBe(404);
	});

	it("may be as long as the limit in the longest characters, and pages go past it", async () => {
		const namespace = "\u0001".repeat(LIMITS.namespaceLength);
		const ids = ["a", "b"].map((last) => "\u0001".repeat(LIMITS.idLength - 1) + last);
		const operations = ids.map((id) => ({
			op: "put",
			...{ id, namespace, layer: "semantic", content: {} },
		}));
		expect((await service.write({ operations })).status).toBe(201);
		const query = `namespace=${encodeURIComponent(namespace)}&limit=1`;
		const first = await service.chain(`/memories?${query}`);
		const second = await service.chain(`/memories?${query}&cursor=${first.body.cursor}`);
		expect(second.body.items.map((item: { id: string }) => item.id)).toEqual([ids[1]]);
		expect(second.body.cursor).toBeUndefined();
	});
});

describe("a text", () => {
	it.each([
		["nothing", ""],
		["white space", " \n\t "],
		["one character", "x"],
		["digits", "0".repeat(32_768)],
		["one long word", "w".repeat(32_768)],
		["emoji", "\u{1f600}".repeat(8_192)],
		["combining marks", `a${"\u0301".repeat(16_000)}`],
		["a quote", "'\"`--;"],
	])("of %s is kept and searched", async (_what, text) => {
		const namespace = `text ${_what}`;
		const put = { op: "put", id: "t", namespace, layer: "episodic", content: {}, text };
		expect((await service.write(put)).status).toBe(201);
		const found = await service.search({ text: text === "" ? " " : text, namespace, k: 3 });
		expect(found.body.results).toHaveLength(1);
		expect(found.body.results[0].memory.text).toBe(text);
	});
});

describe("a vector", () => {
	const COLLECTION = "extreme";
	const VECTORS: Readonly<Record<string, readonly number[]>> = {
		huge: [3e38, 3e38, 3e38],
		tiny: [1e-45, 0, 0],
		vanishing: [0, 1e-300, 0],
		denormal: [0, 0, 5e-324],
		plain: [0, 1, 1],
	};

	it("of any length that JSON can hold has its direction, in the table and in the tail", async () => {
		const operations = Object.entries(VECTORS).map(([id, vector]) => ({
			op: "put",
			...{ id, namespace: "vectors", layer: "semantic", content: {}, vector },
			collection: COLLECTION,
		}));
		expect((await service.write({ operations })).status).toBe(201);
		const nearest = async (vector: readonly number[]) => {
			const { body } = await service.search({ vector, collection: COLLECTION, k: 5 });
			expect(body.results).toHaveLength(5);
			return body.results[0].memory.id;
		};
		const look = async () => [
			await nearest([1e38, 1e38, 1e38]),
			await nearest([1e-200, 0, 0]),
			await nearest([0, 1e30, 0]),
			await nearest([0, 0, 5e-324]),
		];
		const expected = ["huge", "tiny", "vanishing", "denormal"];
		expect(await look()).toEqual(expected);
		await flushed();
		expect(await look()).toEqual(expected);
	});
});

describe("a search through many", () => {
	it("finds the few that match, however far down they are", async () => {
		const namespace = "many";
		const memory = (index: number) => ({
			op: "put",
			...{ id: `m${index}`, namespace, layer: "semantic" },
			content: { index, rare: index === 999 },
			importance: index === 998 ? 1 : 0.1,
			text: `whale number ${index}`,
		});
		const operations = Array.from({ length: 1_000 }, (_, index) => memory(index));
		expect((await service.write({ operations })).status).toBe(201);
		await flushed();
		const ids = async (query: object) => {
			const { status, body, text } = await service.search({ text: "whale", namespace, ...query });
			expect(status, text).toBe(200);
			return body.results.map((result: { memory: { id: string } }) => result.memory.id);
		};
		expect(await ids({ where: { rare: true } })).toEqual(["m999"]);
		expect(await ids({ where: { index: 500 }, k: 200 })).toEqual(["m500"]);
		expect(await ids({ minImportance: 0.9 })).toEqual(["m998"]);
		expect(await ids({ k: 200 })).toHaveLength(200);
	});
});

describe("a connection", () => {
	const request = async (head: string, body = ""): Promise<string> => {
		const socket = await open();
		socket.write(`${head}\r\nConnection: close\r\n\r\n${body}`);
		return read(socket);
	};
	const open = async (): Promise<Socket> => {
		const { hostname, port } = new URL(service.url);
		const socket = createConnection({ host: hostname, port: Number(port) });
		await once(socket, "connect");
		return socket;
	};
	const read = async (socket: Socket): Promise<string> => {
		const chunks: Buffer[] = [];
		// A server that has enough of a request may reset it.
		socket.on("error", () => undefined);
		socket.on("data", (chunk: Buffer) => chunks.push(chunk));
		await once(socket, "close");
		return Buffer.concat(chunks).toString();
	};

	it.each([
		["a rebound name", "GET /v1/status HTTP/1.1\r\nHost: evil.example:8080"],
		[
			"a rebound name for a write",
			"POST /v1/chains/anvil/operations HTTP/1.1\r\nHost: evil.example",
		],
		["a name that only begins as ours", "GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1.evil.example"],
		["a name that only ends as ours", "GET /healthz HTTP/1.1\r\nHost: evil-localhost"],
		["credentials before the name", "GET /v1/status HTTP/1.1\r\nHost: localhost@evil.example"],
	])("by %s is refused", async (_what, head) => {
		const answer = await request(head);
		expect(answer).toMatch(/^HTTP\/1\.1 40[03] /);
		expect(answer).not.toContain("installationId");
	});

	it("from a page of another origin may not write", async () => {
		const answer = await service.get("/v1/chains/anvil/operations", {
			method: "POST",
			headers: { "content-type": "application/json", origin: "https://evil.example" },
			body: "{}",
		});
		expect(problemOf(answer)).toMatchObject({ status: 403, code: "forbidden_origin" });
	});

	it.each([
		["no HTTP", "\u0016\u0003\u0001"],
		["an unknown version", "GET / HTTP/9.9\r\nHost: localhost"],
		["no Host", "GET /v1/status HTTP/1.1"],
		["two Hosts", "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nHost: evil.example"],
		["a bare line feed in a header", "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX: a\u0000b"],
		[
			"two lengths",
			"POST /v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2",
		],
		[
			"a length and chunks",
			"POST /v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
		],
		["a negative length", "POST /v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1"],
		["TRACE", "TRACE /v1/status HTTP/1.1\r\nHost: localhost"],
		["CONNECT", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443"],
		[
			"an absolute target elsewhere",
			"GET http://evil.example/v1/status HTTP/1.1\r\nHost: localhost",
		],
		["a target that is no path", "GET status HTTP/1.1\r\nHost: localhost"],
		[
			"a query past every limit",
			`GET /v1/status?${"q".repeat(40_000)} HTTP/1.1\r\nHost: localhost`,
		],
		[
			"headers past every limit",
			`GET /v1/status HTTP/1.1\r\nHost: localhost\r\n${"X-A: b\r\n".repeat(5_000)}X-Z: z`,
		],
	])("with %s gets an answer below 500 or none, and harms nobody", async (_what, head) => {
		const answer = await request(head);
		expect(answer).toMatch(/^(HTTP\/1\.1 [1-4]\d\d |$)/);
		expect(answer).not.toMatch(/node_modules|\.ts:\d/);
		expect((await service.get("/healthz")).status).toBe(200);
	});

	it("that sends its head drop by drop is cut, and others are served meanwhile", async () => {
		const sockets = await Promise.all(Array.from({ length: 50 }, open));
		const closed = sockets.map((socket) => read(socket));
		const drops = setInterval(() => {
			for (const socket of sockets) if (socket.writable) socket.write("X");
		}, 200);
		for (const socket of sockets) socket.write("GET /v1/status HTTP/1.1\r\nHost: localhost\r\n");
		try {
			expect((await service.chain("/memories")).status).toBe(200);
			const started = performance.now();
			const answers = await Promise.all(closed);
			expect(performance.now() - started).toBeLessThan(20_000);
			expect(answers.filter((answer) => !/^(HTTP\/1\.1 408 |$)/.test(answer))).toEqual([]);
		} finally {
			clearInterval(drops);
			for (const socket of sockets) socket.destroy();
		}
	});

	it("that ends within its body writes nothing", async () => {
		const { logPosition } = (await service.chain("")).body;
		const socket = await open();
		const body = '{"op":"put","layer":"semantic","content":{';
		socket.write(
			`POST /v1/chains/anvil/operations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n${body}`,
		);
		await sleep(50);
		socket.destroy();
		expect((await service.chain("")).body.logPosition).toBe(logPosition);
	});
});

describe("API keys", () => {
	const KEY = "k".repeat(32);
	let locked: RunningService;
	let own: Installation;

	beforeAll(async () => {
		own = await makeInstallation("keys");
		locked = await startService({
			installation: own,
			chains: [
				tokenChain({ rpcUrl: anvil.rpcUrl, token: "0x5fbdb2315678afecb367f032d93f642f64180aa3" }),
			],
			variables: { RECANT_API_KEYS: `${KEY},${"l".repeat(32)}` },
		});
		await until(
			"the chain to be followed",
			async () => (await locked.get("/readyz")).status === 200,
		);
	});

	afterAll(async () => {
		await locked?.stop();
		await own?.remove();
	});

	it.each([
		["no header", undefined],
		["an empty one", ""],
		["no scheme", KEY],
		["another scheme", `Basic ${KEY}`],
		["an empty key", "Bearer "],
		["a wrong key", `Bearer ${"x".repeat(32)}`],
		["the beginning of a key", `Bearer ${KEY.slice(0, -1)}`],
		["a key and more", `Bearer ${KEY}k`],
		["two keys", `Bearer ${KEY},${KEY}`],
		["a very long key", `Bearer ${"k".repeat(10_000)}`],
	])("are asked for: %s is refused everywhere but for health", async (_what, authorization) => {
		const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
		for (const path of ["/v1/status", "/v1/chains/anvil/memories", "/v1/events", "/v1/nothing"]) {
			const answer = await locked.get(path, { headers });
			expect(problemOf(answer)).toMatchObject({ status: 401, code: "unauthorized" });
			expect(answer.headers.get("www-authenticate")).toContain("Bearer");
		}
		expect((await locked.get("/healthz", { headers })).status).toBe(200);
	});

	it("open everything, whatever name the service is called by", async () => {
		const headers = { authorization: `bearer ${KEY}` };
		expect((await locked.get("/v1/status", { headers })).status).toBe(200);
	});
});

describe("event clients", () => {
	const CONNECTING_AT_ONCE = 32;
	/** A client that is gone must be seen by its connection, not by a comment that it does not take. */
	const WELL_BEFORE_BEAT_MS = LIMITS.eventHeartbeatMs / 2;

	it("past the limit are refused, and a place that is left is taken again at once", async () => {
		const clients: EventClient[] = [];
		const connect = async () => {
			const client = await openEventClient(service.url);
			clients.push(client);
			return client.status;
		};
		try {
			for (let count = 0; count < LIMITS.eventClients; count += CONNECTING_AT_ONCE) {
				const answers = await Promise.all(Array.from({ length: CONNECTING_AT_ONCE }, connect));
				expect(new Set(answers)).toEqual(new Set([200]));
			}
			expect(await connect()).toBe(503);
			const refused = await service.get("/v1/events");
			expect(problemOf(refused)).toMatchObject({ status: 503, code: "too_many_clients" });
			expect((await service.chain("/memories?limit=1")).status).toBe(200);
			// The youngest, whose next comment is farthest away.
			clients[LIMITS.eventClients - 1]?.leave();
			await until(
				"the place to be free",
				async () => (await connect()) === 200,
				WELL_BEFORE_BEAT_MS,
			);
			expect(await connect()).toBe(503);
		} finally {
			for (const client of clients) client.leave();
		}
	});

	it.each([
		["garbage", "garbage"],
		["another shape", "31337"],
		["a negative position", "31337:-1"],
		["a position past every log", "31337:9223372036854775806"],
		["a position past a bigint", "31337:9223372036854775807"],
		["a number past 2^53", "9999999999999999:1"],
		["too many chains", Array.from({ length: 65 }, (_, n) => `${n + 1}:0`).join()],
		["injection", "31337:1 or 1=1"],
		["an empty part", "31337:1,,"],
	])("that resume after %s are refused", async (_what, id) => {
		for (const answer of [
			await service.get("/v1/events", { headers: { "last-event-id": id } }),
			await service.get(`/v1/events?after=${encodeURIComponent(id)}`),
		]) {
			expect(problemOf(answer)).toMatchObject({ status: 400, code: "cursor_invalid" });
		}
	});

	it.each([
		["an unknown chain", "chain=nowhere", 404],
		["no name", "chain=%20", 400],
		["types that are none", "types=a'b", 400],
		["too many types", `types=${Array.from({ length: 65 }, (_, n) => `t${n}`).join()}`, 422],
	])("that ask for %s are refused", async (_what, query, status) => {
		expect(problemOf(await service.get(`/v1/events?${query}`)).status).toBe(status);
	});
});
