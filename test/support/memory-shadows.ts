/** Shadows in memory, for tests that need no server. */
import type { Height, MemoryKey } from "../../src/domain/ids.ts";
import type { LayerKey, Shadow, ShadowRow, ShadowStore } from "../../src/restore/shadow-store.ts";

export class MemoryShadows implements ShadowStore {
	readonly #shadows = new Map<string, { shadow: Shadow; rows: Map<MemoryKey, ShadowRow> }>();
	/** Rows of the largest write and read so far. */
	largest = 0;

	get size(): number {
		return this.#shadows.size;
	}

	async begin(shadow: Shadow): Promise<void> {
		for (const [id, other] of this.#shadows) {
			if (other.shadow.ownerId === shadow.ownerId) this.#shadows.delete(id);
		}
		this.#shadows.set(shadow.shadowId, { shadow, rows: new Map() });
	}

	async put(shadowId: string, rows: readonly ShadowRow[]): Promise<void> {
		this.largest = Math.max(this.largest, rows.length);
		for (const row of rows) this.#rows(shadowId).set(row.memoryKey, row);
	}

	async remove(shadowId: string, keys: readonly LayerKey[]): Promise<void> {
		const rows = this.#rows(shadowId);
		for (const { layer, memoryKey } of keys) {
			if (rows.get(memoryKey)?.layer === layer) rows.delete(memoryKey);
		}
	}

	async rows(
		shadowId: string,
		keys: readonly MemoryKey[],
	): Promise<ReadonlyMap<MemoryKey, ShadowRow>> {
		const rows = this.#rows(shadowId);
		this.largest = Math.max(this.largest, keys.length);
		return new Map(
			keys.flatMap((key) => {
				const row = rows.get(key);
				return row === undefined ? [] : [[key, row] as const];
			}),
		);
	}

	async expiring(
		shadowId: string,
		{ above, to, time }: { readonly above: Height; readonly to: Height; readonly time: bigint },
	): Promise<readonly MemoryKey[]> {
		const ends = ({ expiresBlock, expiresTime }: ShadowRow) =>
			(expiresTime !== undefined && expiresTime <= time) ||
			(expiresBlock !== undefined && expiresBlock > above && expiresBlock <= to);
		return [...this.#rows(shadowId).values()].filter(ends).map(({ memoryKey }) => memoryKey);
	}

	async page(
		shadowId: string,
		{ after, limit }: { readonly after: MemoryKey | undefined; readonly limit: number },
	): Promise<readonly ShadowRow[]> {
		return [...this.#rows(shadowId).values()]
			.filter(({ memoryKey }) => after === undefined || memoryKey > after)
			.sort((a, b) => (a.memoryKey < b.memoryKey ? -1 : 1))
			.slice(0, limit);
	}

	async drop(shadowId: string): Promise<void> {
		this.#shadows.delete(shadowId);
	}

	#rows(shadowId: string): Map<MemoryKey, ShadowRow> {
		const found = this.#shadows.get(shadowId);
		if (found === undefined) throw new Error(`there is no shadow ${shadowId}`);
		return found.rows;
	}
}
