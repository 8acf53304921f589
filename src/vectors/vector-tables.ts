/**
 * What the flusher and the search ask of the vector engine. The adapter is vectors/lance-tables.ts.
 *
 * A table is append-only in meaning: rows say from which height a version exists, Postgres alone says
 * whether it is visible. A table belongs to one chain and one collection.
 *
 * Every call throws `RetryableError("vectors_unavailable")` when the engine fails, and `FatalError`
 * with `history_pruned` (the version is not there any more), `data_directory_corrupt` (the table is
 * not there), `dimension_mismatch`, `limit_exceeded` or `invalid_request` (a table's name).
 */
import type { Height, VersionId } from "../domain/ids.ts";
import type { Layer } from "../domain/layer.ts";
import type { VectorCandidate, VectorRow } from "../domain/vector.ts";

export interface VectorFilter {
	/** Rows with fromBlock above it are left out; undefined: none. */
	readonly maxFromBlock: Height | undefined;
	/**
	 * True: most rows are no higher than `maxFromBlock`, so that an exact search had better compare those that
	 * it found than all. It is a guess, and changes no answer.
	 */
	readonly mostPass?: boolean | undefined;
	/** Rows with fromBlock below it are left out. */
	readonly minFromBlock?: Height | undefined;
	/** Undefined: of all. */
	readonly namespaces: readonly string[] | undefined;
	readonly layers: readonly Layer[] | undefined;
	/** Versions known to be invisible; at most 50,000, and up to 2,048 cost little. */
	readonly excludeVersions: readonly VersionId[];
}

export interface TableFigures {
	readonly rows: number;
	/** False: the table was made before words were kept in it. */
	readonly hasWords: boolean;
	readonly hasVectorIndex: boolean;
	/** True: it is large enough for an index of vectors, and has none. */
	readonly lacksIndex: boolean;
	readonly indexes: readonly { readonly name: string; readonly unindexedRows: number }[];
}

export interface TableRecall {
	/** Share of the true nearest `k` that the index finds, in [0, 1]. */
	readonly recall: number;
	readonly k: number;
	/** Questions that it was measured with. */
	readonly sample: number;
	readonly rows: number;
}

/** Version of a LanceDB table, from 1. */
export type TableVersion = bigint;

export interface VectorTables {
	/**
	 * Answers a version without rows: of a new table, or a new one of a table that is there, whose
	 * older versions stay what they are. A table's name
	 * has letters, digits, `_`, `-` and `.`, at most 128.
	 */
	create(table: string, dimensions: number): Promise<TableVersion>;
	/**
	 * Has the rows of `base` be the table's newest: answers `base` where they are, else a new version with the
	 * same rows. It asks for the newest version alone, so that its time does not grow with their number.
	 */
	bringTo(table: string, base: TableVersion): Promise<TableVersion>;
	/**
	 * Appends rows on top of `base` and answers the new version. When the table's latest version is
	 * not `base`, goes back to `base` first (a new version with the same rows). The write must be the
	 * next version after that, else it goes back to `base` and does it again, a bounded number of
	 * times. At most 4,096 rows; none: answers `base` and writes nothing.
	 */
	append(table: string, base: TableVersion, rows: readonly VectorRow[]): Promise<TableVersion>;
	/**
	 * Takes every row of these versions out and appends rows, on top of `base`, under the rules of
	 * `append`; answers the last of the versions that this makes. At most 4,096 rows are added.
	 */
	rewrite(
		table: string,
		base: TableVersion,
		change: { readonly remove: readonly VersionId[]; readonly add: readonly VectorRow[] },
	): Promise<TableVersion>;
	/**
	 * The k most similar rows of that version under the filter, exact, most similar first, and of
	 * equals the smaller version id; k at most four times LIMITS.searchK. A vector without direction
	 * (all zeros, a value that is not finite) is found by nothing and finds nothing.
	 */
	search(
		table: string,
		version: TableVersion,
		query: { readonly vector: Float32Array; readonly k: number; readonly filter: VectorFilter },
	): Promise<readonly VectorCandidate[]>;
	/**
	 * The same by the index of vectors, nearly: `recall` says how nearly. Undefined: that version has
	 * none, and is searched exactly.
	 */
	searchIndexed(
		table: string,
		version: TableVersion,
		query: Parameters<VectorTables["search"]>[2],
	): Promise<readonly VectorCandidate[] | undefined>;
	/**
	 * At most k rows of that version under the filter in which one of the words stands; `similarity` is the
	 * score of ranking/word-score.ts, best first. All that match when they are fewer than k. Throws
	 * `history_pruned` for a version that was made before words were kept.
	 */
	searchWords(
		table: string,
		version: TableVersion,
		query: { readonly words: readonly string[]; readonly k: number; readonly filter: VectorFilter },
	): Promise<readonly VectorCandidate[]>;
	/** Rows, and how far the indexes know them. */
	figures(table: string, version: TableVersion): Promise<TableFigures>;
	/** Measured on a sample against exact search; undefined: that version has no index of vectors. */
	recall(table: string, version: TableVersion): Promise<TableRecall | undefined>;
	/** Every row of that version, for comparison and repair; streamed in batches. */
	rows(table: string, version: TableVersion): AsyncIterable<readonly VectorRow[]>;
	/**
	 * Compacts on top of `base`, takes new rows up into the indexes, makes those that the table's size asks
	 * for (`retrain`: that of the vectors anew), and cleans versions that were made before `keepFrom`, which
	 * is at most the time of the oldest version still named; five minutes more are kept, for clocks that
	 * differ. Answers the new version, which has the same rows.
	 */
	compact(
		table: string,
		base: TableVersion,
		keepFrom: Date,
		options?: { readonly retrain: boolean },
	): Promise<TableVersion>;
	close(): Promise<void>;
}
