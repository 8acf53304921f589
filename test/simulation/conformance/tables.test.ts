/** The simulated tables of vectors; the same cases on LanceDB are in test/integration/conformance-lance.test.ts. */
import { test } from "vitest";
import { FakeTables } from "../fakes/fake-tables.ts";
import { TABLE_CASES } from "./table-cases.ts";

test.each(TABLE_CASES)("$name", async ({ run }) => {
	const tables = new FakeTables({ now: () => Date.now() });
	await run({
		tables,
		strayWrite: async (table, rows) => {
			tables.strayWrite(table, rows);
		},
	});
});
