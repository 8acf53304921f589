import type { Clock } from "../domain/clock.ts";
import type { ChainId } from "../domain/ids.ts";
import type { VectorTables } from "../vectors/vector-tables.ts";
import type { VectorPointer } from "./commit-batch.ts";
import type { FlushStore, FlushTarget } from "./flush-store.ts";

/** Rows of one write, as the flusher takes them. */
const ROWS_PER_WRITE = 4_096;

/**
 * Makes a table again from what Postgres keeps up to the pointer, beside the one that is pointed at: for a table
 * that was made before words were kept in it. Answers the version to point at; nothing names it before.
 */
export async function remakeTable(
	{ name, table, dimensions, pointer }: FlushTarget,
	{
		chainId,
		tables,
		store,
		clock,
	}: {
		readonly chainId: ChainId;
		readonly tables: VectorTables;
		readonly store: FlushStore;
		readonly clock: Clock;
	},
): Promise<VectorPointer> {
	let tableVersion = await tables.create(table, dimensions);
	let above = 0n;
	while (above < pointer.versionId) {
		const query = { collection: name, above, limit: ROWS_PER_WRITE };
		const { rows, upTo, looked } = await store.rows(chainId, query);
		const flushed = rows.filter(({ versionId }) => versionId <= pointer.versionId);
		tableVersion = await tables.append(table, tableVersion, flushed);
		if (looked < ROWS_PER_WRITE) break;
		above = upTo;
	}
	return { tableVersion, versionId: pointer.versionId, at: clock.wallMs() };
}
