/**
 * Which sources hold in the state that one commit works on: what was looked up in the store, and what is
 * written on top of it. Only versions of memories that somebody waits for, or names, are kept.
 */
import type { Height, MemoryKey } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import type { SourceRef, Sources } from "../domain/provenance.ts";
import { type Held, type HeldKey, heldKey, sourceKey } from "../memory/ground.ts";

export class HeldSources {
	readonly #watched = new Set<MemoryKey>();
	readonly #held = new Map<HeldKey, Held>();
	#fresh: HeldKey[] = [];

	/** Whether versions of that memory are kept. */
	watches(key: MemoryKey): boolean {
		return this.#watched.has(key);
	}

	watch(sources: Sources): void {
		for (const source of sources.flat()) this.#watched.add(sourceKey(source));
	}

	/** What the store has, below what is written. */
	learn(found: ReadonlyMap<HeldKey, Held>): void {
		for (const [key, held] of found) if (!this.#held.has(key)) this.#held.set(key, held);
	}

	get(source: SourceRef): Held | undefined {
		return this.#held.get(heldKey(sourceKey(source), source.contentHash));
	}

	/** A version that is written, or that is known to be written at `slot`; a tombstone is none. */
	wrote(
		version: Pick<Version, "memoryKey" | "contentHash" | "content" | "grounds" | "suspect">,
		slot: Height,
		depth: number,
	): void {
		if (version.content === undefined || !this.#watched.has(version.memoryKey)) return;
		const key = heldKey(version.memoryKey, version.contentHash);
		const before = this.#held.get(key);
		if (before !== undefined && (version.suspect || !before.suspect)) return;
		const { grounds, suspect } = version;
		this.#held.set(key, { slot, grounds, suspect, depth });
		this.#fresh.push(key);
	}

	/** What came to hold since this was last asked. */
	takeFresh(): readonly HeldKey[] {
		const fresh = this.#fresh;
		this.#fresh = [];
		return fresh;
	}
}
