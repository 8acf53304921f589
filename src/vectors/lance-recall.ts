/**
 * How much of what an exact search finds a search by the index finds too: of a sample of the table's own
 * vectors, the share of the true nearest RECALL_K that are among those found.
 */

import { RowReader } from "./lance-rows.ts";
import { searchTable, searchTableIndexed } from "./lance-search.ts";
import type { PinnedTable } from "./pinned-tables.ts";
import type { TableRecall, VectorFilter } from "./vector-tables.ts";

const RECALL_K = 10;
/** An exact search of 100,000 rows takes some 50 ms: half a second in all. */
const SAMPLE = 10;
const ALL: VectorFilter = {
	maxFromBlock: undefined,
	namespaces: undefined,
	layers: undefined,
	excludeVersions: [],
};

/** Undefined: the version has no index of vectors. The sample is spread evenly, and so always the same. */
export async function recallOf(pinned: PinnedTable): Promise<TableRecall | undefined> {
	if (!pinned.hasVectorIndex) return undefined;
	const rows = await pinned.handle.countRows();
	let found = 0;
	let wanted = 0;
	for (let each = 0; each < SAMPLE; each += 1) {
		const vector = await vectorAt(pinned, Math.floor((each * rows) / SAMPLE));
		if (vector === undefined) continue;
		const query = { vector, k: RECALL_K, filter: ALL };
		const exact = await searchTable(pinned, query);
		const indexed = (await searchTableIndexed(pinned, query)) ?? [];
		const ids = new Set(indexed.map(({ versionId }) => versionId));
		wanted += exact.length;
		found += exact.filter(({ versionId }) => ids.has(versionId)).length;
	}
	return { recall: wanted === 0 ? 1 : found / wanted, k: RECALL_K, sample: SAMPLE, rows };
}

/**
 * The vector of a row, moved a little: half of its parts are left out, so that the query is like none of the
 * rows, as questions are.
 */
async function vectorAt(
	{ handle }: PinnedTable,
	offset: number,
): Promise<Float32Array | undefined> {
	const batch = await handle.query().select(["vector"]).offset(offset).limit(1).toArrow();
	if (batch.numRows === 0) return undefined;
	const vector = new RowReader(batch).vector(0);
	return vector.map((value, index) => (index % 2 === 0 ? value : 0));
}
