/** Reads of LanceDB's tables, each of a version that never changes; see lance-tables.ts. */
import type { Connection, Table } from "@lancedb/lancedb";
import { RecantError, RetryableError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { VectorCandidate, VectorRow } from "../domain/vector.ts";
import type { StoreGuard } from "../resilience/store-guard.ts";
import { withinTime } from "../resilience/time-limit.ts";
import {
	asUnavailable,
	checkTableName,
	isMissing,
	locationMissing,
	tableMissing,
	versionMissing,
	wordsMissing,
} from "./lance-errors.ts";
import { isReachable } from "./lance-location.ts";
import { recallOf } from "./lance-recall.ts";
import { decodeRows, ROW_COLUMNS } from "./lance-rows.ts";
import { searchTable, searchTableIndexed, type VectorQuery } from "./lance-search.ts";
import { searchTableWords, type WordsQuery } from "./lance-words.ts";
import { type PinnedTable, PinnedTables } from "./pinned-tables.ts";
import type { TableFigures, TableRecall, TableVersion } from "./vector-tables.ts";

export interface LanceReadsOptions {
	readonly uri: string;
	readonly connection: Connection;
	readonly guard: StoreGuard;
	/** Rows below which a table has no index of vectors. */
	readonly exactRows: number;
}

export class LanceReads {
	readonly #options: LanceReadsOptions;
	readonly #guard: StoreGuard;
	readonly #pinned: PinnedTables;

	constructor(options: LanceReadsOptions) {
		this.#options = options;
		this.#guard = options.guard;
		this.#pinned = new PinnedTables(options.connection);
	}

	async search(
		table: string,
		version: TableVersion,
		query: VectorQuery,
	): Promise<readonly VectorCandidate[]> {
		return this.#reading(table, version, (pinned) => searchTable(pinned, query));
	}

	async searchIndexed(
		table: string,
		version: TableVersion,
		query: VectorQuery,
	): Promise<readonly VectorCandidate[] | undefined> {
		return this.#reading(table, version, (pinned) => searchTableIndexed(pinned, query));
	}

	async searchWords(
		table: string,
		version: TableVersion,
		query: WordsQuery,
	): Promise<readonly VectorCandidate[]> {
		return this.#reading(table, version, (pinned) => {
			if (!pinned.hasWordsIndex) throw wordsMissing(table, version);
			return searchTableWords(pinned, query);
		});
	}

	async figures(table: string, version: TableVersion): Promise<TableFigures> {
		return this.#reading(table, version, async ({ handle, hasWords, hasVectorIndex }) => {
			const rows = await handle.countRows();
			const lacksIndex = !hasVectorIndex && rows >= this.#options.exactRows;
			const indexes = (await handle.listIndices()).map(({ name, numUnindexedRows }) => ({
				name,
				unindexedRows: numUnindexedRows ?? 0,
			}));
			return { rows, hasWords, hasVectorIndex, lacksIndex, indexes };
		});
	}

	async recall(table: string, version: TableVersion): Promise<TableRecall | undefined> {
		// Longer than a search may take: nobody waits for it.
		return this.#guard.run(() => this.#borrowing(table, version, recallOf));
	}

	async *rows(table: string, version: TableVersion): AsyncGenerator<readonly VectorRow[], void> {
		checkTableName(table);
		try {
			const { handle, release } = await this.#pinned.borrow(table, version);
			try {
				// LanceDB gives batches of at most 1,024 rows and waits for them to be taken.
				const batches = handle.query().select([...ROW_COLUMNS]);
				for await (const batch of batches) yield decodeRows(batch);
			} finally {
				release();
			}
		} catch (error) {
			const failure = await this.#readFailure(error, table, version);
			if (isAway(failure)) this.#guard.lost(failure);
			throw failure;
		}
	}

	close(): void {
		this.#pinned.close();
	}

	async openNewest(table: string): Promise<Table> {
		try {
			return await this.#options.connection.openTable(table);
		} catch (error) {
			await requireLocation(this.#options.uri);
			throw isMissing(error) ? tableMissing(table, error) : error;
		}
	}

	/** A request of which somebody waits for the answer. */
	async #reading<Result>(
		table: string,
		version: TableVersion,
		read: (pinned: PinnedTable) => Promise<Result>,
	): Promise<Result> {
		checkTableName(table);
		const limitMs = LIMITS.vectorRequestMs;
		return this.#guard.run(() =>
			withinTime(
				limitMs,
				() => this.#borrowing(table, version, read),
				() => tooLate(limitMs),
			),
		);
	}

	async #borrowing<Result>(
		table: string,
		version: TableVersion,
		read: (pinned: PinnedTable) => Promise<Result>,
	): Promise<Result> {
		try {
			const pinned = await this.#pinned.borrow(table, version);
			try {
				return await read(pinned);
			} finally {
				pinned.release();
			}
		} catch (error) {
			throw await this.#readFailure(error, table, version);
		}
	}

	/** What is missing is told apart: the table, or only that version of it. */
	async #readFailure(error: unknown, table: string, version: TableVersion): Promise<RecantError> {
		if (error instanceof RecantError) return error;
		this.#pinned.forget(table, version);
		if (!isMissing(error)) return asUnavailable(error, table, "read");
		try {
			(await this.openNewest(table)).close();
		} catch (missing) {
			return asUnavailable(missing, table, "read");
		}
		return versionMissing(table, version, error);
	}
}

/** A directory that is gone would be made anew by LanceDB, and look like an empty store. */
export async function requireLocation(uri: string): Promise<void> {
	if (!(await isReachable(uri))) throw locationMissing();
}

export function isAway(error: unknown): boolean {
	return error instanceof RecantError && error.code === "vectors_unavailable";
}

export function tooLate(limitMs: number): RetryableError {
	return new RetryableError("vectors_unavailable", {
		message: `LanceDB did not answer within ${limitMs} ms`,
		hint: "the vectors' store is slow or down; check it if this goes on",
		fields: { limitMs },
	});
}
