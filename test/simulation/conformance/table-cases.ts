/** Tables of vectors: versions that build on one another, writers that come too late, cleaning. */
import { expect } from "vitest";
import type { MemoryKey } from "../../../src/domain/ids.ts";
import { LIMITS } from "../../../src/domain/limits.ts";
import type { VectorRow } from "../../../src/domain/vector.ts";
import type {
	TableVersion,
	VectorFilter,
	VectorTables,
} from "../../../src/vectors/vector-tables.ts";

export interface TablesUnderTest {
	readonly tables: VectorTables;
	/** A write on top of the newest version by somebody who has lost the lease. */
	strayWrite(table: string, rows: readonly VectorRow[]): Promise<void>;
}

export interface TableCase {
	readonly name: string;
	run(stores: TablesUnderTest): Promise<void>;
}

const TABLE = "31337.notes";
const ALL: VectorFilter = {
	maxFromBlock: undefined,
	namespaces: undefined,
	layers: undefined,
	excludeVersions: [],
};
const LONG_AGO = new Date(0);
const LATER = new Date(Date.now() + 100 * 24 * 3_600_000);

export const TABLE_CASES: readonly TableCase[] = [
	{
		name: "a new table has no rows, and making it again answers none either",
		run: async ({ tables }) => {
			const made = await tables.create(TABLE, 2);
			expect(await rowsOf(tables, made)).toEqual([]);
			const again = await tables.create(TABLE, 2);
			expect(await rowsOf(tables, again)).toEqual([]);
		},
	},
	{
		name: "a table that has rows is made again as a version without any; the older stay",
		run: async ({ tables }) => {
			const base = await tables.append(TABLE, await tables.create(TABLE, 2), [row(1)]);
			const empty = await tables.create(TABLE, 2);
			expect(empty > base).toBe(true);
			expect(await rowsOf(tables, empty)).toEqual([]);
			expect(await rowsOf(tables, base)).toEqual([1n]);
		},
	},
	{
		name: "a table keeps its dimensions",
		run: async ({ tables }) => {
			const base = await tables.create(TABLE, 2);
			const mismatch = { code: "dimension_mismatch" };
			await expect(tables.create(TABLE, 3)).rejects.toMatchObject(mismatch);
			const wrong = { ...row(1), vector: Float32Array.of(1, 2, 3) };
			await expect(tables.append(TABLE, base, [wrong])).rejects.toMatchObject(mismatch);
			const query = { vector: Float32Array.of(1), k: 1, filter: ALL };
			await expect(tables.search(TABLE, base, query)).rejects.toMatchObject(mismatch);
		},
	},
	{
		name: "an append holds the rows of its base and its own, and is the next version",
		run: async ({ tables }) => {
			const base = await tables.create(TABLE, 2);
			const first = await tables.append(TABLE, base, [row(1), row(2)]);
			const second = await tables.append(TABLE, first, [row(3)]);
			expect([first - base, second - first]).toEqual([1n, 1n]);
			expect(await rowsOf(tables, first)).toEqual([1n, 2n]);
			expect(await rowsOf(tables, second)).toEqual([1n, 2n, 3n]);
		},
	},
	{
		name: "appending nothing answers the base and writes nothing",
		run: async ({ tables }) => {
			const base = await tables.create(TABLE, 2);
			expect(await tables.append(TABLE, base, [])).toBe(base);
			expect(await tables.append(TABLE, base, [row(1)])).toBe(base + 1n);
		},
	},
	{
		name: "a write on an older base goes back to it, and leaves the versions between",
		run: async ({ tables }) => {
			const base = await tables.create(TABLE, 2);
			const first = await tables.append(TABLE, base, [row(1)]);
			const left = await tables.append(TABLE, first, [row(2)]);
			const back = await tables.append(TABLE, first, [row(3)]);
			expect(back).toBe(left + 2n);
			expect(await rowsOf(tables, back)).toEqual([1n, 3n]);
			expect(await rowsOf(tables, left)).toEqual([1n, 2n]);
			expect(await rowsOf(tables, left + 1n)).toEqual([1n]);
		},
	},
	{
		name: "what a late writer put on top is in no version that is built on the pointer",
		run: async ({ tables, strayWrite }) => {
			const base = await tables.append(TABLE, await tables.create(TABLE, 2), [row(1)]);
			await strayWrite(TABLE, [row(666)]);
			const next = await tables.append(TABLE, base, [row(2)]);
			expect(next).toBe(base + 3n);
			expect(await rowsOf(tables, next)).toEqual([1n, 2n]);
			await strayWrite(TABLE, [row(667)]);
			const brought = await tables.bringTo(TABLE, next);
			expect(await rowsOf(tables, brought)).toEqual([1n, 2n]);
		},
	},
	{
		name: "bringing a table to what is its newest does nothing",
		run: async ({ tables }) => {
			const base = await tables.append(TABLE, await tables.create(TABLE, 2), [row(1)]);
			expect(await tables.bringTo(TABLE, base)).toBe(base);
			expect(await tables.append(TABLE, base, [row(2)])).toBe(base + 1n);
		},
	},
	{
		name: "a rewrite takes every row of a version out and adds its own",
		run: async ({ tables }) => {
			const base = await tables.create(TABLE, 2);
			const full = await tables.append(TABLE, base, [row(1), row(2), row(2), row(3)]);
			const changed = await tables.rewrite(TABLE, full, { remove: [2n, 9n], add: [row(4)] });
			expect(await rowsOf(tables, changed)).toEqual([1n, 3n, 4n]);
			const fewer = await tables.rewrite(TABLE, changed, { remove: [1n], add: [] });
			expect(await rowsOf(tables, fewer)).toEqual([3n, 4n]);
			const same = await tables.rewrite(TABLE, fewer, { remove: [], add: [] });
			expect(await rowsOf(tables, same)).toEqual([3n, 4n]);
		},
	},
	{
		name: "every field of a row comes back but its text",
		run: async ({ tables }) => {
			const given = {
				...row(7),
				namespace: "o'brien",
				layer: "episodic",
				text: "Some Words",
			} as const;
			const version = await tables.append(TABLE, await tables.create(TABLE, 2), [given]);
			const { text: _text, ...expected } = given;
			for await (const rows of tables.rows(TABLE, version)) expect(rows).toEqual([expected]);
		},
	},
	{
		name: "a search finds the nearest rows of its version under the filter",
		run: async ({ tables }) => {
			const base = await tables.create(TABLE, 2);
			const rows = [
				row(1, { vector: Float32Array.of(1, 0), fromBlock: 1n }),
				row(2, { vector: Float32Array.of(1, 0.1), fromBlock: 5n }),
				row(3, { vector: Float32Array.of(0, 1), fromBlock: 9n, namespace: "other" }),
				row(4, { vector: Float32Array.of(0, 0) }),
				row(5, { vector: Float32Array.of(1, 0), fromBlock: 1n, layer: "episodic" }),
			];
			const version = await tables.append(TABLE, base, rows);
			const find = async (filter: Partial<VectorFilter>, k = 9) => {
				const vector = Float32Array.of(1, 0);
				const found = await tables.search(TABLE, version, {
					vector,
					k,
					filter: { ...ALL, ...filter },
				});
				return found.map(({ versionId }) => versionId);
			};
			expect(await find({})).toEqual([1n, 5n, 2n, 3n]);
			expect(await find({}, 2)).toEqual([1n, 5n]);
			expect(await find({ maxFromBlock: 4n })).toEqual([1n, 5n]);
			expect(await find({ minFromBlock: 5n })).toEqual([2n, 3n]);
			expect(await find({ namespaces: ["other"] })).toEqual([3n]);
			expect(await find({ namespaces: [] })).toEqual([]);
			expect(await find({ layers: ["episodic"] })).toEqual([5n]);
			expect(await find({ excludeVersions: [1n, 3n] })).toEqual([5n, 2n]);
			expect(await find({}, 0)).toEqual([]);
		},
	},
	{
		name: "words are found in their version, in a new table's too",
		run: async ({ tables }) => {
			const base = await tables.create(TABLE, 2);
			const texts = ["the red house", "a blue boat", "red red boats"];
			const rows = texts.map((text, index) => ({ ...row(index + 1), text }));
			const version = await tables.append(TABLE, base, rows);
			const find = async (words: readonly string[]) => {
				const found = await tables.searchWords(TABLE, version, { words, k: 9, filter: ALL });
				return found.map(({ versionId }) => versionId);
			};
			expect((await find(["red"])).sort()).toEqual([1n, 3n]);
			expect((await find(["boat"])).sort()).toEqual([2n, 3n]);
			expect(await find(["green"])).toEqual([]);
			expect(await find([])).toEqual([]);
		},
	},
	{
		name: "a small table has no index of vectors",
		run: async ({ tables }) => {
			const version = await tables.append(TABLE, await tables.create(TABLE, 2), [row(1)]);
			const query = { vector: Float32Array.of(1, 0), k: 1, filter: ALL };
			expect(await tables.searchIndexed(TABLE, version, query)).toBeUndefined();
			expect(await tables.recall(TABLE, version)).toBeUndefined();
			const figures = await tables.figures(TABLE, version);
			expect(figures).toMatchObject({
				rows: 1,
				hasWords: true,
				hasVectorIndex: false,
				lacksIndex: false,
			});
		},
	},
	{
		name: "compacting keeps the rows, and the versions that may still be named",
		run: async ({ tables }) => {
			const base = await tables.create(TABLE, 2);
			const first = await tables.append(TABLE, base, [row(1)]);
			const second = await tables.append(TABLE, first, [row(2)]);
			const compacted = await tables.compact(TABLE, second, LONG_AGO);
			expect(await rowsOf(tables, compacted)).toEqual([1n, 2n]);
			expect(await rowsOf(tables, first)).toEqual([1n]);
			const next = await tables.append(TABLE, compacted, [row(3)]);
			expect(await rowsOf(tables, next)).toEqual([1n, 2n, 3n]);
		},
	},
	{
		name: "compacting cleans the versions that nobody names",
		run: async ({ tables }) => {
			const base = await tables.create(TABLE, 2);
			const first = await tables.append(TABLE, base, [row(1)]);
			const second = await tables.append(TABLE, first, [row(2)]);
			const compacted = await tables.compact(TABLE, second, LATER);
			expect(await rowsOf(tables, compacted)).toEqual([1n, 2n]);
			await expect(rowsOf(tables, first)).rejects.toMatchObject({ code: "history_pruned" });
			const back = tables.append(TABLE, first, [row(3)]);
			await expect(back).rejects.toMatchObject({ code: "history_pruned" });
		},
	},
	{
		name: "compacting on an older base goes back to it",
		run: async ({ tables }) => {
			const base = await tables.append(TABLE, await tables.create(TABLE, 2), [row(1)]);
			await tables.append(TABLE, base, [row(2)]);
			const compacted = await tables.compact(TABLE, base, LONG_AGO);
			expect(await rowsOf(tables, compacted)).toEqual([1n]);
		},
	},
	{
		name: "a table and a version that are not there are told apart, and a name that is none",
		run: async ({ tables }) => {
			const none = { code: "data_directory_corrupt" };
			await expect(tables.append("nothing", 1n, [row(1)])).rejects.toMatchObject(none);
			await expect(rowsOf(tables, 1n, "nothing")).rejects.toMatchObject(none);
			const base = await tables.create(TABLE, 2);
			await expect(rowsOf(tables, base + 9n)).rejects.toMatchObject({ code: "history_pruned" });
			const late = tables.append(TABLE, base + 9n, [row(1)]);
			await expect(late).rejects.toMatchObject({ code: "history_pruned" });
			await expect(tables.create("../x", 2)).rejects.toMatchObject({ code: "invalid_request" });
		},
	},
	{
		name: "limits are refused by name",
		run: async ({ tables }) => {
			const base = await tables.create(TABLE, 2);
			const exceeded = { code: "limit_exceeded" };
			const many = Array.from({ length: 4 * LIMITS.tailRows + 1 }, (_, index) => row(index));
			await expect(tables.append(TABLE, base, many)).rejects.toMatchObject(exceeded);
			const wide = tables.create("wide", LIMITS.vectorDimensions + 1);
			await expect(wide).rejects.toMatchObject(exceeded);
			const query = { vector: Float32Array.of(1, 0), k: 1_000_000, filter: ALL };
			await expect(tables.search(TABLE, base, query)).rejects.toMatchObject(exceeded);
		},
	},
];

function row(versionId: number, parts: Partial<VectorRow> = {}): VectorRow {
	return {
		versionId: BigInt(versionId),
		memoryKey: `00000000-0000-4000-8000-${String(versionId).padStart(12, "0")}` as MemoryKey,
		namespace: "cases",
		layer: "semantic",
		fromBlock: BigInt(versionId),
		vector: Float32Array.of(1, versionId),
		...parts,
	};
}

/** Version ids, rising. */
async function rowsOf(
	tables: VectorTables,
	version: TableVersion,
	table = TABLE,
): Promise<readonly bigint[]> {
	const found: bigint[] = [];
	for await (const rows of tables.rows(table, version)) {
		found.push(...rows.map(({ versionId }) => versionId));
	}
	return found.sort((a, b) => (a < b ? -1 : 1));
}
