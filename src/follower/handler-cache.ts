/**
 * The newest committed versions of the handler-owned memories that handlers read, so that reading one again
 * costs no query. What is only written, as a record of each event is, takes no room. Valid as long as this process holds the chain's lease, in the
 * generation that it was filled in: only the follower writes handler-owned memories, and a rollback begins
 * another. Where it is known what a rollback changed, the rest is kept.
 */
import { LRUCache } from "lru-cache";
import type { ChainId, Generation, MemoryKey } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Version } from "../domain/memory.ts";
import { canonicalJson } from "../memory/canonical.ts";
import type { HandlerOperation } from "../memory/handler-operation.ts";
import { memoryKey } from "../memory/memory-key.ts";
import type { HandlerVersion } from "../rollback/branch-deriver.ts";
import type { KnownVersion } from "../rollback/known-memories.ts";
import type { DerivedBlock } from "../writer/derived-blocks.ts";
import type { WriterStore } from "../writer/writer-store.ts";
import type { CommittedMemory } from "./handler-state.ts";

/** Key, place in the order of use, and what is beside the content. */
const ENTRY_BYTES = 550;

export class HandlerCache {
	readonly #store: Pick<WriterStore, "latestVersions">;
	readonly #chainId: ChainId;
	readonly #versions = new LRUCache<MemoryKey, KnownVersion>({
		// Not by number as well: that would set aside room for all of them at each change of the lease.
		maxSize: LIMITS.handlerCacheBytes,
		sizeCalculation: sizeOf,
	});

	constructor(store: Pick<WriterStore, "latestVersions">, chainId: ChainId) {
		this.#store = store;
		this.#chainId = chainId;
	}

	/** How often something was taken out: a read that was under way meanwhile is not kept. */
	#clearings = 0;
	#misses = 0;
	#generation: Generation | undefined;

	/** Forgets what it holds, unless that is of this generation. Called before what it holds is asked for. */
	enter(generation: Generation): void {
		if (generation === this.#generation) return;
		this.clear();
		this.#generation = generation;
	}

	/** Keeps for the generation after `from` what a rollback did not change. */
	changed(from: Generation, keys: readonly MemoryKey[]): void {
		if (from !== this.#generation) return;
		for (const key of keys) this.#versions.delete(key);
		this.#clearings += 1;
		this.#generation = from + 1n;
	}

	/** Without asking. */
	known(key: MemoryKey): KnownVersion | undefined {
		return this.#versions.get(key);
	}

	async read(key: MemoryKey): Promise<HandlerVersion | undefined> {
		const known = this.#versions.get(key);
		if (known !== undefined) return known.version;
		this.#misses += 1;
		const [version] = await this.#load([key]);
		return version;
	}

	/** Reads them in one go, so that none of them is read one by one. */
	async readAhead(keys: readonly MemoryKey[]): Promise<void> {
		if (keys.length > 0) await this.#load(keys);
	}

	/** How often the store was asked for a single one. */
	get misses(): number {
		return this.#misses;
	}

	/** In the order of `keys`. */
	async #load(keys: readonly MemoryKey[]): Promise<readonly (HandlerVersion | undefined)[]> {
		const clearings = this.#clearings;
		const found = await this.#store.latestVersions(this.#chainId, keys);
		return keys.map((key) => {
			const version = found.get(key)?.toSorted(byHeight).at(-1);
			if (clearings === this.#clearings) this.#versions.set(key, { version });
			return version;
		});
	}

	/** What was committed, of what is at hand. */
	keep(blocks: readonly DerivedBlock[]): void {
		for (const [key, written] of writtenBy(blocks)) {
			if (this.#versions.has(key)) this.#versions.set(key, written);
		}
	}

	clear(): void {
		this.#versions.clear();
		this.#clearings += 1;
	}
}

/** What these blocks leave of the memories that their handlers wrote. */
export function writtenBy(blocks: readonly DerivedBlock[]): ReadonlyMap<MemoryKey, KnownVersion> {
	const written = new Map<MemoryKey, KnownVersion>();
	for (const operation of blocks.flatMap((block) => block.operations)) {
		const { namespace, id } = operation;
		written.set(memoryKey(namespace, id), { version: versionOf(operation) });
	}
	return written;
}

/** About the bytes of the heap that an entry takes: measured 600 with content of some 50 characters. */
function sizeOf({ version }: KnownVersion): number {
	return ENTRY_BYTES + (version?.content === undefined ? 0 : canonicalJson(version.content).length);
}

function versionOf(operation: HandlerOperation): HandlerVersion | undefined {
	if (operation.kind === "delete") return undefined;
	const { layer, content, expiresAtBlock, expiresAtTime } = operation.body;
	const ends = { expiresBlock: expiresAtBlock, expiresTime: expiresAtTime };
	return { id: operation.id, layer, content, ...ends };
}

function byHeight(a: Version, b: Version): number {
	return a.fromBlock < b.fromBlock ? -1 : 1;
}

/** A version as handlers see it; undefined for a tombstone. */
export function committed(version: HandlerVersion | undefined): CommittedMemory | undefined {
	if (version?.content === undefined) return undefined;
	return {
		id: version.id,
		layer: version.layer,
		content: version.content,
		expiresAtBlock: version.expiresBlock,
	};
}
