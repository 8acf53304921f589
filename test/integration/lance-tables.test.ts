import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type Table } from "@lancedb/lancedb";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FOREVER, type MemoryKey } from "../../src/domain/ids.ts";
import type { Layer } from "../../src/domain/layer.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { VectorRow } from "../../src/domain/vector.ts";
import { RowScan } from "../../src/ranking/exact-scan.ts";
import { embedText } from "../../src/vectors/hashing-embedder.ts";
import { checkInstallation, checkInstallationTable } from "../../src/vectors/installation-stamp.ts";
import { encodeRows } from "../../src/vectors/lance-rows.ts";
import { openLanceTables } from "../../src/vectors/lance-tables.ts";
import type { TableVersion, VectorFilter, VectorTables } from "../../src/vectors/vector-tables.ts";

const TABLE = "31337.notes";
const FAR_FUTURE = new Date(Date.now() + 3_600_000);
const EVERYTHING: VectorFilter = {
	maxFromBlock: FOREVER,
	namespaces: undefined,
	layers: undefined,
	excludeVersions: [],
};

const SHAPE = { dimensions: 384, hasWords: true };

let directory: string;
let tables: VectorTables;

beforeEach(async () => {
	directory = await mkdtemp(join(tmpdir(), "recant-lance-"));
	tables = await openLanceTables({ uri: directory });
});

afterEach(async () => {
	await tables.close();
	await rm(directory, { recursive: true, force: true });
});

interface RowParts {
	readonly namespace?: string;
	readonly layer?: Layer;
	readonly fromBlock?: bigint;
	readonly vector?: Float32Array;
}

function row(versionId: number, parts: RowParts = {}): VectorRow {
	return {
		versionId: BigInt(versionId),
		memoryKey: `key-${versionId}` as MemoryKey,
		namespace: parts.namespace ?? "default",
		layer: parts.layer ?? "semantic",
		fromBlock: parts.fromBlock ?? BigInt(versionId),
		vector: parts.vector ?? embedText(`note number ${versionId} of the agent`),
	};
}

function rowsBetween(first: number, last: number, parts: RowParts = {}): readonly VectorRow[] {
	return Array.from({ length: last - first + 1 }, (_, index) => row(first + index, parts));
}

async function idsAt(version: TableVersion, filter: Partial<VectorFilter> = {}, k = 50) {
	const query = { vector: embedText("note of the agent"), k, filter: { ...EVERYTHING, ...filter } };
	const found = await tables.search(TABLE, version, query);
	return found.map((candidate) => candidate.versionId).sort((a, b) => Number(a - b));
}

async function rowsAt(version: TableVersion, from = tables): Promise<VectorRow[]> {
	const rows: VectorRow[] = [];
	for await (const batch of from.rows(TABLE, version)) rows.push(...batch);
	return rows.sort((a, b) => Number(a.versionId - b.versionId));
}

function ids(...numbers: readonly number[]): readonly bigint[] {
	return numbers.map(BigInt);
}

/** A second process, as far as LanceDB can tell: a connection and a handle of its own. */
async function openForeign(): Promise<Table> {
	return (await connect(directory)).openTable(TABLE);
}

