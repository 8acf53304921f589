import { describe, expect, it } from "vitest";
import type { PartialRestoreAnswer } from "../../src/client/answers.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { HASH_A, readJson, testHttp } from "./http-fixture.ts";

const RESTORES = "/v1/chains/anvil/restores";
const MERGES = "/v1/chains/anvil/merges";
const PENDING = { at: { kind: "tag", tag: "pending" }, generation: undefined };

function keyed(key: string): RequestInit {
	return { headers: { "content-type": "application/json", "idempotency-key": key } };
}

describe("a restore", () => {
	it("is asked for by coordinate and selection", async () => {
		const http = testHttp();
		const body = { to: 5, generation: "1", namespaces: ["a"], layers: ["semantic"] };
		expect((await http.post(RESTORES, { ...body, dryRun: true })).status).toBe(200);
		expect(http.last("restore")).toEqual([
			"anvil",
			{
				to: { at: { kind: "height", height: 5n }, generation: 1n },
				selection: { namespaces: ["a"], layers: ["semantic"], collections: undefined },
			},
			{ dryRun: true },
		]);
		const response = await http.post(RESTORES, { to: HASH_A, collections: ["c"] }, keyed("k-1"));
		expect(response.status).toBe(201);
		expect(http.last("restore").slice(1)).toEqual([
			{
				to: { at: { kind: "hash", hash: HASH_A }, generation: undefined },
				selection: { namespaces: undefined, layers: undefined, collections: ["c"] },
			},
			{ dryRun: false, idempotencyKey: "k-1", caller: "" },
		]);
	});

	it("answers the plan, what became of it, and where", async () => {
		const response = await testHttp().post(RESTORES, { to: 5, namespaces: ["a"] });
		const answer = await readJson<PartialRestoreAnswer>(response);
		expect(answer).toMatchObject({
			committed: true,
			idempotencyKey: "restore-1",
			plan: {
				pending: { chain: 31_337, pending: true },
				counts: { add: 0, change: 1, remove: 0, skip: 1, operations: 1 },
				items: [{ change: "change", before: { versionId: "3" } }],
			},
			outcome: { applied: 1, failed: 0 },
			at: { chain: 31_337 },
		});
	});

	it.each([
		["without a place", { namespaces: ["a"] }],
		["to a place that is none", { to: "soon", namespaces: ["a"] }],
		["of an empty list", { to: 5, namespaces: [] }],
		["of a layer that is none", { to: 5, layers: ["deep"] }],
		["of a collection that is none", { to: 5, collections: ["../x"] }],
		["with a rule", { to: 5, namespaces: ["a"], rule: { kind: "latest" } }],
	])("%s is refused", async (_what, body) => {
		const http = testHttp();
		const response = await http.post(RESTORES, body);
		expect(response.status).toBe(400);
		expect(http.last("restore")).toEqual([]);
	});

	it("names no more than the limit", async () => {
		const namespaces = Array.from({ length: LIMITS.partialNames + 1 }, (_, n) => `n${n}`);
		const response = await testHttp().post(RESTORES, { to: 5, namespaces });
		expect(response.status).toBe(422);
		expect(await response.json()).toMatchObject({ limit: "partialNames", value: 65, max: 64 });
	});
});

describe("a merge", () => {
	it("has `pending` for ours, and everything selected, unless it says otherwise", async () => {
		const http = testHttp();
		await http.post(MERGES, { theirs: HASH_A, rule: { kind: "latest" } });
		expect(http.last("merge")).toEqual([
			"anvil",
			{
				ours: PENDING,
				theirs: { at: { kind: "hash", hash: HASH_A }, generation: undefined },
				rule: { kind: "latest" },
				selection: { namespaces: undefined, layers: undefined, collections: undefined },
			},
			{ dryRun: false, idempotencyKey: undefined, caller: "" },
		]);
	});

	it.each([
		[{ kind: "source", side: "theirs" }],
		[{ kind: "field", fields: { a: "latest", b: "ours" }, otherwise: "theirs" }],
		[{ kind: "function", name: "both" }],
	])("takes the rule %j", async (rule) => {
		const http = testHttp();
		expect((await http.post(MERGES, { theirs: 5, rule })).status).toBe(201);
		expect(http.last("merge")[1]).toMatchObject({ rule });
	});

	it.each([
		[{ kind: "oldest" }],
		[{ kind: "source", side: "latest" }],
		[{ kind: "source" }],
		[{ kind: "field", fields: { a: "mine" } }],
		[{ kind: "function", name: "" }],
		["latest"],
	])("refuses the rule %j", async (rule) => {
		const http = testHttp();
		expect((await http.post(MERGES, { theirs: 5, rule })).status).toBe(400);
		expect(http.last("merge")).toEqual([]);
	});
});

describe("the status", () => {
	it.each([
		["repeated", { repeated: true, committed: true }, 200],
		["still waiting", { repeated: false, committed: false }, 202],
		["repeated and still waiting", { repeated: true, committed: false }, 202],
	])("of what is %s", async (_what, answer, status) => {
		const http = testHttp({ restores: answer });
		expect((await http.post(RESTORES, { to: 5, namespaces: ["a"] })).status).toBe(status);
	});
});
