import type { VectorTables } from "../../vectors/vector-tables.ts";
import type { VectorPointer } from "../../writer/commit-batch.ts";
import type { TableRepair } from "./repair-plan.ts";

/** Rows of one write: what the flusher takes at a time. */
const ROWS_PER_WRITE = 4_096;

/** Writes the table as it should be and answers where its pointer is to go; nothing names it before. */
export async function replaceTable(
	tables: Pick<VectorTables, "create" | "append" | "rewrite">,
	repair: TableRepair,
): Promise<VectorPointer> {
	const { table, dimensions, base, remove, add } = repair;
	if (base !== undefined && remove.length + add.length === 0) return { ...base, at: Date.now() };
	const first = add.slice(0, ROWS_PER_WRITE);
	let tableVersion =
		base === undefined
			? await tables.append(table, await tables.create(table, dimensions), first)
			: await tables.rewrite(table, base.tableVersion, { remove, add: first });
	for (let from = first.length; from < add.length; from += ROWS_PER_WRITE) {
		tableVersion = await tables.append(table, tableVersion, add.slice(from, from + ROWS_PER_WRITE));
	}
	// A table that is made again reaches as far as the vectors that it was made from.
	const versionId = base?.versionId ?? add.at(-1)?.versionId ?? 0n;
	return { tableVersion, versionId, at: Date.now() };
}