describe("append and versions", () => {
	it("gives back every value that was written, to the bit", async () => {
		const base = await tables.create(TABLE, 384);
		const rows = [
			row(1, { namespace: "it's", layer: "episodic", fromBlock: 0n }),
			{ ...row(2), versionId: FOREVER - 1n, fromBlock: FOREVER },
		];
		const version = await tables.append(TABLE, base, rows);
		// The first version of a table is that of its index of words.
		expect([base, version]).toEqual([2n, 3n]);
		expect(await rowsAt(version)).toEqual(rows);
	});

	it("shows an older version only what it had", async () => {
		const one = await tables.append(TABLE, await tables.create(TABLE, 384), rowsBetween(1, 2));
		const two = await tables.append(TABLE, one, rowsBetween(3, 4));
		expect(await idsAt(two)).toEqual(ids(1, 2, 3, 4));
		expect(await idsAt(one)).toEqual(ids(1, 2));
		expect(await idsAt(1n)).toEqual([]);
		expect(await idsAt(two)).toEqual(ids(1, 2, 3, 4));
	});

	it("drops later rows from a version that is built on an older base, and keeps both readable", async () => {
		const base = await tables.append(TABLE, await tables.create(TABLE, 384), rowsBetween(1, 2));
		const orphaned = await tables.append(TABLE, base, rowsBetween(3, 4));
		const rebuilt = await tables.append(TABLE, base, rowsBetween(5, 6));
		expect(rebuilt).toBeGreaterThan(orphaned);
		expect(await idsAt(rebuilt)).toEqual(ids(1, 2, 5, 6));
		expect(await idsAt(orphaned)).toEqual(ids(1, 2, 3, 4));
		const back = await tables.append(TABLE, orphaned, [row(7)]);
		expect(await idsAt(back)).toEqual(ids(1, 2, 3, 4, 7));
	});

	it("passes over what another connection wrote on top of the base", async () => {
		const base = await tables.append(TABLE, await tables.create(TABLE, 384), [row(1)]);
		const foreign = await openForeign();
		await foreign.add(encodeRows([row(900)], SHAPE));
		const version = await tables.append(TABLE, base, [row(2)]);
		expect(await idsAt(version)).toEqual(ids(1, 2));
	});

	it("never answers a version with a row of a writer that works at the same time", async () => {
		let base = await tables.append(TABLE, await tables.create(TABLE, 384), [row(1)]);
		const foreign = await openForeign();
		let writing = true;
		const intruder = (async () => {
			// Bounded, since LanceDB retries for up to 30 s against a writer that never pauses.
			for (let id = 10_000; writing && id < 10_200; id++) {
				await foreign.checkoutLatest();
				// A restore refuses appends that began before it; this writer does not care.
				await foreign.add(encodeRows([row(id)], SHAPE)).catch(() => undefined);
			}
		})();
		const mine = [1];
		let interrupted = 0;
		try {
			for (let id = 2; id <= 30; id++) {
				const version = await tables.append(TABLE, base, [row(id)]).catch((error: unknown) => {
					expect(error).toMatchObject({ code: "vectors_unavailable", retryable: true });
					interrupted += 1;
					return undefined;
				});
				if (version === undefined) continue;
				base = version;
				mine.push(id);
				expect((await rowsAt(base)).map((r) => r.versionId)).toEqual(ids(...mine));
			}
		} finally {
			writing = false;
			await intruder;
		}
		expect(mine.length).toBeGreaterThan(1);
		expect(mine.length + interrupted).toBe(30);
	});

	it("takes its own writers of one table in turn, and answers each what it asked for", async () => {
		const base = await tables.create(TABLE, 384);
		const versions = await Promise.all(
			[1, 2, 3, 4, 5, 6].map((id) => tables.append(TABLE, base, [row(id)])),
		);
		expect(new Set(versions).size).toBe(6);
		for (const [index, version] of versions.entries()) {
			expect(await idsAt(version)).toEqual(ids(index + 1));
		}
	});

	it("refuses a crowd of waiting writers instead of queueing without end", async () => {
		const base = await tables.create(TABLE, 384);
		const crowd = rowsBetween(1, 40).map((one) => tables.append(TABLE, base, [one]));
		const outcomes = await Promise.allSettled(crowd);
		const refused = outcomes.filter((outcome) => outcome.status === "rejected");
		expect(refused).toHaveLength(24);
		expect(refused[0]?.reason).toMatchObject({ code: "vectors_unavailable", retryable: true });
	});

	it("answers the base for no rows, and writes nothing", async () => {
		const base = await tables.append(TABLE, await tables.create(TABLE, 384), [row(1)]);
		expect(await tables.append(TABLE, base, [])).toBe(base);
		expect(await tables.append(TABLE, base, [row(2)])).toBe(base + 1n);
	});

	it("answers another empty version when a table is there already", async () => {
		const base = await tables.create(TABLE, 384);
		await tables.append(TABLE, base, [row(1)]);
		const again = await tables.create(TABLE, 384);
		expect(await idsAt(again)).toEqual([]);
		// What stood before is still there, and the table can be written on top of either.
		expect(await idsAt(base + 1n)).toEqual([1n]);
		expect(await idsAt(await tables.append(TABLE, again, [row(2)]))).toEqual([2n]);
		expect(await Promise.all([1, 2, 3].map(() => tables.create("other", 8)))).toEqual([2n, 2n, 2n]);
	});

	it("goes on from any version after it was closed and opened again", async () => {
		const one = await tables.append(TABLE, await tables.create(TABLE, 384), [row(1)]);
		const two = await tables.append(TABLE, one, [row(2)]);
		await tables.close();
		tables = await openLanceTables({ uri: directory });
		expect(await idsAt(two)).toEqual(ids(1, 2));
		expect(await idsAt(await tables.append(TABLE, one, [row(3)]))).toEqual(ids(1, 3));
	});

	it("keeps tables apart", async () => {
		const version = await tables.append(TABLE, await tables.create(TABLE, 384), [row(1)]);
		const other = await tables.append("1.notes", await tables.create("1.notes", 384), [row(2)]);
		await tables.append("1.notes", 1n, [row(3)]);
		expect(await idsAt(version)).toEqual(ids(1));
		expect(other).toBe(3n);
	});
});

