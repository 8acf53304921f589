/**
 * The newest committed versions of handler-owned memories, so that a handler's read costs no query
 * for what was read or written lately. Valid as long as this process holds the chain's lease: only
 * the follower writes handler-owned memories, and a rollback clears it.
 */
import { LRUCache } from "lru-cache";
import type { ChainId, MemoryKey } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Version } from "../domain/memory.ts";
import { memoryKey } from "../memory/memory-key.ts";
import type { DerivedBlock } from "../writer/derived-blocks.ts";
import type { WriterStore } from "../writer/writer-store.ts";

export class HandlerCache {
	readonly #store: WriterStore;
	readonly #chainId: ChainId;
	readonly #versions = new LRUCache<MemoryKey, { readonly version: Version | undefined }>({
		max: LIMITS.handlerCacheEntries,
	});

	constructor(store: WriterStore, chainId: ChainId) {
		this.#store = store;
		this.#chainId = chainId;
	}

	async read(key: MemoryKey): Promise<Version | undefined> {
		const known = this.#versions.get(key);
		if (known !== undefined) return known.version;
		const found = await this.#store.latestVersions(this.#chainId, [key]);
		const version = found.get(key)?.toSorted(byHeight).at(-1);
		this.#versions.set(key, { version });
		return version;
	}

	/** What was committed is read again when it is wanted. */
	forget(blocks: readonly DerivedBlock[]): void {
		for (const block of blocks) {
			for (const { namespace, id } of block.operations) {
				this.#versions.delete(memoryKey(namespace, id));
			}
		}
	}

	clear(): void {
		this.#versions.clear();
	}
}

function byHeight(a: Version, b: Version): number {
	return a.fromBlock < b.fromBlock ? -1 : 1;
}
