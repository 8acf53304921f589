import { describe, expect, it } from "vitest";
import { EVERYBODY } from "../../src/domain/caller.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { CHAIN_ID, HASH_A, readJson, testHttp } from "./http-fixture.ts";

const OPERATIONS = "/v1/chains/anvil/operations";
const SEARCH = "/v1/chains/anvil/search";
const put = { op: "put", layer: "semantic", content: { sky: "blue" } };

interface ReceivedProblem {
	readonly code: string;
	readonly detail: string;
	readonly problems: readonly { readonly path: string }[];
	readonly value: number;
	readonly max: number;
}

async function problemOf(response: Response): Promise<ReceivedProblem> {
	expect(response.headers.get("content-type")).toBe("application/problem+json");
	const problem = await readJson<ReceivedProblem>(response);
	expect(problem).toMatchObject({
		type: `urn:recant:error:${problem.code}`,
		status: response.status,
		title: expect.any(String),
		detail: expect.any(String),
		hint: expect.any(String),
		instance: expect.stringMatching(/^urn:uuid:/),
	});
	return problem;
}

function pathsOf({ problems }: ReceivedProblem): string[] {
	return problems.map(({ path }) => path);
}

describe("several values past their limits", () => {
	it("are all named, with their paths", async () => {
		const large = { ...put, content: { x: "y".repeat(LIMITS.contentBytes) } };
		const long = { ...put, text: "y".repeat(LIMITS.textBytes + 1) };
		const response = await testHttp().post(OPERATIONS, { operations: [large, put, long] });
		expect(response.status).toBe(422);
		const problem = await problemOf(response);
		expect(problem).toMatchObject({ code: "limit_exceeded", limit: "contentBytes" });
		expect(problem.detail).toContain("(and 1 more)");
		expect(pathsOf(problem)).toEqual(["body.operations[0].content", "body.operations[2].text"]);
	});
});

