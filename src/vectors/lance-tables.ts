/**
 * The vector engine: LanceDB behind the port VectorTables.
 *
 * Invariants
 * 1. A version that `append` or `compact` answers holds the rows of its base and those appended, and
 *    nothing else. LanceDB lets a stale writer's append through on top of whatever is newest, so the
 *    version that a write got must be the next after the one that it began from; else it is not
 *    used, and the write goes back to the base and is done again. Compaction takes several
 *    versions, so there the identities of the rows are compared.
 * 2. A write begins from a handle opened for it, never from one that may be out of date. A read has
 *    a handle pinned to its version, which never moves.
 * 3. Going back is a write of LanceDB's own (`restore`) and makes a version with the base's rows;
 *    older versions stay readable. Nothing is deleted but by `compact`, up to its `keepFrom`.
 *
 * When LanceDB fails, the call throws `RetryableError("vectors_unavailable")` with the cause; what it
 * has half written is named by no pointer, and the next write passes over it. No request is repeated
 * here because of a failure: the flusher does that, and a search goes on without. After several
 * failures a breaker lets one through at a time.
 */
import { type Connection, connect, Session, type Table } from "@lancedb/lancedb";
import { RecantError, RetryableError } from "../domain/errors.ts";
import type { VersionId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { StoreHealth } from "../domain/store-health.ts";
import type { VectorCandidate, VectorRow } from "../domain/vector.ts";
import { dimensionMismatch } from "../ranking/exact-scan.ts";
import { type GuardLog, StoreGuard } from "../resilience/store-guard.ts";
import { withinTime } from "../resilience/time-limit.ts";
import {
	asUnavailable,
	checkLimit,
	checkTableName,
	interrupted,
	isMissing,
	locationMissing,
	tableMissing,
	versionMissing,
	wordsMissing,
} from "./lance-errors.ts";
import { inclusionOf } from "./lance-filter.ts";
import { isReachable, localDirectoryOf, prepareLocation } from "./lance-location.ts";
import { makeIndexes, makeWordsIndex } from "./lance-indexes.ts";
import { recallOf } from "./lance-recall.ts";
import { decodeRows, encodeRows, ROW_COLUMNS, schemaOf, shapeOf } from "./lance-rows.ts";
import { searchTable, searchTableIndexed, type VectorQuery } from "./lance-search.ts";
import { searchTableWords, type WordsQuery } from "./lance-words.ts";
import { type PinnedTable, PinnedTables } from "./pinned-tables.ts";
import type { TableFigures, TableRecall, TableVersion, VectorTables } from "./vector-tables.ts";
import { WriteTurns } from "./write-turns.ts";

/** Tries of one write: another writer is a lease holder that is going, and writes once or twice more. */
const WRITE_ATTEMPTS = 3;
/** Rows of one append: four tails, 64 MiB at the largest dimension. */
const APPEND_ROWS = LIMITS.tailRows * 4;
/** Ids of one deletion: they stand in its predicate. */
const REMOVED_IDS = 1_000;
/**
 * Kept beyond `keepFrom`: a version is older than the commit that names it, and the clocks of two
 * machines differ.
 */
const CLEANING_MARGIN_MS = 300_000;
/**
 * LanceDB's own defaults are 6 GiB and 1 GiB. An index of a million vectors of 384 has 60 MB of codes, and
 * manifests are small.
 */
const CACHE = { indexBytes: 268_435_456n, metadataBytes: 134_217_728n };

/** Does one write on a handle whose newest version is `start`; undefined: another came between. */
type Write = (handle: Table, start: TableVersion) => Promise<TableVersion | undefined>;

/** The tables, and how LanceDB is doing. */
export interface LanceStore extends VectorTables {
	storeHealth(): StoreHealth;
	/** Looks whether the store is there, so that `storeHealth` is as of now; never fails. */
	probe(): Promise<void>;
}

class LanceTables implements LanceStore {
	readonly #uri: string;
	readonly #connection: Connection;
	readonly #pinned: PinnedTables;
	readonly #writes = new WriteTurns();
	readonly #guard: StoreGuard;
	readonly #exactRows: number;

	constructor(
		uri: string,
		connection: Connection,
		{ log, exactRows }: { readonly log: GuardLog | undefined; readonly exactRows: number },
	) {
		this.#exactRows = exactRows;
		this.#uri = uri;
		this.#connection = connection;
		this.#pinned = new PinnedTables(connection);
		this.#guard = new StoreGuard({ name: "lancedb", isAway, refusal: notAsked, log });
	}

	storeHealth(): StoreHealth {
		return this.#guard.health();
	}

	async probe(): Promise<void> {
		const limitMs = LIMITS.vectorProbeMs;
		const look = () =>
			withinTime(
				limitMs,
				() => this.#look(),
				() => tooLate(limitMs),
			);
		// The guard keeps what it came to.
		await this.#guard.run(look).catch(() => undefined);
	}

	async create(table: string, dimensions: number): Promise<TableVersion> {
		checkTableName(table);
		checkLimit("dimensions of a vector", dimensions, LIMITS.vectorDimensions);
		return this.#writes.take(table, async () => {
			try {
				return await this.#guard.run(() => this.#created(table, dimensions));
			} catch (error) {
				throw asUnavailable(error, table, "create");
			}
		});
	}

	async append(
		table: string,
		base: TableVersion,
		rows: readonly VectorRow[],
	): Promise<TableVersion> {
		checkLimit("rows of one append", rows.length, APPEND_ROWS);
		if (rows.length === 0) return base;
		return this.#write(table, base, "append to", async (handle, start) => {
			const data = encodeRows(rows, shapeOf(await handle.schema()));
			const { version } = await handle.add(data);
			return BigInt(version) === start + 1n ? BigInt(version) : undefined;
		});
	}

	async rewrite(
		table: string,
		base: TableVersion,
		{ remove, add }: { readonly remove: readonly VersionId[]; readonly add: readonly VectorRow[] },
	): Promise<TableVersion> {
		checkLimit("rows of one append", add.length, APPEND_ROWS);
		return this.#write(table, base, "rewrite", async (handle, start) => {
			let version = start;
			for (let from = 0; from < remove.length; from += REMOVED_IDS) {
				await handle.delete(inclusionOf(remove.slice(from, from + REMOVED_IDS)));
				version += 1n;
				if (BigInt(await handle.version()) !== version) return undefined;
			}
			if (add.length === 0) return version;
			const data = encodeRows(add, shapeOf(await handle.schema()));
			const { version: made } = await handle.add(data);
			return BigInt(made) === version + 1n ? BigInt(made) : undefined;
		});
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
		return this.#reading(table, version, async ({ handle, hasWords }) => ({
			rows: await handle.countRows(),
			hasWords,
			indexes: (await handle.listIndices()).map(({ name, numUnindexedRows }) => ({
				name,
				unindexedRows: numUnindexedRows ?? 0,
			})),
		}));
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

	async compact(
		table: string,
		base: TableVersion,
		keepFrom: Date,
		{ retrain }: { readonly retrain: boolean } = { retrain: false },
	): Promise<TableVersion> {
		const cleanupOlderThan = new Date(keepFrom.getTime() - CLEANING_MARGIN_MS);
		return this.#write(table, base, "compact", async (handle) => {
			const before = await identityOf(handle);
			await handle.optimize({ cleanupOlderThan });
			await makeIndexes(handle, { rows: before.rows, exactRows: this.#exactRows, retrain });
			const after = await identityOf(handle);
			if (before.rows !== after.rows || before.sum !== after.sum) return undefined;
			return BigInt(await handle.version());
		});
	}

	async close(): Promise<void> {
		await this.#writes.settle();
		this.#pinned.close();
		this.#connection.close();
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

	/** An object store is asked for a name; a directory only has to be there. */
	async #look(): Promise<void> {
		try {
			await this.#requireLocation();
			if (localDirectoryOf(this.#uri) === undefined)
				await this.#connection.listTables({ limit: 1 });
		} catch (error) {
			throw asUnavailable(error, "of any name", "find");
		}
	}

	/** A directory that is gone would be made anew by LanceDB, and look like an empty store. */
	async #requireLocation(): Promise<void> {
		if (!(await isReachable(this.#uri))) throw locationMissing();
	}

	async #created(table: string, dimensions: number): Promise<TableVersion> {
		await this.#requireLocation();
		try {
			return await this.#emptied(table, dimensions);
		} catch (error) {
			throw asUnavailable(error, table, "create");
		}
	}

	/** A version without rows: that of a new table, else a new one, since cleaning takes the first away. */
	async #emptied(table: string, dimensions: number): Promise<TableVersion> {
		const handle = await this.#openOrCreate(table, dimensions);
		try {
			const shape = shapeOf(await handle.schema());
			if (shape.dimensions !== dimensions) {
				throw dimensionMismatch({ expected: shape.dimensions, actual: dimensions });
			}
			if ((await handle.countRows()) > 0) await handle.delete("true");
			if (!shape.hasWords) await handle.addColumns([{ name: "words", valueSql: "''" }]);
			await makeWordsIndex(handle);
			return BigInt(await handle.version());
		} finally {
			handle.close();
		}
	}

	async #openOrCreate(table: string, dimensions: number): Promise<Table> {
		try {
			return await this.#connection.openTable(table);
		} catch (error) {
			if (!isMissing(error)) throw error;
			return this.#connection.createEmptyTable(table, schemaOf(dimensions), { existOk: true });
		}
	}

	async #write(
		table: string,
		base: TableVersion,
		action: string,
		write: Write,
	): Promise<TableVersion> {
		checkTableName(table);
		return this.#writes.take(table, () =>
			this.#guard.run(async () => {
				let failure: unknown;
				for (let attempt = 1; attempt <= WRITE_ATTEMPTS; attempt++) {
					try {
						const version = await this.#writeOnce(table, base, write);
						if (version !== undefined) return version;
					} catch (error) {
						if (error instanceof RecantError) throw error;
						failure = error;
					}
				}
				throw asUnavailable(
					failure ?? interrupted({ table, base, attempts: WRITE_ATTEMPTS }),
					table,
					action,
				);
			}),
		);
	}

	async #writeOnce(
		table: string,
		base: TableVersion,
		write: Write,
	): Promise<TableVersion | undefined> {
		const handle = await this.#openNewest(table);
		try {
			const start = await goBackTo(handle, table, base);
			return start === undefined ? undefined : await write(handle, start);
		} finally {
			handle.close();
		}
	}

	async #openNewest(table: string): Promise<Table> {
		try {
			return await this.#connection.openTable(table);
		} catch (error) {
			await this.#requireLocation();
			throw isMissing(error) ? tableMissing(table, error) : error;
		}
	}

	/** What is missing is told apart: the table, or only that version of it. */
	async #readFailure(error: unknown, table: string, version: TableVersion): Promise<RecantError> {
		if (error instanceof RecantError) return error;
		this.#pinned.forget(table, version);
		if (!isMissing(error)) return asUnavailable(error, table, "read");
		try {
			(await this.#openNewest(table)).close();
		} catch (missing) {
			return asUnavailable(missing, table, "read");
		}
		return versionMissing(table, version, error);
	}
}