describe("search", () => {
	it("answers the most similar first, with the cosine of the two vectors", async () => {
		const vectors = [
			[1, 0],
			[1, 1],
			[0, 1],
			[-1, 0],
		].map((v) => Float32Array.from(v));
		const rows = vectors.map((vector, index) => row(index + 1, { vector }));
		const version = await tables.append(TABLE, await tables.create(TABLE, 2), rows);
		const query = { vector: Float32Array.of(2, 0), k: 3, filter: EVERYTHING };
		const found = await tables.search(TABLE, version, query);
		expect(found.map((c) => c.memoryKey)).toEqual(["key-1", "key-2", "key-3"]);
		expect(found.map((c) => c.similarity)).toEqual([1, expect.closeTo(Math.SQRT1_2, 7), 0]);
	});

	it("answers exactly what a scan in memory answers, however the rows are spread", async () => {
		const rows = Array.from({ length: 600 }, (_, i) =>
			// Forty texts, so that equals stand at the edge of every k.
			row(i + 1, { vector: embedText(`alarm ${i % 40} of pump ${(i * 7) % 5}`) }),
		);
		const tail = new RowScan({ dimensions: 384, maxRows: 600 });
		tail.append(rows);
		let version = await tables.create(TABLE, 384);
		for (const [from, to] of [
			[0, 1],
			[1, 90],
			[90, 97],
			[97, 400],
			[400, 600],
		] as const) {
			version = await tables.append(TABLE, version, rows.slice(from, to));
		}
		for (const k of [1, 10, 33, 200, 800]) {
			const vector = embedText("alarm 7 of pump 3");
			const scanned = tail.search({ vector, k, accept: () => true });
			expect(await tables.search(TABLE, version, { vector, k, filter: EVERYTHING })).toEqual(
				scanned,
			);
		}
	});

	it("orders hundreds of equals by the version id", async () => {
		const vector = embedText("the same text again and again");
		const base = await tables.create(TABLE, 384);
		const later = await tables.append(TABLE, base, rowsBetween(301, 600, { vector }));
		const version = await tables.append(TABLE, later, rowsBetween(1, 300, { vector }));
		const found = await tables.search(TABLE, version, { vector, k: 5, filter: EVERYTHING });
		expect(found.map((c) => c.versionId)).toEqual(ids(1, 2, 3, 4, 5));
	});

	it("leaves out rows above the height, of other namespaces and of other layers", async () => {
		const version = await tables.append(TABLE, await tables.create(TABLE, 384), [
			row(1, { namespace: "a", layer: "semantic", fromBlock: 5n }),
			row(2, { namespace: "a", layer: "episodic", fromBlock: 6n }),
			row(3, { namespace: "b", layer: "long_term", fromBlock: 7n }),
		]);
		expect(await idsAt(version, { maxFromBlock: 6n })).toEqual(ids(1, 2));
		expect(await idsAt(version, { maxFromBlock: 4n })).toEqual([]);
		expect(await idsAt(version, { namespaces: ["a"] })).toEqual(ids(1, 2));
		expect(await idsAt(version, { layers: ["long_term", "episodic"] })).toEqual(ids(2, 3));
		expect(await idsAt(version, { layers: [] })).toEqual([]);
		const all: Partial<VectorFilter> = {
			maxFromBlock: 6n,
			namespaces: ["a"],
			layers: ["episodic"],
		};
		expect(await idsAt(version, all)).toEqual(ids(2));
	});

	it.each([2n, 30n, 60n, 99n])(
		"finds the same below height %s whether most rows are said to pass or not",
		async (maxFromBlock) => {
			const rows = Array.from({ length: 100 }, (_, n) => row(n + 1, { fromBlock: BigInt(n) }));
			const version = await tables.append(TABLE, await tables.create(TABLE, 384), rows);
			for (const k of [1, 5, 50, 200]) {
				const plain = await idsAt(version, { maxFromBlock }, k);
				expect(plain).toHaveLength(Math.min(k, Number(maxFromBlock) + 1));
				expect(await idsAt(version, { maxFromBlock, mostPass: true }, k)).toEqual(plain);
			}
		},
	);

	it("filters before it takes the k nearest", async () => {
		const near = embedText("note of the agent");
		const rows = [...rowsBetween(1, 100, { vector: near }), row(500, { namespace: "rare" })];
		const version = await tables.append(TABLE, await tables.create(TABLE, 384), rows);
		expect(await idsAt(version, { namespaces: ["rare"] }, 1)).toEqual(ids(500));
	});

	it.each([
		"' OR 1=1 --",
		"a' OR 'a'='a",
		"it''s",
		"\\' OR 1=1 --",
		"\\",
		"%",
		'"quoted" `ticks`',
		"; DROP TABLE x; --",
		"line\nbreak\u0000NUL",
		"\u2019\u02bc\uff07 OR 1=1",
		"🦀",
		"",
	])("takes namespace %j as a name and nothing else", async (namespace) => {
		const version = await tables.append(TABLE, await tables.create(TABLE, 384), [
			row(1),
			row(2, { namespace }),
		]);
		expect(await idsAt(version, { namespaces: [namespace] })).toEqual(ids(2));
		expect(await idsAt(version, { namespaces: [`${namespace}'`] })).toEqual([]);
	});

	it.each([0, 1_500, 3_000])("leaves out %i versions exactly", async (count) => {
		const near = embedText("note of the agent");
		const base = await tables.create(TABLE, 384);
		const rows = [...rowsBetween(1, 3_200, { vector: near })];
		const version = await tables.append(TABLE, base, rows);
		// The nearest of all are the excluded ones, and some ids are of no row.
		const excludeVersions = Array.from({ length: count }, (_, i) => BigInt(i + 101));
		excludeVersions.push(9_999_999n, 1n, 1n);
		const expected = rows
			.map((r) => r.versionId)
			.filter((id) => !excludeVersions.includes(id))
			.slice(0, 150);
		expect(await idsAt(version, { excludeVersions }, 150)).toEqual(expected);
	});

	it("finds no row without direction, and nothing for such a query", async () => {
		const rows = [
			row(1, { vector: new Float32Array(4) }),
			row(2, { vector: new Float32Array(4).fill(1) }),
		];
		const version = await tables.append(TABLE, await tables.create(TABLE, 4), rows);
		const search = (vector: Float32Array) =>
			tables.search(TABLE, version, { vector, k: 5, filter: EVERYTHING });
		expect((await search(Float32Array.of(1, 0, 0, 0))).map((c) => c.versionId)).toEqual(ids(2));
		expect(await search(new Float32Array(4))).toEqual([]);
	});

	it("keeps a stream and searches whole while many other versions are opened", async () => {
		let version = await tables.append(
			TABLE,
			await tables.create(TABLE, 384),
			rowsBetween(1, 3_000),
		);
		const full = version;
		const stream = tables.rows(TABLE, full)[Symbol.asyncIterator]();
		const first = await stream.next();
		const versions: TableVersion[] = [];
		for (let id = 5_001; id <= 5_040; id++) {
			version = await tables.append(TABLE, version, [row(id)]);
			versions.push(version);
		}
		const counts = await Promise.all(versions.map(async (v) => (await idsAt(v, {}, 1)).length));
		expect(counts).toEqual(versions.map(() => 1));
		let rows = first.done ? 0 : first.value.length;
		expect(rows).toBeLessThanOrEqual(1_024);
		for (let next = await stream.next(); !next.done; next = await stream.next())
			rows += next.value.length;
		expect(rows).toBe(3_000);
	});
});

