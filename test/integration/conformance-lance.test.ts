/** LanceDB keeps the rules that the simulated tables keep. */
import { connect } from "@lancedb/lancedb";
import { test } from "vitest";
import { encodeRows, shapeOf } from "../../src/vectors/lance-rows.ts";
import { openLanceTables } from "../../src/vectors/lance-tables.ts";
import { TABLE_CASES } from "../simulation/conformance/table-cases.ts";
import { testDir } from "../support/temp-dir.ts";
import { atTestEnd } from "../support/test-end.ts";

test.each(TABLE_CASES)("$name", async ({ run }) => {
	const uri = testDir("conformance-lance");
	const tables = await openLanceTables({ uri });
	atTestEnd(() => tables.close());
	await run({
		tables,
		strayWrite: async (table, rows) => {
			const handle = await (await connect(uri)).openTable(table);
			await handle.add(encodeRows(rows, shapeOf(await handle.schema())));
			handle.close();
		},
	});
});