/**
 * The version on which a write may build: `base`, or a new one with the same rows. Undefined when
 * another writer came between: `restore` leaves the handle at whatever is newest then, and only as
 * the very next version is that the restored one for certain.
 */
async function goBackTo(
	handle: Table,
	table: string,
	base: TableVersion,
): Promise<TableVersion | undefined> {
	const newest = BigInt(await handle.version());
	if (newest === base) return base;
	try {
		await handle.checkout(Number(base));
	} catch (error) {
		throw isMissing(error) ? versionMissing(table, base, error) : error;
	}
	await handle.restore();
	const restored = BigInt(await handle.version());
	return restored === newest + 1n ? restored : undefined;
}

/** Which rows a handle sees: version ids never repeat, so their number and sum tell sets apart. */
async function identityOf(handle: Table): Promise<{ readonly rows: number; readonly sum: bigint }> {
	let rows = 0;
	let sum = 0n;
	for await (const batch of handle.query().select(["version_id"])) {
		for (const versionId of batch.getChild("version_id") ?? []) sum += BigInt(versionId);
		rows += batch.numRows;
	}
	return { rows, sum };
}

function isAway(error: unknown): boolean {
	return error instanceof RecantError && error.code === "vectors_unavailable";
}

function notAsked(lastError: string): RetryableError {
	return new RetryableError("vectors_unavailable", {
		message: `LanceDB does not answer: ${lastError}`,
		hint: "it is asked again every second; check the vectors' store if this goes on",
	});
}

