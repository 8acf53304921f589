/** Which candidates of one search are the visible version of their memory and pass its filters. */
import type { MemoryKey } from "../../domain/ids.ts";
import type { Version } from "../../domain/memory.ts";
import type { VectorCandidate } from "../../domain/vector.ts";
import type { StateView } from "../reading/state-store.ts";
import { isSelective, passes, type SearchFilter } from "./search-filter.ts";

/** Memories that one look-up asks for beyond those that are wanted: most are visible, some are not. */
const SPARE = 6;
/** The same where few may pass: reading a row takes some 10 µs, asking once more 1 ms. */
const SPARE_IF_SELECTIVE = 40;

export interface FoundMemory {
	readonly version: Version;
	readonly score: number;
}

export class VisibleCandidates {
	readonly #view: StateView;
	readonly #filter: SearchFilter;
	/** Undefined: nothing is visible, or it does not pass. */
	readonly #judged = new Map<MemoryKey, Version | undefined>();
	/** In which look-up each memory was asked for; several lists are gone through at once. */
	readonly #lookups = new Map<MemoryKey, Promise<void>>();

	constructor(view: StateView, filter: SearchFilter) {
		this.#view = view;
		this.#filter = filter;
	}

	/** The first k that are visible and pass, in order. */
	async take(candidates: readonly VectorCandidate[], k: number): Promise<readonly FoundMemory[]> {
		const found: FoundMemory[] = [];
		let lookups = 0;
		const spare = isSelective(this.#filter) ? SPARE_IF_SELECTIVE : SPARE;
		for (let start = 0; start < candidates.length && found.length < k; ) {
			// Twice as many in every further look-up, so that many invisible ones take few round trips.
			const step = (k - found.length + spare) * 2 ** lookups;
			lookups += 1;
			const slice = candidates.slice(start, start + step);
			start += step;
			await this.#judge(slice.map(({ memoryKey }) => memoryKey));
			for (const { versionId, memoryKey, similarity } of slice) {
				const version = this.#judged.get(memoryKey);
				if (version?.versionId === versionId) found.push({ version, score: similarity });
			}
		}
		return found.slice(0, k);
	}

	async #judge(keys: readonly MemoryKey[]): Promise<void> {
		const open = [...new Set(keys)].filter((key) => !this.#lookups.has(key));
		if (open.length > 0) {
			const lookup = this.#lookUp(open);
			for (const key of open) this.#lookups.set(key, lookup);
		}
		// Those that another list asks for at this moment, too.
		await Promise.all(new Set(keys.map((key) => this.#lookups.get(key))));
	}

	async #lookUp(keys: readonly MemoryKey[]): Promise<void> {
		const visible = await this.#view.memories(keys);
		const { at, marks } = this.#view;
		for (const key of keys) {
			const version = visible.get(key);
			const taken =
				version !== undefined && passes(version, this.#filter, { height: at.height, marks });
			this.#judged.set(key, taken ? version : undefined);
		}
	}
}