describe("compaction", () => {
	async function manyVersions(count: number): Promise<TableVersion[]> {
		const versions = [await tables.create(TABLE, 384)];
		for (let id = 1; id <= count; id++) {
			versions.push(await tables.append(TABLE, versions.at(-1) ?? 1n, [row(id)]));
		}
		return versions;
	}

	async function manifests(): Promise<number> {
		const files = await readdir(join(directory, `${TABLE}.lance`, "_versions"));
		return files.filter((name) => name.endsWith(".manifest")).length;
	}

	it("keeps every row, and every older version readable that is not before keepFrom", async () => {
		const versions = await manyVersions(12);
		const compacted = await tables.compact(TABLE, versions.at(-1) ?? 1n, new Date(0));
		expect(compacted).toBeGreaterThan(versions.at(-1) ?? 0n);
		expect(await rowsAt(compacted)).toEqual(rowsBetween(1, 12));
		for (const [count, version] of versions.entries()) {
			expect((await rowsAt(version)).length).toBe(count);
		}
		const next = await tables.append(TABLE, compacted, [row(13)]);
		expect((await rowsAt(next)).length).toBe(13);
	});

	it("does not clean what was made in the minutes before keepFrom", async () => {
		const versions = await manyVersions(3);
		await tables.compact(TABLE, versions.at(-1) ?? 1n, new Date());
		expect((await rowsAt(versions[1] ?? 0n)).length).toBe(1);
	});

	it("cleans what is older, says of it that it is pruned, and keeps its own version", async () => {
		const versions = await manyVersions(6);
		// A reader of the oldest has a handle open; it must learn of the cleaning, not crash.
		expect((await rowsAt(versions[1] ?? 0n)).length).toBe(1);
		const compacted = await tables.compact(TABLE, versions.at(-1) ?? 1n, FAR_FUTURE);
		// Its own, and that of the rows without the index of words that it took up.
		expect(await manifests()).toBe(2);
		expect((await rowsAt(compacted)).length).toBe(6);
		const pruned = { code: "history_pruned", retryable: false };
		await expect(rowsAt(versions[1] ?? 0n)).rejects.toMatchObject(pruned);
		await expect(idsAt(versions[2] ?? 0n)).rejects.toMatchObject(pruned);
		await expect(tables.append(TABLE, 3n, [row(9)])).rejects.toMatchObject(pruned);
		expect(await idsAt(await tables.append(TABLE, compacted, [row(7)]))).toEqual(
			ids(1, 2, 3, 4, 5, 6, 7),
		);
	});

	it("compacts its base, not what another connection wrote since", async () => {
		const versions = await manyVersions(4);
		const foreign = await openForeign();
		await foreign.add(encodeRows([row(900)], SHAPE));
		const compacted = await tables.compact(TABLE, versions.at(-1) ?? 1n, new Date(0));
		expect(await rowsAt(compacted)).toEqual(rowsBetween(1, 4));
	});

	it("answers a version with the same rows where there is nothing to do", async () => {
		const [base] = await manyVersions(1);
		const version = await tables.append(TABLE, base ?? 1n, [row(1)]);
		expect(await rowsAt(await tables.compact(TABLE, version, new Date(0)))).toEqual([row(1)]);
	});
});

