import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Anvil } from "../../scripts/support/anvil.ts";
import { devAccount } from "../../scripts/support/dev-accounts.ts";
import type { Token } from "../../scripts/support/token.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import {
	type Answer,
	CHAIN,
	type Installation,
	makeInstallation,
	problemOf,
	type RunningService,
	startService,
	startTokenNode,
	tokenChain,
} from "../support/running-service.ts";

let anvil: Anvil;
let token: Token;
let installation: Installation;
let service: RunningService;

const HASH = `0x${"5".repeat(64)}`;
const ALICE = devAccount(1).address;

beforeAll(async () => {
	installation = await makeInstallation("bad input");
	({ anvil, token } = await startTokenNode());
	await token.mint({ to: ALICE, value: 100n });
	await anvil.mine(5);
	service = await startService({
		installation,
		chains: [tokenChain({ rpcUrl: anvil.rpcUrl, token: token.address })],
	});
	await service.reaches(6);
});

afterAll(async () => {
	await service?.stop();
	await anvil?.stop();
	await installation?.remove();
});

function put(fields: object = {}): object {
	return { op: "put", id: "note", layer: "semantic", content: { a: 1 }, ...fields };
}

function unique(): string {
	return randomBytes(6).toString("hex");
}

async function logPosition(): Promise<string> {
	return (await service.chain("")).body.logPosition;
}

function nested(levels: number): unknown {
	return levels === 0 ? 1 : { deeper: nested(levels - 1) };
}

describe("a path", () => {
	it.each([
		["/v1/chains/nowhere", 404, "unknown_chain"],
		["/v1/chains/1", 404, "unknown_chain"],
		["/v1/chains/__proto__", 404, "unknown_chain"],
		["/v1/chains/constructor/memories", 404, "unknown_chain"],
		["/v1/chains/an%20vil", 400, "invalid_request"],
		["/v1/chains/31337.0", 400, "invalid_request"],
		["/v1/chains/anvil/nothing", 404, "not_found"],
		["/v1/../etc/passwd", 404, "not_found"],
		["/v2/status", 404, "not_found"],
		["//v1/status", 404, "not_found"],
		["/v1/status/", 404, "not_found"],
		["/v1/chains/anvil/memories/%E0%A4%A", 404, "memory_not_found"],
		["/v1/chains/anvil/memories/a%00b", 400, "invalid_request"],
		["/v1/chains/anvil/memories/%ED%A0%80", 404, "memory_not_found"],
		[`/v1/chains/anvil/memories/${"x".repeat(257)}`, 422, "limit_exceeded"],
		["/v1/chains/anvil/operations/17", 400, "invalid_request"],
		["/v1/chains/anvil/operations/0b0e7a3a-64c5-4d3a-9df5-7f1f4d2b6c01", 404, "unknown_operation"],
		["/v1/chains/anvil/rollbacks/0b0e7a3a-64c5-4d3a-9df5-7f1f4d2b6c01", 404, "rollback_not_found"],
		["/v1/chains/anvil/checkpoints/-1", 400, "invalid_request"],
		["/v1/chains/anvil/checkpoints/99999", 404, "unknown_checkpoint"],
		["/v1/chains/anvil/checkpoints/9223372036854775806", 404, "unknown_checkpoint"],
		["/v1/chains/anvil/checkpoints/9223372036854775807", 400, "invalid_request"],
	])("%s is answered with %i %s", async (path, status, code) => {
		const answer = await service.get(path);
		expect(problemOf(answer)).toMatchObject({ status, code });
	});

	it.each([
		["DELETE", "/v1/status"],
		["PUT", "/v1/chains/anvil/operations"],
		["PATCH", "/v1/chains/anvil/memories/a"],
		["POST", "/v1/chains/anvil/memories"],
		["OPTIONS", "/v1/chains/anvil/search"],
		["PROPFIND", "/v1/status"],
	])("does not take %s %s", async (method, path) => {
		const answer = await service.get(path, { method });
		expect(problemOf(answer)).toMatchObject({ status: 405, code: "method_not_allowed" });
		expect(answer.headers.get("allow")).not.toBeNull();
	});
});

