/** The working memory of every chain that this process writes: in the process, or in Redis. */
import type { AnsweredAt } from "../domain/coordinate.ts";
import type { ChainId, MemoryKey } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import type { StoreHealth } from "../domain/store-health.ts";
import type { GuardLog } from "../resilience/store-guard.ts";
import type {
	HotEntry,
	HotMemory,
	WorkingMemoryFigures,
	WorkingMemoryReader,
} from "../service/reading/working-memory-reader.ts";
import type { WorkingMemories, WorkingMemory } from "../writer/working-memory.ts";
import { HotChain } from "./hot-chain.ts";
import type { OpenHotEntries } from "./hot-entries.ts";
import { LruEntries } from "./lru-entries.ts";
import { RedisConnection } from "./redis-connection.ts";
import { RedisEntries } from "./redis-entries.ts";

export interface HotMemoriesOptions {
	/** Undefined: in this process. */
	readonly redis: { readonly url: string; readonly prefix: string } | undefined;
	readonly isDatabaseUp: () => boolean;
	readonly log: GuardLog;
}

export class HotMemories implements WorkingMemories, WorkingMemoryReader {
	readonly #options: HotMemoriesOptions;
	readonly #redis: RedisConnection | undefined;
	readonly #chains = new Map<ChainId, HotChain>();
	#hits = 0;
	#misses = 0;
	#resets = 0;

	/** Waits for nothing: a Redis that is away is connected to when it is there. */
	constructor(options: HotMemoriesOptions) {
		this.#options = options;
		const { redis, log } = options;
		this.#redis = redis && new RedisConnection(redis.url, log);
	}

	open(chainId: ChainId, isLeaseHeld: () => boolean): WorkingMemory {
		const chain = new HotChain({
			chainId,
			openEntries: this.#openEntries,
			isLeaseHeld,
			isDatabaseUp: this.#options.isDatabaseUp,
			onReset: () => {
				this.#resets += 1;
			},
			onClose: () => {
				if (this.#chains.get(chainId) === chain) this.#chains.delete(chainId);
			},
		});
		this.#chains.set(chainId, chain);
		return chain;
	}

	async read(chainId: ChainId, key: MemoryKey): Promise<HotMemory | undefined> {
		const found = await this.#chains.get(chainId)?.read(key);
		if (found === undefined) this.#misses += 1;
		else this.#hits += 1;
		return found;
	}

	learned(at: AnsweredAt, version: Version): void {
		this.#chains.get(at.chainId)?.learned(at, version);
	}

	async *entries(chainId: ChainId): AsyncGenerator<HotEntry> {
		const chain = this.#chains.get(chainId);
		if (chain !== undefined) yield* chain.entries();
	}

	async drop(chainId: ChainId, key: MemoryKey): Promise<void> {
		await this.#chains.get(chainId)?.drop(key);
	}

	figures(): WorkingMemoryFigures {
		const sizes = [...this.#chains.values()].map(({ size }) => size);
		return {
			backend: this.#redis === undefined ? "process" : "redis",
			entries: sizes.reduce((sum, size) => sum + size, 0),
			hits: this.#hits,
			misses: this.#misses,
			resets: this.#resets,
		};
	}

	health(): readonly StoreHealth[] {
		return this.#redis === undefined ? [] : [this.#redis.health()];
	}

	/** Asks Redis whether it is there, so that `health` says how it is now. */
	async probe(): Promise<void> {
		await this.#redis?.probe();
	}

	async close(): Promise<void> {
		for (const chain of [...this.#chains.values()]) chain.close();
		this.#redis?.close();
	}

	readonly #openEntries: OpenHotEntries = (chainId, onReset) => {
		const { redis } = this.#options;
		return this.#redis === undefined || redis === undefined
			? new LruEntries()
			: new RedisEntries(this.#redis, `${redis.prefix}:working-memory:${chainId}`, onReset);
	};
}