describe("bad input", () => {
	it("refuses a vector of another dimension in append, search and create", async () => {
		const base = await tables.create(TABLE, 384);
		const version = await tables.append(TABLE, base, [row(1)]);
		const wrong = { code: "dimension_mismatch", fields: { expected: 384, actual: 3 } };
		const vector = Float32Array.of(1, 2, 3);
		await expect(tables.append(TABLE, version, [row(2), row(3, { vector })])).rejects.toMatchObject(
			wrong,
		);
		const query = { vector, k: 1, filter: EVERYTHING };
		await expect(tables.search(TABLE, version, query)).rejects.toMatchObject(wrong);
		await expect(tables.create(TABLE, 3)).rejects.toMatchObject(wrong);
		expect(await idsAt(await tables.append(TABLE, version, [row(4)]))).toEqual(ids(1, 4));
	});

	it("refuses more rows, results and exclusions than its limits", async () => {
		const version = await tables.append(TABLE, await tables.create(TABLE, 384), [row(1)]);
		const limit = { code: "limit_exceeded" };
		await expect(idsAt(version, {}, LIMITS.searchCandidates + 1)).rejects.toMatchObject(limit);
		const excludeVersions = Array.from({ length: 50_001 }, (_, i) => BigInt(i));
		await expect(idsAt(version, { excludeVersions })).rejects.toMatchObject(limit);
		const one = row(1);
		const rows = Array.from({ length: 4_097 }, () => one);
		await expect(tables.append(TABLE, version, rows)).rejects.toMatchObject(limit);
		await expect(tables.create("wide", 4_097)).rejects.toMatchObject(limit);
		expect(await idsAt(version, {}, 0)).toEqual([]);
	});

	it("tells a version that is not there from a table that is not there", async () => {
		await tables.create(TABLE, 384);
		await expect(idsAt(77n)).rejects.toMatchObject({
			code: "history_pruned",
			fields: { version: "77" },
		});
		await expect(tables.append(TABLE, 77n, [row(1)])).rejects.toMatchObject({
			code: "history_pruned",
		});
		const query = { vector: embedText(""), k: 1, filter: EVERYTHING };
		const missing = { code: "data_directory_corrupt", fields: { table: "none" } };
		await expect(tables.search("none", 1n, query)).rejects.toMatchObject(missing);
		await expect(tables.append("none", 1n, [row(1)])).rejects.toMatchObject(missing);
	});

	it.each(["../outside", "a/b", "", ".hidden", "x".repeat(129)])(
		"refuses %j as a table",
		async (name) => {
			await expect(tables.create(name, 4)).rejects.toMatchObject({ code: "invalid_request" });
			await expect(tables.append(name, 1n, [row(1)])).rejects.toMatchObject({
				code: "invalid_request",
			});
		},
	);

	it("says that the store is unavailable when its files are damaged, with the cause", async () => {
		const version = await tables.append(TABLE, await tables.create(TABLE, 384), [row(1)]);
		const data = join(directory, `${TABLE}.lance`, "data");
		for (const name of await readdir(data)) await writeFile(join(data, name), "not a lance file");
		const failure = await idsAt(version).catch((error: unknown) => error);
		expect(failure).toMatchObject({ code: "vectors_unavailable", retryable: true });
		expect(failure).toHaveProperty("cause", expect.any(Error));
	});

	it("says that it is unavailable after it was closed", async () => {
		const version = await tables.append(TABLE, await tables.create(TABLE, 384), [row(1)]);
		await tables.close();
		const unavailable = { code: "vectors_unavailable" };
		await expect(idsAt(version)).rejects.toMatchObject(unavailable);
		await expect(tables.append(TABLE, version, [row(2)])).rejects.toMatchObject(unavailable);
	});

	it("refuses a place where no directory can be", async () => {
		const file = join(directory, "file");
		await writeFile(file, "");
		const opening = openLanceTables({ uri: join(file, "vectors") });
		await expect(opening).rejects.toMatchObject({ code: "vectors_unwritable", retryable: false });
	});

	// Permissions do not hold for the superuser.
	it.skipIf(process.getuid?.() === 0)("refuses a directory that it may not write", async () => {
		const locked = join(directory, "locked");
		await mkdir(locked);
		await chmod(locked, 0o555);
		await expect(openLanceTables({ uri: locked })).rejects.toMatchObject({
			code: "vectors_unwritable",
		});
	});
});