describe("a coordinate", () => {
	it.each([
		["9000", 404, "height_in_future"],
		["9223372036854775806", 404, "height_in_future"],
		["9223372036854775807", 400, "invalid_request"],
		["99999999999999999999999999", 400, "invalid_request"],
		["-1", 400, "invalid_request"],
		["1.5", 400, "invalid_request"],
		["1e3", 400, "invalid_request"],
		["0x10", 400, "invalid_request"],
		["007", 400, "invalid_request"],
		["", 400, "invalid_request"],
		["earliest", 400, "invalid_request"],
		[HASH, 404, "unknown_block"],
		[`${HASH}0`, 400, "invalid_request"],
		["1;drop table recant.blocks", 400, "invalid_request"],
	])("%s is answered with %i %s, everywhere", async (at, status, code) => {
		const text = encodeURIComponent(at);
		const answers = [
			await service.chain(`/memories?at=${text}`),
			await service.chain(`/memories/note?at=${text}`),
			await service.chain(`/diff?from=0&to=${text}`),
			await service.chain(`/diff?from=${text}`),
			await service.search({ text: "whale", at }),
		];
		for (const answer of answers) expect(problemOf(answer)).toMatchObject({ status, code });
	});

	it.each([
		["?generation=7", 400],
		["?generation=9223372036854775806", 400],
		["?generation=-1", 400],
		[`?at=${HASH}&generation=0`, 404],
		["?at=1&at=2", 400],
		["?height=1", 400],
		["?__proto__=1", 400],
	])("with %s is refused", async (query, status) => {
		expect(problemOf(await service.chain(`/memories${query}`)).status).toBe(status);
	});

	it("below what is retained is answered with the lowest height that is", async () => {
		await installation.database.query((sql) => sql`update recant.chains set retained_from = 3`);
		try {
			const low = problemOf(await service.chain("/memories?at=2"));
			expect(low).toMatchObject({ status: 410, code: "history_pruned", retainedFrom: "3" });
			expect((await service.chain("/memories?at=3")).status).toBe(200);
		} finally {
			await installation.database.query((sql) => sql`update recant.chains set retained_from = 0`);
		}
	});
});

describe("a cursor", () => {
	const encode = (fields: unknown) => Buffer.from(JSON.stringify(fields)).toString("base64url");
	const forged: readonly (readonly [string, string])[] = [
		["nonsense", "nonsense"],
		["not base64 at all", "%F0%9F%98%80"],
		["JSON null", encode(null)],
		["JSON list", encode([1, 2])],
		["fields of other types", encode({ h: 1, g: {}, n: [], l: 4, i: null, o: 1, k: 2, f: 3 })],
		["no fields", encode({})],
		["prototype fields", '{"__proto__":{"h":"1"}}'],
		[
			"numbers past every type",
			encode({
				...{ h: "9".repeat(19), g: "9".repeat(19), f: "9".repeat(19), o: "9".repeat(19) },
				...{ n: "a", l: "semantic", i: "b", k: "x" },
			}),
		],
		[
			"NUL in a name",
			encode({ h: "5", g: "0", n: "a\u0000", l: "semantic", i: "b", o: "-1", k: "\u0000" }),
		],
		[
			"half a surrogate pair",
			encode({ h: "5", g: "0", n: "\ud800", l: "semantic", i: "b", o: "1.5", k: "\ud800" }),
		],
		["an unknown layer", encode({ h: "5", g: "0", n: "a", l: "working", i: "b", o: "", k: "1" })],
	];
	it.each(forged)("of %s is refused by every page", async (_what, cursor) => {
		const paths = [
			"/memories?",
			"/blocks?",
			"/rollbacks?",
			"/memories/note/history?",
			"/diff?from=0&",
		];
		for (const path of paths) {
			const answer = await service.chain(`${path}cursor=${cursor}`);
			expect(problemOf(answer), path).toMatchObject({ status: 400, code: "cursor_invalid" });
		}
	});

	it("that is too long names the limit", async () => {
		const answer = await service.chain(`/memories?cursor=${"a".repeat(5_000)}`);
		expect(problemOf(answer)).toMatchObject({ status: 422, limit: "cursorLength", value: 5_000 });
	});

	it("beside a coordinate is refused", async () => {
		const answer = await service.chain("/memories?cursor=abc&at=1");
		expect(problemOf(answer)).toMatchObject({ status: 400, code: "invalid_request" });
	});
});

