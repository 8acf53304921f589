/**
 * Hot copies of one chain in Redis: one hash, whose name carries a token that nobody else knows.
 *
 * 1. Whatever is not acknowledged takes the token with it: a copy that may be old lies under a name that
 *    is not asked any more. So does a lost connection, on which commands may still arrive later, and a
 *    Redis that comes back with what it had a second ago.
 * 2. Which copies there are stands in this process too: what is not there is not asked for, the least
 *    recently used go from Redis as well, and so Redis holds no more than LIMITS allow. A hash that
 *    nobody names any more lapses by itself.
 */
import { randomUUID } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { MemoryKey } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Version } from "../domain/memory.ts";
import type { HotEntry } from "../service/reading/working-memory-reader.ts";
import { decodeEntry, encodeEntry } from "./entry-codec.ts";
import type { HotEntries } from "./hot-entries.ts";
import type { RedisConnection } from "./redis-connection.ts";

/** Fields that one look at the hash asks for. */
const SCAN_FIELDS = 500;
/** A hash that is not written to for so long lapses; the next write makes it anew. */
const LAPSE_MS = 3_600_000;

export class RedisEntries implements HotEntries {
	readonly #redis: RedisConnection;
	readonly #prefix: string;
	readonly #onReset: () => void;
	readonly #unwatch: () => void;
	#name: string;
	/** Sizes by memory. An evicted one is taken out of Redis; a lost deletion only costs room. */
	readonly #index = new LRUCache<MemoryKey, { readonly bytes: number }>({
		max: LIMITS.workingMemoryEntries,
		maxSize: LIMITS.workingMemoryBytes,
		sizeCalculation: ({ bytes }) => bytes,
		dispose: (_entry, key, reason) => {
			if (reason === "evict") void this.#forget([key]);
		},
	});

	constructor(redis: RedisConnection, prefix: string, onReset: () => void) {
		this.#redis = redis;
		this.#prefix = prefix;
		this.#onReset = onReset;
		this.#name = this.#newName();
		this.#unwatch = redis.onLost(() => this.#giveUp());
	}

	get size(): number {
		return this.#index.size;
	}

	get(key: MemoryKey): undefined | Promise<Version | undefined> {
		return this.#index.get(key) === undefined ? undefined : this.#fetch(key);
	}

	set(versions: readonly Version[]): void {
		if (versions.length === 0 || !this.#redis.isReady) return;
		const name = this.#name;
		const entries = versions.map((version) => {
			const text = encodeEntry(version);
			const entry = { bytes: Buffer.byteLength(text) };
			this.#index.set(version.memoryKey, entry);
			return { key: version.memoryKey, text, entry };
		});
		const sent = this.#redis.ask(async (redis) => {
			// The breaker may have held it back: what was taken away since must not come again.
			const present = entries.filter(({ key, entry }) => this.#index.peek(key) === entry);
			if (present.length === 0 || name !== this.#name) return;
			const fields = present.flatMap(({ key, text }) => [key, text]);
			// Together: a hash that is written without its lapse would stay.
			const results = await redis.multi().hset(name, fields).pexpire(name, LAPSE_MS).exec();
			for (const [error] of results ?? []) if (error !== null) throw error;
		});
		sent.catch(() => this.#giveUpOn(name));
	}

	delete(keys: readonly MemoryKey[]): Promise<void> | undefined {
		const present = keys.filter((key) => this.#index.delete(key));
		return present.length === 0 ? undefined : this.#forget(present);
	}

	reset(): void {
		const old = this.#name;
		const wasUsed = this.#index.size > 0;
		this.#name = this.#newName();
		this.#index.clear();
		if (!wasUsed || !this.#redis.isReady) return;
		// Only tidiness: it lapses by itself.
		this.#redis.ask((redis) => redis.unlink(old)).catch(() => undefined);
	}

	async *all(): AsyncGenerator<HotEntry> {
		const name = this.#name;
		const seen = new Set<string>();
		let cursor = "0";
		do {
			const [next, fields] = await this.#redis.ask((redis) =>
				redis.hscan(name, cursor, "COUNT", SCAN_FIELDS),
			);
			cursor = next;
			for (let index = 0; index + 1 < fields.length; index += 2) {
				const memoryKey = fields[index] as MemoryKey;
				// HSCAN may answer a field twice.
				if (seen.has(memoryKey)) continue;
				seen.add(memoryKey);
				yield { memoryKey, version: decodeEntry(memoryKey, fields[index + 1] ?? "") };
			}
		} while (cursor !== "0" && name === this.#name);
	}

	async close(): Promise<void> {
		this.#unwatch();
		this.reset();
	}

	async #fetch(key: MemoryKey): Promise<Version | undefined> {
		const name = this.#name;
		let text: string | null;
		try {
			text = await this.#redis.ask((redis) => redis.hget(name, key));
		} catch {
			// Noted as the store's failure. Nothing was changed by it, and Postgres answers instead.
			return undefined;
		}
		const version = text === null ? undefined : decodeEntry(key, text);
		if (version === undefined && name === this.#name) void this.delete([key]);
		return version;
	}

	async #forget(keys: readonly MemoryKey[]): Promise<void> {
		const name = this.#name;
		try {
			await this.#redis.ask((redis) => redis.hdel(name, ...keys));
		} catch {
			this.#giveUpOn(name);
		}
	}

	/** Something under that name was not acknowledged. */
	#giveUpOn(name: string): void {
		if (name === this.#name) this.#giveUp();
	}

	#giveUp(): void {
		this.reset();
		this.#onReset();
	}

	#newName(): string {
		return `${this.#prefix}:${randomUUID()}`;
	}
}
