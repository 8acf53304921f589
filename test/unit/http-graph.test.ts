import { describe, expect, it } from "vitest";
import { EVERYBODY } from "../../src/domain/caller.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { scopedExplain, scopedGraph } from "../../src/service/access/scoped-graph.ts";
import { AT, HASH_A, MEMORY, OPERATION, readJson, testHttp } from "./http-fixture.ts";
import { fakeReads } from "./http-fixture-reads.ts";

const C = "/v1/chains/anvil";
const PENDING = { at: { kind: "tag", tag: "pending" }, generation: undefined };

async function problem(path: string) {
	const response = await testHttp().get(path);
	const { code, problems } = await readJson<{
		code: string;
		problems?: readonly { readonly path: string }[];
	}>(response);
	return { code, paths: problems?.map((each) => each.path) };
}

describe("GET …/memories/{id}/links", () => {
	it("asks for both directions of all types where nothing else is said", async () => {
		const http = testHttp();
		const answer = await readJson<{ items: unknown[]; cursor: string }>(
			await http.get(`${C}/memories/fact:1/links`),
		);
		expect(http.calls.at(-1)).toMatchObject({
			method: "links",
			args: [
				"anvil",
				{ id: "fact:1", namespace: "default", direction: "both", at: PENDING, limit: 50 },
			],
		});
		expect(answer).toMatchObject({
			items: [{ direction: "out", link: { since: "3" } }],
			cursor: "next",
		});
	});

	it("takes types, a least weight and a place", async () => {
		const http = testHttp();
		const query = `type=isA,partOf&minWeight=0.5&direction=in&at=${HASH_A}&generation=2&limit=7`;
		await http.get(`${C}/memories/${encodeURIComponent("a/b é")}/links?namespace=n&${query}`);
		expect(http.calls.at(-1)?.args[1]).toMatchObject({
			...{ id: "a/b é", namespace: "n", direction: "in", minWeight: 0.5, limit: 7 },
			types: ["isA", "partOf"],
			at: { at: { kind: "hash", hash: HASH_A }, generation: 2n },
		});
	});

	it.each([
		["direction=up", "query.direction"],
		["type=is%20a", "query.type"],
		["type=", "query.type"],
		["minWeight=-1", "query.minWeight"],
		["minWeight=heavy", "query.minWeight"],
		["at=7&cursor=abc", "query.cursor"],
		["limit=0", "query.limit"],
		["depth=3", "query.depth"],
	])("refuses ?%s", async (query, path) => {
		const refused = await problem(`${C}/memories/fact:1/links?${query}`);
		expect(refused).toEqual({ code: "invalid_request", paths: [path] });
	});

	it("takes no more types than the limit, and names it", async () => {
		const types = Array.from({ length: LIMITS.graphTypes + 1 }, (_, index) => `t${index}`);
		const refused = await problem(`${C}/memories/fact:1/links?type=${types}`);
		expect(refused.code).toBe("limit_exceeded");
	});
});

describe("walks", () => {
	it.each(["ancestors", "descendants", "causes", "consequences"])("GET …/%s", async (walk) => {
		const http = testHttp();
		const answer = await http.get(`${C}/memories/fact:1/${walk}?depth=3&limit=9&minWeight=2`);
		expect(http.calls.at(-1)).toMatchObject({
			method: "walk",
			args: ["anvil", walk, { id: "fact:1", depth: 3, limit: 9, minWeight: 2, at: PENDING }],
		});
		expect(await answer.json()).toMatchObject({
			truncated: true,
			truncatedBy: "depth",
			items: [{ depth: 1 }, { depth: 1 }, { depth: 2, path: [{ id: "cat" }, { id: "animal" }] }],
		});
	});

	it("take types up and down the hierarchy, and none along causes", async () => {
		const http = testHttp();
		await http.get(`${C}/memories/fact:1/ancestors?type=knows`);
		expect(http.calls.at(-1)?.args[2]).toMatchObject({ types: ["knows"] });
		expect(await problem(`${C}/memories/fact:1/causes?type=knows`)).toMatchObject({
			code: "invalid_request",
		});
	});

	it("go no deeper and no wider than the limits", async () => {
		for (const query of [`depth=${LIMITS.graphDepth + 1}`, `limit=${LIMITS.graphNodes + 1}`]) {
			const refused = await problem(`${C}/memories/fact:1/ancestors?${query}`);
			expect(refused.code).toBe("limit_exceeded");
		}
	});
});

