/**
 * Embedded versions that searches look through in memory: of a small collection all of them, so that LanceDB
 * need not be asked, else its tail. What was read from Postgres is kept, and only what is new is read again.
 *
 * What is visible is decided elsewhere, so rows that a rollback orphaned or retention removed are harmless.
 * Rows that change in place, or come back below the last id, are told by the collection's epoch.
 */
import { LRUCache } from "lru-cache";
import { type Clock, systemClock } from "../../domain/clock.ts";
import type { VersionId } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import { RowScan } from "../../ranking/exact-scan.ts";
import { RowTexts } from "../../ranking/row-texts.ts";
import type { CollectionView, StateView } from "../reading/state-store.ts";

/** Tails kept at hand; a tail of 1,024 × 384 floats is 1.6 MB. */
const CACHED_TAILS = 64;
/** A tail passes its limit only by the commit that fills it, and by what a rollback gives back. */
const MAX_ROWS = 64 * LIMITS.tailRows;
/** Read at a time: a tail at its limit, fourfold; 6 MB at 384 floats. */
const PAGE_ROWS = 4 * LIMITS.tailRows;
const FLOAT_BYTES = 4;
/** Collections remembered as too large; one that is forgotten is counted again, 1 ms. */
const KNOWN_LARGE = 1_024;
/** A whole collection that was not searched for so long makes room for another; one that is reads all anew. */
const IDLE_MS = 60_000;

/** What a search finds in memory. */
export interface AtHand {
	/** True: these are all rows of the collection, up to the coordinate's last at least. */
	readonly isWhole: boolean;
	/** May hold rows above the coordinate's last. Throws `RetryableError("tail_full")`. */
	load(): Promise<Rows>;
}

export interface Rows {
	readonly scan: RowScan;
	readonly texts: RowTexts;
}

interface Kept extends Rows {
	/** Rows in (above, to] were read. */
	above: VersionId;
	to: VersionId;
	usedAt: number;
}

export class RowsAtHand {
	readonly #wholeBytes: number;
	readonly #clock: Clock;
	/** By epoch. */
	readonly #wholes = new LRUCache<string, Kept>({ max: LIMITS.wholeCollections });
	/** By epoch; what is too large once is taken to stay so. */
	readonly #large = new LRUCache<string, true>({ max: KNOWN_LARGE });
	/** By epoch and generation, each of which has a pointer of its own. */
	readonly #tails = new LRUCache<string, Kept>({ max: CACHED_TAILS });
	readonly #loading = new Map<string, Promise<Rows>>();

	/** `wholeBytes`: of vectors, up to which a collection is kept whole; 0 keeps tails alone. */
	constructor(wholeBytes: number = LIMITS.wholeCollectionBytes, clock: Clock = systemClock) {
		this.#wholeBytes = wholeBytes;
		this.#clock = clock;
	}

	/** Of that collection at the view's coordinate. Asks Postgres only for one that was not seen before. */
	async of(view: StateView, name: string, collection: CollectionView): Promise<AtHand> {
		const isWhole = await this.#isKeptWhole(view, name, collection);
		const { epoch, pointer } = collection;
		const wanted = isWhole
			? { key: epoch, kept: this.#wholes, above: 0n }
			: { key: `${epoch}:${view.at.generation}`, kept: this.#tails, above: pointer.versionId };
		const load = async () => {
			const rows = await loaded(wanted, view, name, collection);
			rows.usedAt = this.#clock.now();
			return rows;
		};
		return { isWhole, load: () => this.#inTurn(wanted.key, load) };
	}

	async #isKeptWhole(
		view: StateView,
		name: string,
		{ epoch, dimensions, pointer }: CollectionView,
	): Promise<boolean> {
		const most = Math.floor(this.#wholeBytes / (dimensions * FLOAT_BYTES));
		const kept = this.#wholes.get(epoch);
		if (kept !== undefined) {
			if (kept.scan.size <= most) return true;
			this.#wholes.delete(epoch);
			this.#large.set(epoch, true);
		}
		if (most === 0 || this.#large.has(epoch) || !this.#hasRoom()) return false;
		const count = await view.embeddedCount(name, { upTo: pointer.versionId, limit: most + 1 });
		if (count > most) this.#large.set(epoch, true);
		return count <= most;
	}

	/** True also where the one that was searched longest ago goes for another. */
	#hasRoom(): boolean {
		const [oldest] = this.#wholes.rvalues();
		if (oldest === undefined || this.#wholes.size < this.#wholes.max) return true;
		return this.#clock.now() - oldest.usedAt > IDLE_MS;
	}

	/** One load of the same rows at a time. */
	async #inTurn(key: string, load: () => Promise<Rows>): Promise<Rows> {
		const before = this.#loading.get(key) ?? Promise.resolve();
		const loading = before.then(load, load);
		this.#loading.set(key, loading);
		try {
			return await loading;
		} finally {
			if (this.#loading.get(key) === loading) this.#loading.delete(key);
		}
	}
}

async function loaded(
	{
		key,
		kept,
		above,
	}: {
		readonly key: string;
		readonly kept: LRUCache<string, Kept>;
		readonly above: VersionId;
	},
	view: StateView,
	name: string,
	{ dimensions, lastVersionId }: CollectionView,
): Promise<Kept> {
	const known = kept.get(key);
	const rows =
		known !== undefined && known.above <= above
			? known
			: {
					scan: new RowScan({ dimensions, maxRows: MAX_ROWS }),
					texts: new RowTexts(),
					above,
					to: above,
					usedAt: 0,
				};
	if (above > rows.above) {
		rows.scan.retain((row) => row.versionId > above);
		rows.texts.retain((row) => row.versionId > above);
	}
	rows.above = above;
	kept.set(key, rows);
	await fill(rows, view, { name, to: lastVersionId });
	return rows;
}

/**
 * In pages: after an import all is tail, and what does not fit is not to be in memory even once. What was
 * read stays where the bound ends it, so that the next search asks for a page only.
 */
async function fill(
	rows: Kept,
	view: StateView,
	{ name, to }: { readonly name: string; readonly to: VersionId },
): Promise<void> {
	let from = rows.to > rows.above ? rows.to : rows.above;
	while (from < to) {
		const page = await view.tail(name, { above: from, to, limit: PAGE_ROWS });
		rows.scan.append(page);
		rows.texts.append(page);
		const last = page.at(-1);
		from = last === undefined || page.length < PAGE_ROWS ? to : last.versionId;
		rows.to = from;
	}
}
