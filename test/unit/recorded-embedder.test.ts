import { describe, expect, test } from "vitest";
import type { Embedder } from "../../src/vectors/embedder.ts";
import type { EmbeddingStore } from "../../src/vectors/embedding-store.ts";
import { embedText } from "../../src/vectors/hashing-embedder.ts";
import { RecordedEmbedder } from "../../src/vectors/recorded-embedder.ts";

class CountingEmbedder implements Embedder {
	readonly model = "m";
	readonly dimensions = 384;
	readonly texts: string[] = [];
	failing = false;

	async embed(texts: readonly string[]) {
		await new Promise((resolve) => setTimeout(resolve, 5));
		if (this.failing) throw new Error("away");
		this.texts.push(...texts);
		return texts.map(embedText);
	}
}

class MemoryStore implements EmbeddingStore {
	readonly rows = new Map<string, Float32Array>();

	async find(model: string, hashes: readonly string[]) {
		return new Map(
			hashes.flatMap((hash) => {
				const vector = this.rows.get(`${model} ${hash}`);
				return vector === undefined ? [] : [[hash, vector] as const];
			}),
		);
	}

	async keep(model: string, kept: Parameters<EmbeddingStore["keep"]>[1]) {
		for (const { hash, vector } of kept) this.rows.set(`${model} ${hash}`, vector);
	}
}

describe("a recorded embedder", () => {
	test("asks once a text, in one call, in calls at once and after a restart", async () => {
		const inner = new CountingEmbedder();
		const store = new MemoryStore();
		const embedder = new RecordedEmbedder(inner, store);
		const [first, ...others] = await Promise.all([
			embedder.embed(["a", "b", "a"]),
			embedder.embed(["b", "c"]),
		]);
		expect(first).toEqual([embedText("a"), embedText("b"), embedText("a")]);
		expect(others).toEqual([[embedText("b"), embedText("c")]]);
		const restarted = new RecordedEmbedder(inner, store);
		expect(await restarted.embed(["c", "b"])).toEqual([embedText("c"), embedText("b")]);
		expect(inner.texts.toSorted()).toEqual(["a", "b", "c"]);
	});

	test("says which texts it would have to ask for, and asks for none of them", async () => {
		const inner = new CountingEmbedder();
		const store = new MemoryStore();
		await new RecordedEmbedder(inner, store).embed(["a", "b"]);
		const embedder = new RecordedEmbedder(inner, store);
		expect(await embedder.unknown(["a", "c", "b", "d", "c"])).toEqual(["c", "d"]);
		expect(await embedder.unknown(["b", "a"])).toEqual([]);
		expect(inner.texts).toEqual(["a", "b"]);
		await embedder.embed(["c"]);
		expect(await embedder.unknown(["c", "d"])).toEqual(["d"]);
	});

	test("gives what it has while the embedder is away, and forgets no failure into an answer", async () => {
		const inner = new CountingEmbedder();
		const embedder = new RecordedEmbedder(inner, new MemoryStore());
		await embedder.prepare(["a"]);
		inner.failing = true;
		expect(await embedder.embed(["a"])).toEqual([embedText("a")]);
		await expect(embedder.embed(["a", "b"])).rejects.toThrow("away");
		inner.failing = false;
		expect(await embedder.embed(["b"])).toEqual([embedText("b")]);
	});

	test("keeps so many bytes in the process and finds the rest where they are kept", async () => {
		const inner = new CountingEmbedder();
		const embedder = new RecordedEmbedder(inner, new MemoryStore(), 4_000);
		const texts = Array.from({ length: 20 }, (_, at) => `text ${at}`);
		await embedder.embed(texts);
		expect(await embedder.embed(texts)).toEqual(texts.map(embedText));
		expect(inner.texts).toHaveLength(20);
	});

	test("takes no vector of another length from where they are kept", async () => {
		const inner = new CountingEmbedder();
		const store = new MemoryStore();
		await new RecordedEmbedder(inner, store).embed(["a"]);
		for (const key of store.rows.keys()) store.rows.set(key, new Float32Array(3));
		expect(await new RecordedEmbedder(inner, store).embed(["a"])).toEqual([embedText("a")]);
	});
});