describe("GET …/episodes", () => {
	it("takes a window by height and by time", async () => {
		const http = testHttp();
		const window = "from=3&to=9&fromTime=1700000000&toTime=1700000100&order=desc&namespace=n";
		const answer = await http.get(`${C}/episodes?${window}&at=latest`);
		expect(http.calls.at(-1)?.args[1]).toMatchObject({
			...{ from: 3n, to: 9n, fromTime: 1_700_000_000n, toTime: 1_700_000_100n, order: "desc" },
			...{ namespace: "n", at: { at: { kind: "tag", tag: "latest" } }, limit: 50 },
		});
		expect(await answer.json()).toMatchObject({
			items: [{ block: { timestamp: "1700000000" } }, {}],
		});
	});

	it.each(["from=x", "fromTime=2026-01-01", "order=newest", "at=1&cursor=abc"])(
		"refuses ?%s",
		async (query) => {
			expect((await problem(`${C}/episodes?${query}`)).code).toBe("invalid_request");
		},
	);
});

describe("GET …/memories/{id}/explain", () => {
	it("tells the story as of a coordinate", async () => {
		const http = testHttp();
		const answer = await http.get(`${C}/memories/fact:1/explain?at=7&depth=2`);
		expect(http.calls.at(-1)?.args[1]).toMatchObject({
			...{ id: "fact:1", namespace: "default", depth: 2 },
			at: { at: { kind: "height", height: 7n }, generation: undefined },
		});
		expect(await answer.json()).toMatchObject({
			finality: "safe",
			grounds: "12",
			derivedFrom: [[0, 1], [2]],
			truncated: ["history"],
		});
	});
});

describe("a caller of some namespaces", () => {
	const caller = { ...EVERYBODY, id: "key-1", namespaces: ["ours"] };

	it("asks with its own namespaces and as itself, whatever it says", async () => {
		const calls: { method: string; args: readonly unknown[] }[] = [];
		const { graph, explain } = fakeReads(calls, { at: AT, memory: MEMORY, operation: OPERATION });
		const mine = { namespace: "ours", id: "a", at: PENDING, namespaces: ["theirs"] } as never;
		await scopedGraph(graph, caller).links("c", mine);
		await scopedGraph(graph, caller).episodes("c", { at: PENDING, reader: "other" } as never);
		await scopedGraph(graph, caller).walk("c", "causes", mine);
		await scopedExplain(explain, caller).explain("c", mine);
		const asked = calls.map(({ args }) => args.at(-1));
		for (const query of asked) expect(query).toMatchObject({ namespaces: ["ours"] });
		expect(asked.slice(0, 2)).toMatchObject([{ reader: "key-1" }, { reader: "key-1" }]);
	});

	it("is refused other namespaces, and everything without the scope", async () => {
		const { graph, explain } = fakeReads([], { at: AT, memory: MEMORY, operation: OPERATION });
		const theirs = { namespace: "theirs", id: "a", at: PENDING } as never;
		const scoped = scopedGraph(graph, caller);
		const refusal = { code: "forbidden_namespace" };
		await expect(scoped.links("c", theirs)).rejects.toMatchObject(refusal);
		await expect(scoped.walk("c", "causes", theirs)).rejects.toMatchObject(refusal);
		await expect(scoped.episodes("c", theirs)).rejects.toMatchObject(refusal);
		await expect(scopedExplain(explain, caller).explain("c", theirs)).rejects.toMatchObject(
			refusal,
		);
		const writer = scopedGraph(graph, { ...caller, scopes: new Set(["write"] as const) });
		await expect(writer.episodes("c", {} as never)).rejects.toMatchObject({
			code: "forbidden_scope",
		});
	});
});