describe("an operation", () => {
	it("does not take one anchor and several: the one would be lost", async () => {
		const both = { ...put, anchor: { block: HASH_A }, anchors: { any: [{ block: HASH_A }] } };
		const problem = await problemOf(await testHttp().post(OPERATIONS, both));
		expect(pathsOf(problem)).toEqual(["body.anchors"]);
	});

	it("gets its defaults, and bigints from numbers and strings", async () => {
		const http = testHttp();
		const response = await http.post(OPERATIONS, {
			...put,
			expiresAtBlock: 5,
			ifVersion: "9223372036854775806",
			anchor: { block: HASH_A.toUpperCase().replace("0X", "0x") },
		});
		expect(response.status).toBe(201);
		expect(http.last("write")).toEqual([
			"anvil",
			{
				operations: [
					expect.objectContaining({
						kind: "put",
						namespace: "default",
						id: undefined,
						expiresAtBlock: 5n,
						ifVersion: 9223372036854775806n,
						anchors: { mode: "all", anchors: [{ block: HASH_A }] },
						content: { sky: "blue" },
					}),
				],
				idempotencyKey: undefined,
				deadlineMs: LIMITS.writeDeadlineMs,
				caller: EVERYBODY,
			},
		]);
	});

	it("may be one of a batch, in order", async () => {
		const http = testHttp();
		const operations = [put, { op: "patch", id: "a", content: {} }, { op: "delete", id: "b" }];
		await http.post(`${OPERATIONS}?wait=0`, { operations }, undefined);
		const [, request] = http.last("write");
		expect(request).toMatchObject({
			operations: [{ kind: "put" }, { kind: "patch", id: "a" }, { kind: "delete", id: "b" }],
			deadlineMs: 0,
		});
	});

	it.each([
		["committed", { committed: true, repeated: false }, 201],
		["repeated", { committed: true, repeated: true }, 200],
		["queued", { committed: false, repeated: false }, 202],
		["repeated while queued", { committed: false, repeated: true }, 202],
	] as const)("that is %s is answered so", async (_name, outcome, status) => {
		const http = testHttp({
			overrides: { write: async () => ({ ...outcome, operations: [], at: undefined }) },
		});
		expect((await http.post(OPERATIONS, put)).status).toBe(status);
	});

	it("has every problem listed with its path", async () => {
		const response = await testHttp().post(OPERATIONS, {
			operations: [
				{ op: "put", layer: "deep", content: [], colour: 1, anchor: {} },
				{ op: "move", id: "a" },
				{ op: "delete" },
				{ ...put, importance: 2, expiresAtBlock: -1, ifVersion: 1.5, namespace: "" },
				{ ...put, content: { wei: 2 ** 53 }, vector: [1e39] },
			],
		});
		expect(response.status).toBe(400);
		const problem = await problemOf(response);
		expect(problem.code).toBe("invalid_request");
		expect(new Set(pathsOf(problem))).toEqual(
			new Set([
				"body.operations[0].layer",
				"body.operations[0].content",
				"body.operations[0].colour",
				"body.operations[0].anchor",
				"body.operations[1].op",
				"body.operations[2].id",
				"body.operations[3].importance",
				"body.operations[3].expiresAtBlock",
				"body.operations[3].ifVersion",
				"body.operations[3].namespace",
				"body.operations[4].content.wei",
				"body.operations[4].vector",
			]),
		);
	});

	it("ends at a height or at a time, and not at both", async () => {
		const http = testHttp();
		expect((await http.post(OPERATIONS, { ...put, expiresAtTime: "1767225600" })).status).toBe(201);
		expect(http.last("write")).toMatchObject([
			"anvil",
			{ operations: [{ expiresAtBlock: undefined, expiresAtTime: 1_767_225_600n }] },
		]);
		const both = { ...put, expiresAtBlock: 5, expiresAtTime: 1_767_225_600 };
		const one = await problemOf(await http.post(OPERATIONS, both));
		expect(pathsOf(one)).toEqual(["body.expiresAtTime"]);
		const batch = await problemOf(await http.post(OPERATIONS, { operations: [put, both] }));
		expect(pathsOf(batch)).toEqual(["body.operations[1].expiresAtTime"]);
	});

	it("is refused with the name of the header or query that is wrong", async () => {
		const headers = { "content-type": "application/json", "idempotency-key": "a b" };
		const bad = await testHttp().post(`${OPERATIONS}?wait=-1`, put);
		expect(pathsOf(await problemOf(bad))).toEqual(["query.wait"]);
		const key = await testHttp().post(OPERATIONS, put, { headers });
		expect(pathsOf(await problemOf(key))).toEqual(["header.idempotency-key"]);
	});

	it.each([".", ".."])("may not be called %s, which no URL can hold", async (id) => {
		expect((await testHttp().post(OPERATIONS, { ...put, id })).status).toBe(400);
	});
});

