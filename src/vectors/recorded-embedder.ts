/**
 * Remembers what an embedder gave that costs something, by model, dimension and SHA-256 of the text: in
 * the process for what is asked for again at once, in Postgres for everything else. So no replay, fork or
 * repeated write pays twice, and what was embedded once needs no embedder any more.
 *
 * 1. A text is embedded before its vector is needed for a commit (`embed` when a write comes in): what
 *    commits then finds it here.
 * 2. A vector is kept before it is handed out, so that whoever got it finds it again.
 * 3. The same text asked for twice at once is embedded once.
 */
import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { LIMITS } from "../domain/limits.ts";
import type { Embedder } from "./embedder.ts";
import type { EmbeddingStore } from "./embedding-store.ts";

/** Beside the vector: the key and the entry. */
const ENTRY_BYTES = 256;

export class RecordedEmbedder implements Embedder {
	readonly model: string;
	readonly dimensions: number;
	readonly #inner: Embedder;
	readonly #store: EmbeddingStore;
	/** Name under which vectors are kept: one model may give several dimensions. */
	readonly #kept: string;
	readonly #recent: LRUCache<string, Float32Array>;
	readonly #underWay = new Map<string, Promise<ReadonlyMap<string, Float32Array>>>();

	constructor(
		inner: Embedder,
		store: EmbeddingStore,
		cacheBytes: number = LIMITS.embeddingCacheBytes,
	) {
		this.model = inner.model;
		this.dimensions = inner.dimensions;
		this.#inner = inner;
		this.#store = store;
		this.#kept = `${inner.model}@${inner.dimensions}`;
		this.#recent = new LRUCache({
			maxSize: cacheBytes,
			sizeCalculation: (vector) => vector.byteLength + ENTRY_BYTES,
		});
	}

	/** Throws what the embedder throws for texts that are not kept, and `database_unavailable`. */
	async embed(texts: readonly string[]): Promise<readonly Float32Array[]> {
		const hashes = texts.map((text) => hash("sha256", text));
		const byHash = new Map(hashes.map((each, index) => [each, texts[index] ?? ""]));
		const vectors = await this.#vectors(byHash);
		return hashes.flatMap((each) => vectors.get(each) ?? []);
	}

	async prepare(texts: readonly string[]): Promise<void> {
		if (texts.length > 0) await this.embed(texts);
	}

	async unknown(texts: readonly string[]): Promise<readonly string[]> {
		const byHash = new Map(texts.map((text) => [hash("sha256", text), text]));
		const open = [...byHash.keys()].filter((key) => !this.#recent.has(key));
		if (open.length === 0) return [];
		const kept = await this.#find(open);
		return open.flatMap((key) => (kept.has(key) ? [] : (byHash.get(key) ?? [])));
	}

	async #vectors(texts: ReadonlyMap<string, string>): Promise<Map<string, Float32Array>> {
		const vectors = new Map<string, Float32Array>();
		const open = new Map<string, string>();
		const awaited = new Set<Promise<ReadonlyMap<string, Float32Array>>>();
		for (const [key, text] of texts) {
			const recent = this.#recent.get(key);
			const underWay = this.#underWay.get(key);
			if (recent !== undefined) vectors.set(key, recent);
			else if (underWay !== undefined) awaited.add(underWay);
			else open.set(key, text);
		}
		if (open.size > 0) awaited.add(this.#begin(open));
		for (const found of await Promise.all(awaited)) {
			for (const [key, vector] of found) if (texts.has(key)) vectors.set(key, vector);
		}
		return vectors;
	}

	/** Others who ask for one of these texts meanwhile wait for the same work. */
	async #begin(texts: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, Float32Array>> {
		const work = this.#foundOrMade(texts);
		for (const key of texts.keys()) this.#underWay.set(key, work);
		try {
			return await work;
		} finally {
			for (const key of texts.keys()) this.#underWay.delete(key);
		}
	}

	async #foundOrMade(
		texts: ReadonlyMap<string, string>,
	): Promise<ReadonlyMap<string, Float32Array>> {
		const vectors = await this.#find([...texts.keys()]);
		const missing = [...texts].filter(([key]) => !vectors.has(key));
		if (missing.length > 0) {
			const made = await this.#inner.embed(missing.map(([, text]) => text));
			const fresh = missing.flatMap(([key], index) => {
				const vector = made[index];
				return vector === undefined ? [] : [{ hash: key, vector }];
			});
			await this.#store.keep(this.#kept, fresh);
			for (const each of fresh) {
				vectors.set(each.hash, each.vector);
				this.#recent.set(each.hash, each.vector);
			}
		}
		return vectors;
	}

	/** What Postgres has of them, and from now on this process. */
	async #find(hashes: readonly string[]): Promise<Map<string, Float32Array>> {
		const kept = await this.#store.find(this.#kept, hashes);
		const vectors = new Map([...kept].filter(([, vector]) => vector.length === this.dimensions));
		for (const [key, vector] of vectors) this.#recent.set(key, vector);
		return vectors;
	}
}
