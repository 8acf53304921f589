/** When the indexes of a table are refreshed because of the rows that they do not know. */
import { expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import type { VectorTables } from "../../src/vectors/vector-tables.ts";
import type { FlushTarget } from "../../src/writer/flush-store.ts";
import { TableUpkeep } from "../../src/writer/table-upkeep.ts";

/** No table is compacted because of this version. */
const VERSION = 17n;
const TARGET = {
	...{ name: "default", table: "any", dimensions: 1 },
	pointer: { tableVersion: VERSION - 1n, versionId: 1n, at: 0 },
} as unknown as FlushTarget;

function isDue(rows: number, unindexedRows: number): Promise<boolean> {
	const figures = {
		...{ rows, hasWords: true, hasVectorIndex: false, lacksIndex: false },
		indexes: [{ name: "words_idx", unindexedRows }],
	};
	const upkeep = new TableUpkeep({
		chainId: 1,
		tables: { figures: async () => figures } as unknown as VectorTables,
		store: { oldestNamed: async () => new Date(0) },
		log: { info: () => undefined, warn: () => undefined, error: () => undefined },
	} as unknown as ConstructorParameters<typeof TableUpkeep>[0]);
	return upkeep.isDue(TARGET, { base: VERSION - 1n, written: VERSION, added: 1 });
}

test.each([
	["two flushes, of a small table", 600, 2 * LIMITS.tailFlushRows],
	["a quarter, of a larger one", 10_000, 2_500],
	["as many as any may have, of a large one", 1_000_000, LIMITS.refreshRows],
])("rows that no index knows are taken up at %s", async (_name, rows, most) => {
	expect(await isDue(rows, most - 1)).toBe(false);
	expect(await isDue(rows, most)).toBe(true);
});
