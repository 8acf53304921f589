/**
 * Which sources hold in the state that one commit works on: what was looked up in the store, and what is
 * written on top of it. Only what somebody waits for, or names, is kept.
 *
 * A slot that is written twice keeps the later version: what it said before was never sealed, and holds no
 * more from then on.
 */
import type { Height, MemoryKey } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import type { SourceRef, Sources } from "../domain/provenance.ts";
import { type Held, type HeldKey, heldKey, sourceKey } from "../memory/ground.ts";

export class HeldSources {
	/** What is named of each memory. */
	readonly #named = new Map<MemoryKey, Set<HeldKey>>();
	/** Where it is said, once for each slot. */
	readonly #held = new Map<HeldKey, readonly Held[]>();
	#fresh: HeldKey[] = [];

	/** Whether versions of any memory are kept. */
	get watchesAny(): boolean {
		return this.#named.size > 0;
	}

	/** Whether versions of that memory are kept. */
	watches(key: MemoryKey): boolean {
		return this.#named.has(key);
	}

	watch(sources: Sources): void {
		for (const source of sources.flat()) {
			const key = sourceKey(source);
			const named = this.#named.get(key) ?? new Set();
			named.add(heldKey(key, source.contentHash));
			this.#named.set(key, named);
		}
	}

	/** What the store has, below what is written. */
	learn(found: ReadonlyMap<HeldKey, Held>): void {
		for (const [key, held] of found) if (!this.#held.has(key)) this.#held.set(key, [held]);
	}

	/** Rather where it is not suspect; of those where it was said first. */
	get(source: SourceRef): Held | undefined {
		return this.#best(heldKey(sourceKey(source), source.contentHash));
	}

	/** The same, of what was said below that slot. */
	getBelow(source: SourceRef, slot: Height): Held | undefined {
		const said = this.#held.get(heldKey(sourceKey(source), source.contentHash)) ?? [];
		return bestOf(said.filter((held) => held.slot < slot));
	}

	/**
	 * What is written, or is known to be written, in that slot; undefined: nothing is there from then on. It
	 * takes the place of what was written there before.
	 */
	wrote(
		key: MemoryKey,
		version: Pick<Version, "contentHash" | "grounds" | "suspect"> | undefined,
		at: { readonly slot: Height; readonly depth: number },
	): void {
		const { slot, depth } = at;
		const said = version && heldKey(key, version.contentHash);
		for (const named of this.#named.get(key) ?? []) {
			const before = this.#best(named);
			const rest = (this.#held.get(named) ?? []).filter((held) => held.slot !== slot);
			if (version === undefined || named !== said) {
				this.#held.set(named, rest);
				continue;
			}
			const { grounds, suspect } = version;
			this.#held.set(named, [...rest, { slot, grounds, suspect, depth }]);
			if (before === undefined || (before.suspect && !suspect)) this.#fresh.push(named);
		}
	}

	/** What came to hold since this was last asked. */
	takeFresh(): readonly HeldKey[] {
		const fresh = this.#fresh;
		this.#fresh = [];
		return fresh;
	}

	#best(key: HeldKey): Held | undefined {
		return bestOf(this.#held.get(key) ?? []);
	}
}

function bestOf([first, ...others]: readonly Held[]): Held | undefined {
	return first && others.reduce(better, first);
}

function better(a: Held, b: Held): Held {
	if (a.suspect !== b.suspect) return a.suspect ? b : a;
	return b.slot < a.slot ? b : a;
}
