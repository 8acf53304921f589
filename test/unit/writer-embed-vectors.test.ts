import { expect, test } from "vitest";
import type { MemoryKey, VersionId } from "../../src/domain/ids.ts";
import { createHashingEmbedder, embedText } from "../../src/vectors/hashing-embedder.ts";
import { embedVectors } from "../../src/writer/embed-vectors.ts";
import type { VectorRequest } from "../../src/writer/state-draft.ts";

function request(
	versionId: VersionId,
	source: VectorRequest["source"],
	collection = "default",
): VectorRequest {
	const memoryKey = `00000000-0000-0000-0000-00000000000${versionId}` as MemoryKey;
	const version = { versionId, memoryKey, namespace: "notes", layer: "semantic" } as const;
	return { version: { ...version, collection, fromBlock: 1n }, source };
}

function embed(requests: readonly VectorRequest[], made: string[] = []) {
	return embedVectors(requests, {
		embedder: createHashingEmbedder(),
		collections: {
			ensure: async (name) => {
				made.push(name);
				return { takesTexts: name !== "outside" };
			},
		},
		vectorsOf: async () => new Map([[9n, Float32Array.of(1, 0)]]),
	});
}

test("texts are embedded, given vectors taken, old ones copied, each in its place", async () => {
	const rows = await embed([
		request(1n, { type: "text", text: "alpha" }),
		request(2n, { type: "given", vector: [0, 2] }),
		request(3n, { type: "copy", versionId: 9n }),
		request(4n, { type: "text", text: "beta" }),
	]);
	expect(rows.map((row) => [row.versionId, row.vector])).toEqual([
		[1n, embedText("alpha")],
		[2n, Float32Array.of(0, 1)],
		[3n, Float32Array.of(1, 0)],
		[4n, embedText("beta")],
	]);
});

test("a collection of outside vectors takes no texts, and what else it is given", async () => {
	const rows = await embed([
		request(1n, { type: "text", text: "alpha" }, "outside"),
		request(2n, { type: "given", vector: [1, 0] }, "outside"),
	]);
	expect(rows.map((row) => row.versionId)).toEqual([2n]);
});

test("every collection is made once before its first row", async () => {
	const made: string[] = [];
	await embed(
		[
			request(1n, { type: "text", text: "alpha" }, "one"),
			request(2n, { type: "text", text: "beta" }, "two"),
			request(3n, { type: "text", text: "gamma" }, "one"),
		],
		made,
	);
	expect(made).toEqual(["one", "two"]);
});

test("a copy of a version that has no vector gives none; of one made just before, that one", async () => {
	const rows = await embed([
		request(1n, { type: "copy", versionId: 8n }),
		request(2n, { type: "text", text: "alpha" }),
		request(3n, { type: "copy", versionId: 2n }),
	]);
	expect(rows.map((row) => row.versionId)).toEqual([2n, 3n]);
	expect(rows[1]?.vector).toEqual(embedText("alpha"));
});