describe("a body", () => {
	it.each([
		["cut short", '{"op":', "invalid_request", 400],
		["empty", "", "invalid_request", 400],
		["a list", "[]", "invalid_request", 400],
		["a null", "null", "invalid_request", 400],
		["without operations", '{"operations":[]}', "invalid_request", 400],
	])("that is %s is refused", async (_name, body, code, status) => {
		const response = await testHttp().post(OPERATIONS, body);
		expect(response.status).toBe(status);
		expect((await problemOf(response)).code).toBe(code);
	});

	it.each(["text/plain", "application/x-www-form-urlencoded", "application/jsonx", undefined])(
		"of type %s is refused",
		async (type) => {
			const headers: Record<string, string> = type === undefined ? {} : { "content-type": type };
			const body = new TextEncoder().encode(JSON.stringify(put));
			const response = await testHttp().get(OPERATIONS, { method: "POST", body, headers });
			expect(response.status).toBe(415);
			expect((await problemOf(response)).code).toBe("unsupported_media_type");
		},
	);

	it("of JSON with a charset is taken", async () => {
		const headers = { "content-type": "application/json; charset=utf-8" };
		expect((await testHttp().post(OPERATIONS, put, { headers })).status).toBe(201);
	});

	it("that is not UTF-8 is refused", async () => {
		const response = await testHttp().get(OPERATIONS, {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]),
		});
		expect((await problemOf(response)).detail).toContain("not UTF-8");
	});

	it.each([
		["lists", "[".repeat(500_000) + "]".repeat(500_000)],
		["objects", `${'{"a":'.repeat(200_000)}1${"}".repeat(200_000)}`],
		["content", JSON.stringify({ ...put, content: nested(LIMITS.contentDepth + 1) })],
	])("nested too deep in %s is refused by the limit's name", async (_name, body) => {
		const response = await testHttp().post(OPERATIONS, body);
		expect(response.status).toBe(422);
		const problem = await problemOf(response);
		expect(problem).toMatchObject({ code: "limit_exceeded", limit: "contentDepth" });
	});

	it("nested as deep as the limit is taken", async () => {
		const content = nested(LIMITS.contentDepth);
		expect((await testHttp().post(OPERATIONS, { ...put, content })).status).toBe(201);
		const operations = [{ ...put, content }];
		expect((await testHttp().post(OPERATIONS, { operations })).status).toBe(201);
	});

	it("with more bytes than the limit is refused", async () => {
		const text = "x".repeat(LIMITS.requestBytes);
		const response = await testHttp().post(OPERATIONS, { ...put, text });
		expect(response.status).toBe(413);
		expect(await problemOf(response)).toMatchObject({
			code: "body_too_large",
			limit: "requestBytes",
			max: LIMITS.requestBytes,
		});
	});

	it("that would set a prototype is refused, and sets none", async () => {
		const body = `{"op":"put","layer":"semantic","content":{"__proto__":{"polluted":1},"a":{"__proto__":null}},"__proto__":{}}`;
		const http = testHttp();
		const response = await http.post(OPERATIONS, body);
		expect(new Set(pathsOf(await problemOf(response)))).toEqual(
			new Set(["body.__proto__", "body.content.__proto__", "body.content.a.__proto__"]),
		);
		expect(http.calls).toEqual([]);
		expect({}).not.toHaveProperty("polluted");
	});

	it("takes keys that only look dangerous as plain data", async () => {
		const http = testHttp();
		const content = { constructor: { prototype: 1 }, toString: "x", hasOwnProperty: false };
		expect((await http.post(OPERATIONS, { ...put, content })).status).toBe(201);
		expect(http.last("write")[1]).toMatchObject({ operations: [{ content }] });
	});

	it.each([
		["an infinite number", '{"n":1e999}', "body.content.n"],
		["NUL", '{"s":"a\\u0000"}', "body.content.s"],
		["half a surrogate pair", '{"s":"\\ud800"}', "body.content.s"],
		["NUL in a key", '{"\\u0000":1}', "body.content.\u0000"],
	])("with %s is refused", async (_name, content, path) => {
		const body = `{"op":"put","layer":"semantic","content":${content}}`;
		const response = await testHttp().post(OPERATIONS, body);
		expect(response.status).toBe(400);
		expect(pathsOf(await problemOf(response))).toEqual([path]);
	});

	it("with a huge list is refused quickly and by the limit's name", async () => {
		const operations = new Array(100_000).fill({});
		const response = await testHttp().post(OPERATIONS, { operations });
		expect(response.status).toBe(422);
		expect(await problemOf(response)).toMatchObject({ limit: "jsonEntries", value: 100_000 });
	});
});

function nested(levels: number): object {
	return levels === 1 ? {} : { in: nested(levels - 1) };
}

