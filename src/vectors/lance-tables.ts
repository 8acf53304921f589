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
import type { VectorRow } from "../domain/vector.ts";
import { dimensionMismatch } from "../ranking/exact-scan.ts";
import { type GuardLog, StoreGuard } from "../resilience/store-guard.ts";
import { withinTime } from "../resilience/time-limit.ts";
import {
	asUnavailable,
	checkLimit,
	checkTableName,
	interrupted,
	isMissing,
	versionMissing,
} from "./lance-errors.ts";
import { inclusionOf } from "./lance-filter.ts";
import { makeIndexes, makeWordsIndex } from "./lance-indexes.ts";
import { localDirectoryOf, prepareLocation } from "./lance-location.ts";
import { isAway, LanceReads, requireLocation, tooLate } from "./lance-reads.ts";
import { encodeRows, schemaOf, shapeOf } from "./lance-rows.ts";
import type { VectorQuery } from "./lance-search.ts";
import type { WordsQuery } from "./lance-words.ts";
import type { TableVersion, VectorTables } from "./vector-tables.ts";
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
	readonly #reads: LanceReads;
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
		this.#guard = new StoreGuard({ name: "lancedb", isAway, refusal: notAsked, log });
		this.#reads = new LanceReads({ uri, connection, guard: this.#guard, exactRows });
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

	bringTo(table: string, base: TableVersion): Promise<TableVersion> {
		return this.#write(table, base, "bring back", async (_handle, start) => start);
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

	search(table: string, version: TableVersion, query: VectorQuery) {
		return this.#reads.search(table, version, query);
	}

	searchIndexed(table: string, version: TableVersion, query: VectorQuery) {
		return this.#reads.searchIndexed(table, version, query);
	}

	searchWords(table: string, version: TableVersion, query: WordsQuery) {
		return this.#reads.searchWords(table, version, query);
	}

	figures(table: string, version: TableVersion) {
		return this.#reads.figures(table, version);
	}

	recall(table: string, version: TableVersion) {
		return this.#reads.recall(table, version);
	}

	rows(table: string, version: TableVersion) {
		return this.#reads.rows(table, version);
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
		this.#reads.close();
		this.#connection.close();
	}

	/** An object store is asked for a name; a directory only has to be there. */
	async #look(): Promise<void> {
		try {
			await requireLocation(this.#uri);
			if (localDirectoryOf(this.#uri) === undefined)
				await this.#connection.listTables({ limit: 1 });
		} catch (error) {
			throw asUnavailable(error, "of any name", "find");
		}
	}

	async #created(table: string, dimensions: number): Promise<TableVersion> {
		await requireLocation(this.#uri);
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
		const handle = await this.#reads.openNewest(table);
		try {
			const start = await goBackTo(handle, table, base);
			return start === undefined ? undefined : await write(handle, start);
		} finally {
			handle.close();
		}
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

function notAsked(lastError: string): RetryableError {
	return new RetryableError("vectors_unavailable", {
		message: `LanceDB does not answer: ${lastError}`,
		hint: "it is asked again every second; check the vectors' store if this goes on",
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