describe("a count", () => {
	it.each([
		["/memories?limit=0", 400],
		["/memories?limit=201", 422],
		["/memories?limit=1.5", 400],
		["/memories?limit=1e2", 400],
		["/memories?limit=-5", 400],
		["/memories?limit=NaN", 400],
		["/blocks?limit=100000000000000000000000", 400],
		["/blocks?from=-1", 400],
		["/blocks?fork=both", 400],
		["/diff?from=0&limit=501", 422],
		["/rollbacks?limit=201", 422],
		["/checkpoints?before=x", 400],
		["/memories?layer=working", 400],
		["/memories?layer=__proto__", 400],
		["/memories?namespace=", 400],
		[`/memories?namespace=${"n".repeat(129)}`, 422],
		["/memories?namespace=a%00b", 400],
	])("%s is answered with %i", async (path, status) => {
		expect(problemOf(await service.chain(path)).status).toBe(status);
	});
});

describe("a body", () => {
	it.each([
		["malformed JSON", '{"op":'],
		["nothing", ""],
		["text", "hello"],
		["two documents", "{}{}"],
		["a BOM and a list", "\ufeff[]"],
		["a number", "17"],
		["null", "null"],
		["a string", '"put"'],
		["a list", "[]"],
		["an empty batch", '{"operations":[]}'],
		["a batch that is no list", '{"operations":{"0":{}}}'],
		["a number past every double", '{"op":"put","layer":"semantic","content":{"a":1e999}}'],
		["NaN", '{"op":"put","layer":"semantic","content":{"a":NaN}}'],
		["a prototype", '{"op":"put","layer":"semantic","content":{"__proto__":{"a":1}}}'],
		["a prototype at its top", '{"__proto__":{"op":"put"},"layer":"semantic","content":{}}'],
		["half a surrogate pair", '{"op":"put","layer":"semantic","content":{"a":"\\ud800"}}'],
		["NUL", '{"op":"put","layer":"semantic","content":{"a":"\\u0000"}}'],
		["NUL in a key", '{"op":"put","layer":"semantic","content":{"\\u0000":1}}'],
		[
			"an integer that JSON cannot carry",
			'{"op":"put","layer":"semantic","content":{"a":9007199254740993}}',
		],
		[
			"a field that does not exist",
			'{"op":"put","layer":"semantic","content":{},"owner":"handler"}',
		],
		["an unknown operation", '{"op":"link","id":"a"}'],
		["an unknown layer", '{"op":"put","layer":"working","content":{}}'],
		["content that is a list", '{"op":"put","layer":"semantic","content":[]}'],
		["content that is null", '{"op":"patch","id":"a","content":null}'],
		["no content", '{"op":"put","layer":"semantic"}'],
		["a patch without id", '{"op":"patch","content":{}}'],
		["an empty id", '{"op":"put","id":"","layer":"semantic","content":{}}'],
		["an id of one dot", '{"op":"put","id":".","layer":"semantic","content":{}}'],
		["an id that is a number", '{"op":"put","id":7,"layer":"semantic","content":{}}'],
		["ifVersion of a half", '{"op":"delete","id":"a","ifVersion":1.5}'],
		["ifVersion below zero", '{"op":"delete","id":"a","ifVersion":-1}'],
		["ifVersion past a bigint", '{"op":"delete","id":"a","ifVersion":"9223372036854775807"}'],
		["importance above one", '{"op":"put","layer":"semantic","content":{},"importance":1.01}'],
		["confidence as text", '{"op":"put","layer":"semantic","content":{},"confidence":"1"}'],
		["expiry as a fraction", '{"op":"put","layer":"semantic","content":{},"expiresAtBlock":7.5}'],
		[
			"two anchors",
			`{"op":"put","layer":"semantic","content":{},"anchor":{"block":"${HASH}","transaction":"${HASH}"}}`,
		],
		["an empty anchor", '{"op":"put","layer":"semantic","content":{},"anchor":{}}'],
		[
			"an anchor that is no hash",
			'{"op":"put","layer":"semantic","content":{},"anchor":{"block":"7"}}',
		],
		[
			"a collection that is a path",
			'{"op":"put","layer":"semantic","content":{},"text":"a","collection":"../x"}',
		],
		["a vector of text", '{"op":"put","layer":"semantic","content":{},"vector":["1"]}'],
		["a vector of null", '{"op":"put","layer":"semantic","content":{},"vector":[null]}'],
		["an empty vector", '{"op":"put","layer":"semantic","content":{},"vector":[]}'],
		["a zero vector", '{"op":"put","layer":"semantic","content":{},"vector":[0,0,-0]}'],
		["a vector past a float", '{"op":"put","layer":"semantic","content":{},"vector":[1e39]}'],
	])("of %s is refused, and nothing is written", async (_what, body) => {
		const before = await logPosition();
		expect(problemOf(await service.write(body))).toMatchObject({
			status: 400,
			code: "invalid_request",
		});
		expect(await logPosition()).toBe(before);
	});

	it.each([
		["no type", undefined],
		["text/plain", "text/plain"],
		["a form", "application/x-www-form-urlencoded"],
		["a near miss", "application/jsonp"],
		["problem details", "application/problem+json"],
	])("with a content type of %s is refused", async (_what, type) => {
		const answer = await service.get(`/v1/chains/${CHAIN}/operations`, {
			method: "POST",
			headers: type === undefined ? {} : { "content-type": type },
			body: Buffer.from(JSON.stringify(put())),
		});
		expect(problemOf(answer)).toMatchObject({ status: 415, code: "unsupported_media_type" });
	});

	it("that is not UTF-8 is refused", async () => {
		const answer = await service.get(`/v1/chains/${CHAIN}/operations`, {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
		});
		expect(problemOf(answer)).toMatchObject({ status: 400, code: "invalid_request" });
	});

	it("past its limit is refused with the limit and the value", async () => {
		const answer = await service.write(" ".repeat(LIMITS.requestBytes + 1));
		expect(problemOf(answer)).toMatchObject({
			status: 413,
			code: "body_too_large",
			limit: "requestBytes",
			max: LIMITS.requestBytes,
		});
	});

	it.each([
		["batchOperations", { operations: Array.from({ length: 1_001 }, () => put()) }, 1_001],
		["contentBytes", put({ content: { a: "x".repeat(65_536) } }), 65_544],
		["textBytes", put({ text: "é".repeat(16_385) }), 32_770],
		["idLength", put({ id: "i".repeat(257) }), 257],
		["namespaceLength", put({ namespace: "n".repeat(129) }), 129],
		["vectorDimensions", put({ vector: Array.from({ length: 4_097 }, () => 1) }), 4_097],
		["collectionNameLength", put({ text: "a", collection: "c".repeat(65) }), 65],
		["jsonEntries", put({ content: { a: Array.from({ length: 32_769 }, () => 1) } }), 32_769],
	])("past %s is refused with the limit and the value", async (limit, body, value) => {
		const before = await logPosition();
		expect(problemOf(await service.write(body))).toMatchObject({
			...{ status: 422, code: "limit_exceeded", limit, value },
			max: LIMITS[limit as keyof typeof LIMITS],
		});
		expect(await logPosition()).toBe(before);
	});

	it("may nest its content as deep as the limit, and no deeper", async () => {
		const deepest = put({ id: "deep", content: nested(LIMITS.contentDepth) });
		expect((await service.write(deepest)).status).toBe(201);
		const deeper = put({ id: "deep", content: nested(LIMITS.contentDepth + 1) });
		expect(problemOf(await service.write(deeper))).toMatchObject({
			status: 422,
			limit: "contentDepth",
		});
		const abyss = `{"op":"put","layer":"semantic","content":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
		expect(problemOf(await service.write(abyss)).status).toBe(422);
	});

	it("lists every problem of a batch with its place", async () => {
		const { problems } = problemOf(
			await service.write({
				operations: [put(), put({ layer: "working" }), put({ importance: 2 })],
			}),
		);
		expect(problems).toEqual([
			expect.objectContaining({ path: "body.operations[1].layer" }),
			expect.objectContaining({ path: "body.operations[2].importance" }),
		]);
	});
});

describe("a search", () => {
	it.each([
		["without text and vector", {}, 400, "invalid_request"],
		["of an empty text", { text: "" }, 400, "invalid_request"],
		["with k of 0", { text: "a", k: 0 }, 400, "invalid_request"],
		["with k of a half", { text: "a", k: 1.5 }, 400, "invalid_request"],
		["with k over the limit", { text: "a", k: 201 }, 422, "limit_exceeded"],
		["with k past 2^53", { text: "a", k: 1e300 }, 400, "invalid_request"],
		["of a vector of other dimensions", { vector: [1, 2, 3] }, 400, "dimension_mismatch"],
		["of a zero vector", { vector: [0, 0] }, 400, "invalid_request"],
		["of a collection that is a path", { text: "a", collection: "../a" }, 400, "invalid_request"],
		["of an unknown layer", { text: "a", layers: ["working"] }, 400, "invalid_request"],
		["of no layers", { text: "a", layers: [] }, 400, "invalid_request"],
		["with a list in where", { text: "a", where: { a: [] } }, 400, "invalid_request"],
		["with importance over one", { text: "a", minImportance: 2 }, 400, "invalid_request"],
		["at a negative height", { text: "a", at: -1 }, 400, "invalid_request"],
		["at a fraction", { text: "a", at: 1.5 }, 400, "invalid_request"],
	])("%s is refused", async (_what, body, status, code) => {
		expect(problemOf(await service.search(body))).toMatchObject({ status, code });
	});

	it("with more fields in where than are compared names the limit", async () => {
		const where = Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`f${index}`, 1]));
		expect(problemOf(await service.search({ text: "a", where }))).toMatchObject({
			limit: "whereKeys",
			value: 17,
		});
	});

	it("with fields of the prototype in where finds nothing", async () => {
		for (const field of ["constructor", "toString", "hasOwnProperty"]) {
			const { status, body } = await service.search({ text: "whale", where: { [field]: null } });
			expect({ status, results: body.results }).toEqual({ status: 200, results: [] });
		}
	});
});

describe("a write", () => {
	it("into a namespace of handlers is refused", async () => {
		for (const operation of [
			put({ namespace: "ledger" }),
			{ op: "patch", id: `holder:${ALICE.toLowerCase()}`, namespace: "ledger", content: {} },
			{ op: "delete", id: `holder:${ALICE.toLowerCase()}`, namespace: "ledger" },
		]) {
			expect(problemOf(await service.write(operation))).toMatchObject({
				status: 403,
				code: "handler_owned",
				namespace: "ledger",
			});
		}
		const holder = await service.chain(
			`/memories/${encodeURIComponent(`holder:${ALICE.toLowerCase()}`)}?namespace=ledger`,
		);
		expect(holder.body.memory.content).toEqual({ transfers: 1 });
	});

	it("of a vector of other dimensions than its collection's is refused", async () => {
		const collection = `c-${unique()}`;
		const first = put({ id: "v", vector: [1, 2, 3], collection });
		expect((await service.write(first)).status).toBe(201);
		const other = put({ id: "v", vector: [1, 2, 3, 4], collection });
		expect(problemOf(await service.write(other))).toMatchObject({
			...{ status: 400, code: "dimension_mismatch", given: 4, needed: 3, collection },
		});
		const text = put({ id: "v", text: "words", collection });
		expect(problemOf(await service.write(text))).toMatchObject({ status: 400 });
		const intoDefault = put({ id: "v", vector: [1, 2, 3] });
		expect(problemOf(await service.write(intoDefault)).code).toBe("dimension_mismatch");
	});

	it("that is refused makes no collection", async () => {
		const collection = `c-${unique()}`;
		const batch = {
			operations: [put({ vector: [1, 2, 3], collection }), put({ vector: [1, 2], collection })],
		};
		expect(problemOf(await service.write(batch)).code).toBe("dimension_mismatch");
		const { body } = await service.chain("");
		expect(body.collections.map(({ name }: { name: string }) => name)).not.toContain(collection);
	});

	it("anchored to what the node does not know is refused", async () => {
		for (const anchor of [{ block: HASH }, { transaction: HASH }]) {
			expect(problemOf(await service.write(put({ anchor })))).toMatchObject({
				...{ status: 422, code: "anchor_unknown" },
				detail: expect.stringContaining(HASH),
			});
		}
	});

	it("that puts a memory into another layer is refused with both", async () => {
		const id = unique();
		expect((await service.write(put({ id }))).status).toBe(201);
		expect(problemOf(await service.write(put({ id, layer: "episodic" })))).toMatchObject({
			...{ status: 409, code: "layer_conflict" },
			detail: expect.stringMatching(/semantic.*episodic/),
		});
	});

	it.each([
		["patch", { op: "patch", content: {} }],
		["delete", { op: "delete" }],
	])("that would %s what is not there is refused", async (_what, operation) => {
		const id = unique();
		const answer = problemOf(await service.write({ ...operation, id }));
		expect(answer).toMatchObject({ status: 404, code: "memory_not_found", id });
	});

	it("whose expiry has come already is refused", async () => {
		const answer = problemOf(await service.write(put({ id: unique(), expiresAtBlock: 3 })));
		expect(answer).toMatchObject({ status: 400, code: "invalid_request" });
		expect(answer["detail"]).toContain("3");
	});

	it("that patches a memory past the content's limit is refused, and the memory stays", async () => {
		const id = unique();
		await service.write(put({ id, content: { a: "x".repeat(40_000) } }));
		const answer = await service.write({ op: "patch", id, content: { b: "y".repeat(40_000) } });
		expect(problemOf(answer)).toMatchObject({ status: 422, code: "limit_exceeded" });
		const { memory } = (await service.chain(`/memories/${id}`)).body;
		expect(Object.keys(memory.content)).toEqual(["a"]);
	});

	it("of a batch in which one fails is refused whole and names the one", async () => {
		const [one, two] = [unique(), unique()];
		const answer = await service.write({
			operations: [put({ id: one }), { op: "delete", id: two }, put({ id: two })],
		});
		expect(problemOf(answer)).toMatchObject({
			...{ status: 404, code: "memory_not_found", id: two },
			detail: expect.stringContaining(two),
		});
		for (const id of [one, two]) {
			expect((await service.chain(`/memories/${id}`)).status).toBe(404);
		}
	});

	it("may build on what the same batch wrote before", async () => {
		const id = unique();
		const answer = await service.write({
			operations: [
				put({ id, ifVersion: 0 }),
				{ op: "patch", id, content: { b: 2 } },
				{ op: "delete", id },
				put({ id, content: { last: true } }),
			],
		});
		expect(answer.status).toBe(201);
		expect((await service.chain(`/memories/${id}`)).body.memory.content).toEqual({ last: true });
	});
});

describe("a condition", () => {
	it("that does not hold is answered with both versions", async () => {
		const id = unique();
		const first = await service.write(put({ id }));
		const version = first.body.operations[0].versionId;
		const stale = problemOf(await service.write(put({ id, ifVersion: 1 })));
		expect(stale).toMatchObject({
			...{ status: 409, code: "version_conflict", id },
			...{ expectedVersion: "1", presentVersion: version },
			detail: expect.stringMatching(new RegExp(`version ${version}, not 1 `)),
		});
		const exists = problemOf(await service.write(put({ id, ifVersion: 0 })));
		expect(exists).toMatchObject({
			...{ status: 409, code: "memory_exists", expectedVersion: "0", presentVersion: version },
		});
		const gone = problemOf(await service.write({ op: "delete", id: unique(), ifVersion: version }));
		expect(gone).toMatchObject({ status: 409, presentVersion: "none", expectedVersion: version });
		expect((await service.write(put({ id, ifVersion: version }))).status).toBe(201);
	});

	it("of many writers at once holds for exactly one", async () => {
		const id = unique();
		const first = await service.write(put({ id, content: { n: 0 } }));
		const ifVersion = first.body.operations[0].versionId;
		const answers = await Promise.all(
			Array.from({ length: 30 }, (_, n) => service.write(put({ id, ifVersion, content: { n } }))),
		);
		const won = answers.filter(({ status }) => status === 201);
		expect(won).toHaveLength(1);
		const lost = answers.filter((answer) => answer !== won[0]);
		expect(lost.map((answer) => problemOf(answer).code)).toEqual(
			Array.from({ length: 29 }, () => "version_conflict"),
		);
		const { memory } = (await service.chain(`/memories/${id}`)).body;
		expect(memory.versionId).toBe(won[0]?.body.operations[0].versionId);
	});

	it("that the memory must not exist holds for exactly one of many", async () => {
		const id = unique();
		const answers = await Promise.all(
			Array.from({ length: 20 }, (_, n) =>
				service.write(put({ id, ifVersion: 0, content: { n } })),
			),
		);
		expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
	});
});

describe("an Idempotency-Key", () => {
	const ids = ({ body }: Answer) =>
		body.operations.map(({ operationId }: { operationId: string }) => operationId);

	it("with the same body answers the same operations and applies nothing", async () => {
		const id = unique();
		const key = { "idempotency-key": unique() };
		const first = await service.write(put({ id }), key);
		const before = await logPosition();
		const again = await service.write(put({ id }), key);
		expect(first.status).toBe(201);
		expect(again).toMatchObject({ status: 200, body: { repeated: true, committed: true } });
		expect(ids(again)).toEqual(ids(first));
		expect(await logPosition()).toBe(before);
	});

	it("with the same body in other words is the same", async () => {
		const key = { "idempotency-key": unique() };
		const first = await service.write(put({ namespace: "default", content: { a: 1, b: 2 } }), key);
		const again = await service.write(put({ content: { b: 2.0, a: 1 } }), key);
		expect(again.status).toBe(200);
		expect(ids(again)).toEqual(ids(first));
	});

	it("with another body is refused, and the first stands", async () => {
		const id = unique();
		const key = { "idempotency-key": unique() };
		await service.write(put({ id }), key);
		for (const other of [
			put({ id, content: { a: 2 } }),
			put({ id, importance: 0.5 }),
			put({ id, namespace: "other" }),
			{ operations: [put({ id }), put({ id })] },
			{ op: "delete", id },
		]) {
			expect(problemOf(await service.write(other, key))).toMatchObject({
				...{ status: 409, code: "idempotency_conflict" },
			});
		}
		const history = await service.chain(`/memories/${id}/history`);
		expect(history.body.items).toHaveLength(1);
	});

	it("sent many times at once is applied once", async () => {
		const id = unique();
		const key = { "idempotency-key": unique() };
		const batch = { operations: [put({ id }), { op: "patch", id, content: { b: 2 } }, put()] };
		const answers = await Promise.all(Array.from({ length: 20 }, () => service.write(batch, key)));
		expect(new Set(answers.map((answer) => ids(answer).join()))).toHaveProperty("size", 1);
		expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
		expect(answers.filter(({ status }) => status === 200)).toHaveLength(19);
	});

	it("of a put without an id makes one memory", async () => {
		const key = { "idempotency-key": unique() };
		const nameless = { op: "put", layer: "semantic", content: { a: 1 } };
		const first = await service.write(nameless, key);
		const again = await service.write(nameless, key);
		expect(again.body.operations[0].id).toBe(first.body.operations[0].id);
	});

	it("of a write that was refused says again why", async () => {
		const key = { "idempotency-key": unique() };
		const refused = { op: "delete", id: unique() };
		expect(problemOf(await service.write(refused, key)).status).toBe(404);
		const again = await service.write(refused, key);
		expect(again).toMatchObject({
			status: 200,
			body: { repeated: true, operations: [{ status: "refused" }] },
		});
		expect(again.body.operations[0].reason.code).toBe("memory_not_found");
	});

	it.each([
		["empty", ""],
		["with a space", "a b"],
		["not ASCII", "sch\u00f6n"],
	])("that is %s is refused", async (_what, key) => {
		const answer = problemOf(await service.write(put(), { "idempotency-key": key }));
		expect(answer).toMatchObject({ status: 400, code: "invalid_request" });
	});

	it("that is too long names the limit", async () => {
		const answer = problemOf(await service.write(put(), { "idempotency-key": "k".repeat(256) }));
		expect(answer).toMatchObject({ status: 422, limit: "idempotencyKeyLength" });
	});
});

describe("a rollback by hand", () => {
	it.each([
		["to the future", { toBlock: 9_000 }, 404, "height_in_future"],
		["below zero", { toBlock: -1 }, 400, "invalid_request"],
		["to a fraction", { toBlock: 1.5 }, 400, "invalid_request"],
		["to nowhere", {}, 400, "invalid_request"],
		["to a hash", { toBlock: HASH }, 400, "invalid_request"],
		["with dryRun as text", { toBlock: 3, dryRun: "yes" }, 400, "invalid_request"],
	])("%s is refused, dry or not", async (_what, body, status, code) => {
		const path = `/v1/chains/${CHAIN}/rollbacks`;
		expect(problemOf(await service.post(path, body))).toMatchObject({ status, code });
		if ("dryRun" in body) return;
		const dry = await service.post(path, { ...body, dryRun: true });
		expect(problemOf(dry)).toMatchObject({ status, code });
	});
});
