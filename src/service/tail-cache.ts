/**
 * The tails of collections, scanned from memory. What Postgres holds above the pointer is read once
 * and then only what is new; a generation has a tail of its own, so a rollback never leaves rows behind.
 */
import { LRUCache } from "lru-cache";
import type { ChainId, Generation, VersionId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { TailScan } from "../ranking/exact-scan.ts";
import type { CollectionView, StateView } from "./state-store.ts";

/** Collections whose tails are kept at hand; a tail of 1,024 × 384 floats is 1.6 MB. */
const CACHED_TAILS = 64;
/** A tail passes its limit only by the commit that fills it, and by what a rollback gives back. */
const MAX_ROWS = 64 * LIMITS.tailRows;

interface Tail {
	readonly scan: TailScan;
	above: VersionId;
	to: VersionId;
}

export class TailCache {
	readonly #tails = new LRUCache<string, Tail>({ max: CACHED_TAILS });
	readonly #loading = new Map<string, Promise<Tail>>();

	/** The tail of that collection at the view's coordinate; may hold rows above the view's last. */
	async tail(view: StateView, name: string, collection: CollectionView): Promise<TailScan> {
		const key = keyOf(view.at.chainId, view.at.generation, name);
		const before = this.#loading.get(key) ?? Promise.resolve(undefined);
		const loading = before
			.catch(() => undefined)
			.then(() => this.#load(key, view, name, collection));
		this.#loading.set(key, loading);
		try {
			return (await loading).scan;
		} finally {
			if (this.#loading.get(key) === loading) this.#loading.delete(key);
		}
	}

	async #load(
		key: string,
		view: StateView,
		name: string,
		collection: CollectionView,
	): Promise<Tail> {
		const above = collection.pointer.versionId;
		const to = collection.lastVersionId;
		const known = this.#tails.get(key);
		const tail =
			known !== undefined && known.above <= above
				? known
				: {
						scan: new TailScan({ dimensions: collection.dimensions, maxRows: MAX_ROWS }),
						above,
						to: above,
					};
		const from = tail.to > above ? tail.to : above;
		if (to > from) tail.scan.append(await view.tail(name, { above: from, to }));
		if (above > tail.above) tail.scan.retain((row) => row.versionId > above);
		tail.above = above;
		if (to > tail.to) tail.to = to;
		this.#tails.set(key, tail);
		return tail;
	}
}

function keyOf(chainId: ChainId, generation: Generation, name: string): string {
	return `${chainId}:${generation}:${name}`;
}