function tooLate(limitMs: number): RetryableError {
	return new RetryableError("vectors_unavailable", {
		message: `LanceDB did not answer within ${limitMs} ms`,
		hint: "the vectors' store is slow or down; check it if this goes on",
		fields: { limitMs },
	});
}

/**
 * Opens the tables at a path or an object store's URI; a missing directory is made.
 * Throws `FatalError("vectors_unwritable")` and `RetryableError("vectors_unavailable")`.
 */
export async function openLanceTables(options: {
	readonly uri: string;
	readonly log?: GuardLog;
	/** Rows below which a table has no index of vectors; left out: LIMITS.exactRows. */
	readonly exactRows?: number;
}): Promise<LanceStore> {
	await prepareLocation(options.uri);
	return new LanceTables(options.uri, await openConnection(options.uri), {
		log: options.log,
		exactRows: options.exactRows ?? LIMITS.exactRows,
	});
}

async function openConnection(uri: string): Promise<Connection> {
	const session = new Session(CACHE.indexBytes, CACHE.metadataBytes);
	try {
		return await connect(uri, { session });
	} catch (cause) {
		throw new RetryableError("vectors_unavailable", {
			message: "the vectors' store does not open",
			hint: "see the cause, and the setting LANCEDB_URI",
			cause,
		});
	}
}