describe("a limit", () => {
	it.each([
		["contentBytes", { ...put, content: { a: "x".repeat(LIMITS.contentBytes) } }],
		["textBytes", { ...put, text: "é".repeat(LIMITS.textBytes) }],
		["idLength", { ...put, id: "x".repeat(LIMITS.idLength + 1) }],
		["namespaceLength", { ...put, namespace: "x".repeat(LIMITS.namespaceLength + 1) }],
		["collectionNameLength", { ...put, collection: "x".repeat(LIMITS.collectionNameLength + 1) }],
		["vectorDimensions", { ...put, vector: new Array(LIMITS.vectorDimensions + 1).fill(1) }],
		["batchOperations", { operations: new Array(LIMITS.batchOperations + 1).fill(put) }],
	])("%s is named with the value and the largest allowed", async (limit, body) => {
		const response = await testHttp().post(OPERATIONS, body);
		expect(response.status).toBe(422);
		const problem = await problemOf(response);
		expect(problem).toMatchObject({ code: "limit_exceeded", limit });
		expect(problem.value).toBeGreaterThan(problem.max);
	});

	it.each([
		["pageSize", "/v1/chains/anvil/memories?limit=201"],
		["historyVersions", "/v1/chains/anvil/memories/a/history?limit=201"],
		["diffPage", "/v1/chains/anvil/diff?from=0&limit=501"],
		["cursorLength", `/v1/chains/anvil/memories?cursor=${"x".repeat(5_000)}`],
	])("%s holds for queries", async (limit, path) => {
		const response = await testHttp().get(path);
		expect(response.status).toBe(422);
		expect(await problemOf(response)).toMatchObject({ code: "limit_exceeded", limit });
	});

	it("on k is named", async () => {
		const response = await testHttp().post(SEARCH, { text: "a", k: LIMITS.searchK + 1 });
		expect(await problemOf(response)).toMatchObject({ limit: "searchK", value: 201, max: 200 });
	});
});

describe("a search", () => {
	it("reads at a coordinate of the body", async () => {
		const http = testHttp();
		await http.post(SEARCH, { vector: [0.5, -1], at: 0, generation: "2", layers: ["episodic"] });
		expect(http.last("search")[1]).toMatchObject({
			vector: [0.5, -1],
			text: undefined,
			layers: ["episodic"],
			at: { at: { kind: "height", height: 0n }, generation: 2n },
			k: 10,
		});
	});

	it.each([
		["nothing to look for", { k: 1 }, "body.text"],
		["a zero vector", { vector: [0, 0] }, "body.vector"],
		["words in a vector", { vector: ["a"] }, "body.vector"],
		["a filter that is no scalar", { text: "a", where: { a: {} } }, "body.where.a"],
		["k of zero", { text: "a", k: 0 }, "body.k"],
		["an unknown tag", { text: "a", at: "soon" }, "body.at"],
	])("with %s is refused", async (_name, body, path) => {
		const response = await testHttp().post(SEARCH, body);
		expect(response.status).toBe(400);
		expect(pathsOf(await problemOf(response))).toEqual([path]);
	});
});

describe("a coordinate", () => {
	it.each([
		["", { kind: "tag", tag: "pending" }],
		["?at=latest", { kind: "tag", tag: "latest" }],
		["?at=safe", { kind: "tag", tag: "safe" }],
		["?at=finalized", { kind: "tag", tag: "finalized" }],
		["?at=0", { kind: "height", height: 0n }],
		[`?at=${HASH_A.replaceAll("a", "A")}`, { kind: "hash", hash: HASH_A }],
	])("written %s is understood", async (query, at) => {
		const http = testHttp();
		await http.get(`/v1/chains/${CHAIN_ID}/memories${query}`);
		expect(http.last("memories")[1]).toMatchObject({ at: { at, generation: undefined } });
	});

	it.each(["-1", "01", "1.5", "1e3", "0x12", "99999999999999999999", "9223372036854775807", " 1"])(
		"written %s is refused",
		async (at) => {
			const response = await testHttp().get(
				`/v1/chains/anvil/memories?at=${encodeURIComponent(at)}`,
			);
			expect(response.status).toBe(400);
			expect(pathsOf(await problemOf(response))).toEqual(["query.at"]);
		},
	);

	it("is pinned by a cursor, so not both are taken", async () => {
		const response = await testHttp().get("/v1/chains/anvil/memories?at=5&cursor=abc");
		expect(pathsOf(await problemOf(response))).toEqual(["query.cursor"]);
	});

	it("may not be given twice", async () => {
		const response = await testHttp().get("/v1/chains/anvil/memories?at=5&at=6");
		expect(response.status).toBe(400);
	});
});
