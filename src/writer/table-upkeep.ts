/**
 * When a table is compacted and its indexes are refreshed, and how well they serve. What is due follows from
 * the table's own figures, so that a process that has just taken the chain over goes on where another was, and
 * a pointer that a rollback moved to before an index gets the index again.
 */
import type { ChainId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Logger } from "../domain/logger.ts";
import type { TableFigures, VectorTables } from "../vectors/vector-tables.ts";
import type { CollectionIndex } from "./collection-index.ts";
import type { FlushStore, FlushTarget } from "./flush-store.ts";

/** Table versions between two compactions (measured: the cost is the same at 64 and 256). */
const COMPACT_EVERY = 64n;
/**
 * The same of a table of at most SMALL_ROWS, which is compacted in tens of milliseconds: each fragment adds 0.2 ms
 * to every search, so that 40 of them take longer than all the rows (measured).
 */
const SMALL_COMPACT_EVERY = 16n;
const SMALL_ROWS = 8_192;
/**
 * Rows that the indexes of a table may not know: a share of it, so that what a row costs in refreshes does not
 * grow with the table, and at least two flushes. Of 10,000 rows that no index knows a search by words takes
 * 12 ms, after a refresh 2 (measured).
 */
const UNKNOWN_SHARE = 4;
const LEAST_UNKNOWN = 2 * LIMITS.tailFlushRows;

export interface TableUpkeepOptions {
	readonly chainId: ChainId;
	readonly tables: VectorTables;
	readonly store: Pick<FlushStore, "oldestNamed">;
	readonly log: Logger;
}

/** As a table stood when it was last looked at, and the rows that were added since. */
interface Seen {
	readonly version: bigint;
	readonly index: CollectionIndex;
	readonly lacksIndex: boolean;
	readonly hasWords: boolean;
}

export class TableUpkeep {
	readonly #options: TableUpkeepOptions;
	readonly #seen = new Map<string, Seen>();
	/** Collections whose index finds too little, and which is trained anew at the next occasion. */
	readonly #weak = new Set<string>();

	constructor(options: TableUpkeepOptions) {
		this.#options = options;
	}

	get indexes(): ReadonlyMap<string, CollectionIndex> {
		return new Map([...this.#seen].map(([name, { index }]) => [name, index]));
	}

	/** Whether the table at `written`, which is `base` and so many rows more, is to be compacted. */
	async isDue(
		target: FlushTarget,
		{
			base,
			written,
			added,
		}: { readonly base: bigint; readonly written: bigint; readonly added: number },
	): Promise<boolean> {
		const { name } = target;
		const known = this.#seen.get(name);
		if (known?.version !== base) await this.look(target, written, { measures: false });
		else this.#seen.set(name, { ...known, version: written, index: grown(known.index, added) });
		const seen = this.#seen.get(name);
		const isStale = seen !== undefined && seen.index.unindexedRows >= mostUnknown(seen.index);
		const isSmall = seen !== undefined && seen.index.rows <= SMALL_ROWS;
		const every = isSmall ? SMALL_COMPACT_EVERY : COMPACT_EVERY;
		return written % every === 0n || isStale || seen?.lacksIndex === true;
	}

	/** Whether the table was made before words were kept in it. */
	async lacksWords(target: FlushTarget): Promise<boolean> {
		const { tableVersion } = target.pointer;
		if (tableVersion === 0n) return false;
		if (this.#seen.get(target.name)?.version !== tableVersion)
			await this.look(target, tableVersion, { measures: false });
		return this.#seen.get(target.name)?.hasWords === false;
	}

	/** Answers the version that has the same rows. */
	async compact({ name, table }: FlushTarget, version: bigint): Promise<bigint> {
		const { tables, store, chainId } = this.#options;
		const keepFrom = await store.oldestNamed(chainId, name);
		const retrain = this.#weak.has(name);
		const compacted = await tables.compact(table, version, keepFrom, { retrain });
		this.#weak.delete(name);
		return compacted;
	}

	/** Looks a collection's table over; `measures`: recall too, which takes seconds for a large one. */
	async look(
		{ name, table }: FlushTarget,
		version: bigint,
		{ measures }: { readonly measures: boolean },
	): Promise<CollectionIndex> {
		const figures = await this.#options.tables.figures(table, version);
		const recall = measures
			? await this.#recall(name, table, version)
			: this.#seen.get(name)?.index.recall;
		const index = indexOf(figures, recall);
		this.#seen.set(name, {
			version,
			index,
			lacksIndex: figures.lacksIndex,
			hasWords: figures.hasWords,
		});
		return index;
	}

	async #recall(
		collection: string,
		table: string,
		version: bigint,
	): Promise<CollectionIndex["recall"]> {
		const { tables, log, chainId } = this.#options;
		const measured = await tables.recall(table, version);
		if (measured === undefined) return undefined;
		const { recall, k, sample, rows } = measured;
		const figures = { chainId, collection, recall, k, sample, rows };
		if (recall < LIMITS.leastRecall) {
			this.#weak.add(collection);
			log.warn(figures, "the index of vectors finds too little; it is trained anew");
		} else {
			log.info(figures, "recall of the index of vectors");
		}
		return { share: recall, k, sample, measuredAt: new Date() };
	}
}

function mostUnknown({ rows }: CollectionIndex): number {
	return Math.min(LIMITS.refreshRows, Math.max(LEAST_UNKNOWN, rows / UNKNOWN_SHARE));
}

function grown(index: CollectionIndex, added: number): CollectionIndex {
	return { ...index, rows: index.rows + added, unindexedRows: index.unindexedRows + added };
}

function indexOf(figures: TableFigures, recall: CollectionIndex["recall"]): CollectionIndex {
	const { rows, hasVectorIndex, indexes } = figures;
	return {
		rows,
		search: hasVectorIndex ? "index" : "exact",
		unindexedRows: Math.max(0, ...indexes.map(({ unindexedRows }) => unindexedRows)),
		recall: hasVectorIndex ? recall : undefined,
	};
}