describe("the installation stamp", () => {
	it("stamps an empty directory, missing ones too, and takes the same id again", async () => {
		const uri = join(directory, "new", "vectors");
		await checkInstallation(uri, "one");
		await checkInstallation(uri, "one");
		expect(JSON.parse(await readFile(join(uri, "recant-installation.json"), "utf8"))).toEqual({
			installationId: "one",
		});
		expect(await readdir(uri)).toEqual(["recant-installation.json"]);
	});

	it("refuses another installation's directory, and one with tables and no stamp", async () => {
		const uri = `file://${join(directory, "mine")}`;
		await checkInstallation(uri, "one");
		const foreign = { code: "data_directory_foreign", retryable: false };
		await expect(checkInstallation(uri, "two")).rejects.toMatchObject(foreign);
		await checkInstallation(uri, "one");
		await tables.create(TABLE, 4);
		await expect(checkInstallation(directory, "one")).rejects.toMatchObject(foreign);
	});

	it("lets one of several that come at once win, and tells the others", async () => {
		const uri = join(directory, "race");
		const names = ["a", "b", "c", "d"];
		const outcomes = await Promise.allSettled(names.map((name) => checkInstallation(uri, name)));
		expect(outcomes.filter((outcome) => outcome.status === "fulfilled")).toHaveLength(1);
		expect(await readdir(uri)).toEqual(["recant-installation.json"]);
	});

	it.each(["", "{", "[]", '{"installationId":7}'])("refuses a stamp that says %j", async (text) => {
		await writeFile(join(directory, "recant-installation.json"), text);
		const checking = checkInstallation(directory, "one");
		await expect(checking).rejects.toMatchObject({ code: "data_directory_corrupt" });
	});

	it("refuses a place that cannot be written", async () => {
		const file = join(directory, "file");
		await writeFile(file, "");
		const checking = checkInstallation(join(file, "vectors"), "one");
		await expect(checking).rejects.toMatchObject({ code: "vectors_unwritable" });
	});

	it("keeps the same promises with a table for a stamp, as on an object store", async () => {
		const uri = join(directory, "store");
		await mkdir(uri);
		await checkInstallationTable(uri, "one");
		await checkInstallationTable(uri, "one");
		const foreign = { code: "data_directory_foreign" };
		await expect(checkInstallationTable(uri, "two")).rejects.toMatchObject(foreign);
		await tables.create(TABLE, 4);
		await expect(checkInstallationTable(directory, "one")).rejects.toMatchObject(foreign);
	});
});
