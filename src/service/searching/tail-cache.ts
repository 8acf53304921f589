/**
 * The tails of collections, scanned from memory. What Postgres holds above the pointer is read once
 * and then only what is new; a generation has a tail of its own, so a rollback never leaves rows behind.
 */
import { LRUCache } from "lru-cache";
import type { ChainId, Generation, VersionId } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import { TailScan } from "../../ranking/exact-scan.ts";
import { TailTexts } from "../../ranking/tail-texts.ts";
import type { CollectionView, StateView } from "../reading/state-store.ts";

/** Collections whose tails are kept at hand; a tail of 1,024 × 384 floats is 1.6 MB. */
const CACHED_TAILS = 64;
/** A tail passes its limit only by the commit that fills it, and by what a rollback gives back. */
const MAX_ROWS = 64 * LIMITS.tailRows;
/** Read at a time: a tail at its limit, fourfold; 6 MB at 384 floats. */
const PAGE_ROWS = 4 * LIMITS.tailRows;

interface Tail {
	readonly scan: TailScan;
	readonly texts: TailTexts;
	above: VersionId;
	to: VersionId;
}

export class TailCache {
	readonly #tails = new LRUCache<string, Tail>({ max: CACHED_TAILS });
	readonly #loading = new Map<string, Promise<Tail>>();

	/** The tail of that collection at the view's coordinate; may hold rows above the view's last. */
	async tail(
		view: StateView,
		name: string,
		collection: CollectionView,
	): Promise<Pick<Tail, "scan" | "texts">> {
		const key = keyOf(view.at.chainId, view.at.generation, name);
		const before = this.#loading.get(key) ?? Promise.resolve(undefined);
		const loading = before
			.catch(() => undefined)
			.then(() => this.#load(key, view, name, collection));
		this.#loading.set(key, loading);
		try {
			return await loading;
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
						texts: new TailTexts(),
						above,
						to: above,
					};
		if (above > tail.above) {
			tail.scan.retain((row) => row.versionId > above);
			tail.texts.retain((row) => row.versionId > above);
		}
		tail.above = above;
		this.#tails.set(key, tail);
		await fill(tail, view, { name, to });
		return tail;
	}
}

/**
 * In pages: after an import all is tail, and what does not fit is not to be in memory even once. What was
 * read stays where the bound ends it, so that the next search asks for a page only.
 */
async function fill(
	tail: Tail,
	view: StateView,
	{ name, to }: { readonly name: string; readonly to: VersionId },
): Promise<void> {
	let from = tail.to > tail.above ? tail.to : tail.above;
	while (from < to) {
		const rows = await view.tail(name, { above: from, to, limit: PAGE_ROWS });
		tail.scan.append(rows);
		tail.texts.append(rows);
		const last = rows.at(-1);
		from = last === undefined || rows.length < PAGE_ROWS ? to : last.versionId;
		tail.to = from;
	}
}

function keyOf(chainId: ChainId, generation: Generation, name: string): string {
	return `${chainId}:${generation}:${name}`;
}
