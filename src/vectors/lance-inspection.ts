/**
 * LanceDB's tables for consistency checks, on a connection of its own: a scan of everything leaves the
 * caches of the searches as they are.
 */
import { type Connection, connect, type Table } from "@lancedb/lancedb";
import { type RecantError, RetryableError } from "../domain/errors.ts";
import type { InspectedTables, StoredTableRow, TableHealth } from "./inspected-tables.ts";
import { readInstallation } from "./installation-stamp.ts";
import {
	asUnavailable,
	checkTableName,
	isMissing,
	locationMissing,
	tableMissing,
	versionMissing,
} from "./lance-errors.ts";
import { isReachable } from "./lance-location.ts";
import { dimensionsOf, ROW_COLUMNS, RowReader } from "./lance-rows.ts";

export interface LanceInspection extends InspectedTables {
	close(): Promise<void>;
}

/** Throws `RetryableError("vectors_unavailable")`. */
export async function openLanceInspection(uri: string): Promise<LanceInspection> {
	try {
		return new Inspection(uri, await connect(uri));
	} catch (cause) {
		throw new RetryableError("vectors_unavailable", {
			message: "the vectors' store does not open",
			hint: "see the cause, and the setting LANCEDB_URI",
			cause,
		});
	}
}

class Inspection implements LanceInspection {
	readonly #uri: string;
	readonly #connection: Connection;

	constructor(uri: string, connection: Connection) {
		this.#uri = uri;
		this.#connection = connection;
	}

	async installationId(): Promise<string | undefined> {
		const found = await readInstallation(this.#uri);
		if (found === undefined) await this.#requireLocation();
		return found;
	}

	async *storedRows(
		table: string,
		version: bigint,
	): AsyncGenerator<readonly StoredTableRow[], void> {
		const handle = await this.#open(table, version);
		try {
			for await (const batch of handle.query().select([...ROW_COLUMNS])) yield rowsOf(batch);
		} catch (error) {
			throw asUnavailable(error, table, "read");
		} finally {
			handle.close();
		}
	}

	async health(table: string, version: bigint): Promise<TableHealth> {
		const handle = await this.#open(table, version);
		try {
			const { numRows, fragmentStats } = await handle.stats();
			return {
				dimensions: dimensionsOf(await handle.schema()),
				rows: numRows,
				fragments: fragmentStats.numFragments,
				indexes: await indexesOf(handle),
			};
		} catch (error) {
			throw asUnavailable(error, table, "read");
		} finally {
			handle.close();
		}
	}

	async close(): Promise<void> {
		this.#connection.close();
	}

	async #open(table: string, version: bigint): Promise<Table> {
		checkTableName(table);
		try {
			return await this.#connection.openTable(table, [], { version: Number(version) });
		} catch (error) {
			throw await this.#openFailure(error, table, version);
		}
	}

	/** A directory that is away lacks everything, which says nothing of what is in it. */
	async #requireLocation(): Promise<void> {
		if (!(await isReachable(this.#uri))) throw locationMissing();
	}

	/** What is missing is told apart: the table, or only that version of it. */
	async #openFailure(error: unknown, table: string, version: bigint): Promise<RecantError> {
		if (!isMissing(error)) return asUnavailable(error, table, "open");
		await this.#requireLocation();
		try {
			(await this.#connection.openTable(table)).close();
		} catch (missing) {
			return isMissing(missing)
				? tableMissing(table, missing)
				: asUnavailable(missing, table, "open");
		}
		return versionMissing(table, version, error);
	}
}

function rowsOf(batch: ConstructorParameters<typeof RowReader>[0]): readonly StoredTableRow[] {
	const reader = new RowReader(batch);
	return Array.from({ length: batch.numRows }, (_, index) => {
		const vector = reader.vector(index);
		return {
			versionId: reader.bigint("version_id", index),
			memoryKey: reader.string("memory_key", index),
			namespace: reader.string("namespace", index),
			layer: reader.string("layer", index),
			fromBlock: reader.bigint("from_block", index),
			// A copy: Arrow's batch is one buffer, and a few kept rows would hold all of it.
			bytes: new Uint8Array(vector.slice().buffer),
		};
	});
}

async function indexesOf(handle: Table): Promise<TableHealth["indexes"]> {
	const indexes: { readonly name: string; readonly unindexedRows: number }[] = [];
	for (const { name } of await handle.listIndices()) {
		const found = await handle.indexStats(name);
		indexes.push({ name, unindexedRows: found?.numUnindexedRows ?? 0 });
	}
	return indexes;
}
