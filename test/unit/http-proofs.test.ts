import { describe, expect, it } from "vitest";
import { verifyProof } from "../../src/commitment/verify-proof.ts";
import { HASH_A, readJson, testHttp, UUID } from "./http-fixture.ts";

const C = "/v1/chains/anvil";
const LATEST = { at: { kind: "tag", tag: "latest" }, generation: undefined };

interface Proved {
	readonly proof: unknown;
	readonly checkpoint: string;
	readonly at: object;
}

async function problem(path: string) {
	const response = await testHttp().get(path);
	const { code, status, problems } = await readJson<{
		code: string;
		status: number;
		problems?: readonly { readonly path: string }[];
	}>(response);
	return { code, status, paths: problems?.map((each) => each.path) };
}

describe("GET …/memories/{id}/proof", () => {
	it("answers a proof that verifies, at the committed head if nothing else is asked", async () => {
		const http = testHttp();
		const answer = await readJson<Proved>(await http.get(`${C}/memories/fact:1/proof`));
		expect(http.calls.at(-1)).toEqual({
			method: "proof",
			args: ["anvil", { id: "fact:1", namespace: "default", at: LATEST }],
		});
		expect(verifyProof(answer.proof)).toMatchObject({ valid: true, proof: { type: "inclusion" } });
		expect(answer).toMatchObject({ checkpoint: "stored", at: { height: "20", pending: false } });
	});

	it("takes ids of any text, and a coordinate of any kind", async () => {
		const http = testHttp();
		const id = "a/b?c=d&é#🜍 %2F";
		const query = `namespace=${encodeURIComponent("my/ns:é")}&at=${HASH_A}&generation=3`;
		const path = `${C}/memories/${encodeURIComponent(id)}/proof?${query}`;
		const answer = await readJson<Proved>(await http.get(path));
		const at = { at: { kind: "hash", hash: HASH_A }, generation: 3n };
		expect(http.calls.at(-1)?.args).toEqual(["anvil", { id, namespace: "my/ns:é", at }]);
		expect(verifyProof(answer.proof)).toMatchObject({ valid: true, proof: { type: "exclusion" } });
	});

	it.each(["at=tomorrow", "generation=-1", "namespace=", "heigth=3"])(
		"refuses %s",
		async (query) => {
			expect(await problem(`${C}/memories/fact:1/proof?${query}`)).toMatchObject({
				code: "invalid_request",
				status: 400,
			});
		},
	);
});

describe("GET …/tree", () => {
	it("answers nodes in the order of the paths, the empty one being the root", async () => {
		const http = testHttp();
		const answer = await readJson<{ nodes: readonly { type: string }[] }>(
			await http.get(`${C}/tree?layer=semantic&paths=,3333,0&at=7`),
		);
		expect(answer.nodes).toHaveLength(3);
		expect(answer.nodes[0]).toMatchObject({ type: "node", children: { length: 4 } });
		expect(http.calls.at(-1)?.args[1]).toEqual({
			layer: "semantic",
			paths: ["", "3333", "0"],
			at: { at: { kind: "height", height: 7n }, generation: undefined },
		});
	});

	it("answers the root when no path is named", async () => {
		const http = testHttp();
		await http.get(`${C}/tree?layer=episodic`);
		expect(http.calls.at(-1)?.args[1]).toMatchObject({ paths: [""] });
	});

	it.each([
		["", "query.layer"],
		["layer=working", "query.layer"],
		["layer=semantic&paths=0,4", "query.paths"],
		[`layer=semantic&paths=${"0".repeat(65)}`, "query.paths"],
		["layer=semantic&paths=0;1", "query.paths"],
	])("refuses ?%s", async (query, path) => {
		const refused = await problem(`${C}/tree?${query}`);
		expect(refused).toMatchObject({ code: "invalid_request", paths: [path] });
	});

	it("takes no more paths than the limit, and names it", async () => {
		const most = Array.from({ length: 128 }, () => "0123");
		expect((await testHttp().get(`${C}/tree?layer=semantic&paths=${most}`)).status).toBe(200);
		const refused = await problem(`${C}/tree?layer=semantic&paths=${[...most, "1"]}`);
		expect(refused).toMatchObject({ code: "limit_exceeded", status: 422 });
	});
});

describe("GET …/tree/memories", () => {
	it("names the memories of keys", async () => {
		const http = testHttp();
		const answer = await http.get(`${C}/tree/memories?keys=${UUID},${UUID}`);
		expect(await answer.json()).toMatchObject({
			memories: [{ memoryKey: UUID, id: "fact:1" }, {}],
		});
	});

	it.each(["", "keys=", "keys=1", `keys=${UUID.toUpperCase()}`])("refuses ?%s", async (query) => {
		expect(await problem(`${C}/tree/memories?${query}`)).toMatchObject({ code: "invalid_request" });
	});
});
