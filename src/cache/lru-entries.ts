/** Hot copies in this process: the least recently used go when there are too many. */
import { LRUCache } from "lru-cache";
import type { MemoryKey } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Version } from "../domain/memory.ts";
import type { HotEntry } from "../service/reading/working-memory-reader.ts";
import type { HotEntries } from "./hot-entries.ts";

/** What an entry takes beside its content and text. */
const OVERHEAD_BYTES = 512;

export class LruEntries implements HotEntries {
	readonly #versions = new LRUCache<MemoryKey, Version>({
		max: LIMITS.workingMemoryEntries,
		maxSize: LIMITS.workingMemoryBytes,
		sizeCalculation: sizeOf,
	});

	get size(): number {
		return this.#versions.size;
	}

	get(key: MemoryKey): Version | undefined {
		return this.#versions.get(key);
	}

	set(versions: readonly Version[]): void {
		for (const version of versions) this.#versions.set(version.memoryKey, version);
	}

	delete(keys: readonly MemoryKey[]): undefined {
		for (const key of keys) this.#versions.delete(key);
	}

	reset(): void {
		this.#versions.clear();
	}

	async *all(): AsyncGenerator<HotEntry> {
		for (const [memoryKey, version] of [...this.#versions.entries()]) yield { memoryKey, version };
	}

	async close(): Promise<void> {
		this.reset();
	}
}

function sizeOf({ content, text }: Version): number {
	return OVERHEAD_BYTES + 2 * (JSON.stringify(content ?? null).length + (text?.length ?? 0));
}
