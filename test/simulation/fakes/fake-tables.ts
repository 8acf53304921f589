/**
 * Stands for LanceDB in simulations: tables whose versions are kept whole. Every write makes versions on
 * top of the newest, as the port says; one that began from an older version than the newest goes back to it
 * first. One instance is shared by all processes, and durable at once.
 */
import { FatalError } from "../../../src/domain/errors.ts";
import type { VersionId } from "../../../src/domain/ids.ts";
import { LIMITS } from "../../../src/domain/limits.ts";
import type { VectorCandidate, VectorRow } from "../../../src/domain/vector.ts";
import {
	compareCandidates,
	cosineSimilarity,
	dimensionMismatch,
} from "../../../src/ranking/exact-scan.ts";
import { wordBag, wordScore } from "../../../src/ranking/word-score.ts";
import { wordsOf } from "../../../src/ranking/words.ts";
import type { StoredTableRow, TableHealth } from "../../../src/vectors/inspected-tables.ts";
import { checkLimit, checkTableName } from "../../../src/vectors/lance-errors.ts";
import type {
	TableFigures,
	TableVersion,
	VectorFilter,
	VectorTables,
} from "../../../src/vectors/vector-tables.ts";
import { rising } from "./frozen.ts";

const APPEND_ROWS = LIMITS.tailRows * 4;
/** Ids of one deletion, each a version. */
const REMOVED_IDS = 1_000;
/** Kept beyond `keepFrom`. */
const CLEANING_MARGIN_MS = 300_000;

interface StoredVersion {
	readonly rows: readonly VectorRow[];
	readonly madeMs: number;
}

interface StoredTable {
	readonly dimensions: number;
	readonly versions: Map<TableVersion, StoredVersion>;
	latest: TableVersion;
}

export class FakeTables implements VectorTables {
	readonly #now: () => number;
	readonly #tables: Map<string, StoredTable>;

	/** `now`: of who writes, in milliseconds since the epoch; a version is stamped with it. */
	constructor({ now }: { readonly now: () => number }, tables = new Map<string, StoredTable>()) {
		this.#now = now;
		this.#tables = tables;
	}

	/** The same tables, as a process with another clock has them: there is no server with one of its own. */
	by(now: () => number): FakeTables {
		return new FakeTables({ now }, this.#tables);
	}

	async create(table: string, dimensions: number): Promise<TableVersion> {
		checkTableName(table);
		checkLimit("dimensions of a vector", dimensions, LIMITS.vectorDimensions);
		const found = this.#tables.get(table);
		const stored = found ?? { dimensions, versions: new Map(), latest: 0n };
		if (stored.dimensions !== dimensions) {
			throw dimensionMismatch({ expected: stored.dimensions, actual: dimensions });
		}
		this.#tables.set(table, stored);
		const isEmpty = found !== undefined && this.#version(table, stored.latest).rows.length === 0;
		return isEmpty ? stored.latest : this.#add(stored, []);
	}

	async append(
		table: string,
		base: TableVersion,
		rows: readonly VectorRow[],
	): Promise<TableVersion> {
		checkLimit("rows of one append", rows.length, APPEND_ROWS);
		if (rows.length === 0) return base;
		return this.rewrite(table, base, { remove: [], add: rows });
	}

	async rewrite(
		table: string,
		base: TableVersion,
		{ remove, add }: { readonly remove: readonly VersionId[]; readonly add: readonly VectorRow[] },
	): Promise<TableVersion> {
		checkLimit("rows of one append", add.length, APPEND_ROWS);
		checkTableName(table);
		const stored = this.#table(table);
		const before = this.#version(table, base).rows;
		for (const { vector } of add) checkDimensions(stored, vector);
		let version = this.#goBack(stored, base, before);
		const gone = new Set(remove);
		const left = before.filter(({ versionId }) => !gone.has(versionId));
		for (let from = 0; from < remove.length; from += REMOVED_IDS) version = this.#add(stored, left);
		return add.length === 0 ? version : this.#add(stored, [...left, ...add.map(storedRow)]);
	}

	async search(
		table: string,
		version: TableVersion,
		{ vector, k, filter }: Parameters<VectorTables["search"]>[2],
	): Promise<readonly VectorCandidate[]> {
		checkTableName(table);
		const { rows } = this.#version(table, version);
		checkLimit("rows of one search", k, 4 * LIMITS.searchK);
		checkDimensions(this.#table(table), vector);
		const found = rows.filter(acceptedBy(filter)).flatMap((row) => {
			const similarity = cosineSimilarity(row.vector, vector);
			return similarity === undefined ? [] : [candidate(row, similarity)];
		});
		return found.sort(compareCandidates).slice(0, k);
	}

	async searchIndexed(table: string, version: TableVersion): Promise<undefined> {
		checkTableName(table);
		this.#version(table, version);
	}

	async searchWords(
		table: string,
		version: TableVersion,
		{ words, k, filter }: Parameters<VectorTables["searchWords"]>[2],
	): Promise<readonly VectorCandidate[]> {
		checkTableName(table);
		checkLimit("rows of one search", k, LIMITS.searchCandidates);
		const found = this.#version(table, version)
			.rows.filter(acceptedBy(filter))
			.flatMap((row) => {
				const similarity = wordScore(words, wordBag((row.text ?? "").split(" ")));
				return similarity === undefined ? [] : [candidate(row, similarity)];
			});
		return found.sort(compareCandidates).slice(0, k);
	}

	async figures(table: string, version: TableVersion): Promise<TableFigures> {
		checkTableName(table);
		const { rows } = this.#version(table, version);
		const flags = { hasWords: true, hasVectorIndex: false, lacksIndex: false };
		return { rows: rows.length, ...flags, indexes: [] };
	}

	async recall(table: string, version: TableVersion): Promise<undefined> {
		checkTableName(table);
		this.#version(table, version);
	}

	async *rows(table: string, version: TableVersion): AsyncGenerator<readonly VectorRow[]> {
		checkTableName(table);
		const { rows } = this.#version(table, version);
		if (rows.length > 0) yield rows.map(({ text: _words, ...row }) => storedRow(row));
	}

	async compact(table: string, base: TableVersion, keepFrom: Date): Promise<TableVersion> {
		checkTableName(table);
		const stored = this.#table(table);
		const { rows } = this.#version(table, base);
		this.#goBack(stored, base, rows);
		const cutOffMs = keepFrom.getTime() - CLEANING_MARGIN_MS;
		const compacted = this.#add(stored, rows);
		for (const [version, { madeMs }] of stored.versions) {
			if (madeMs < cutOffMs && version !== compacted) stored.versions.delete(version);
		}
		return compacted;
	}

	async bringTo(table: string, base: TableVersion): Promise<TableVersion> {
		checkTableName(table);
		return this.#goBack(this.#table(table), base, this.#version(table, base).rows);
	}

	/** Nothing is closed: other processes have the same tables. */
	async close(): Promise<void> {
		return undefined;
	}

	/** A write of somebody who has lost the lease, on top of the newest version; nobody names it. */
	strayWrite(table: string, rows: readonly VectorRow[]): TableVersion {
		const stored = this.#table(table);
		const before = this.#version(table, stored.latest).rows;
		return this.#add(stored, [...before, ...rows.map(storedRow)]);
	}

	/** The newest version loses its first row, and its last one gets another's vector. */
	damage(table: string): void {
		const stored = this.#table(table);
		const { rows, madeMs } = this.#version(table, stored.latest);
		const damaged = rows
			.slice(1)
			.map((row, index, left) =>
				index === left.length - 1 ? { ...row, vector: row.vector.map((each) => -each) } : row,
			);
		stored.versions.set(stored.latest, { rows: damaged, madeMs });
	}

	/** As a check reads them. */
	async *storedRows(
		table: string,
		version: TableVersion,
	): AsyncGenerator<readonly StoredTableRow[]> {
		const { rows } = this.#version(table, version);
		if (rows.length === 0) return;
		yield rows.map(({ versionId, memoryKey, namespace, layer, fromBlock, vector }) => {
			const { buffer, byteOffset, byteLength } = vector;
			const bytes = new Uint8Array(buffer, byteOffset, byteLength);
			return { versionId, memoryKey, namespace, layer, fromBlock, bytes };
		});
	}

	async health(table: string, version: TableVersion): Promise<TableHealth> {
		const { rows } = this.#version(table, version);
		const { dimensions } = this.#table(table);
		return { dimensions, rows: rows.length, fragments: 1, indexes: [] };
	}

	names(): readonly string[] {
		return [...this.#tables.keys()];
	}

	latest(table: string): TableVersion {
		return this.#table(table).latest;
	}

	/** Versions that are there, rising. */
	versions(table: string): readonly TableVersion[] {
		return [...this.#table(table).versions.keys()].sort(rising);
	}

	rowsAt(table: string, version: TableVersion): readonly VectorRow[] {
		return this.#version(table, version).rows;
	}

	#goBack(stored: StoredTable, base: TableVersion, rows: readonly VectorRow[]): TableVersion {
		return stored.latest === base ? base : this.#add(stored, rows);
	}

	#add(stored: StoredTable, rows: readonly VectorRow[]): TableVersion {
		stored.latest += 1n;
		stored.versions.set(stored.latest, { rows, madeMs: this.#now() });
		return stored.latest;
	}

	#table(table: string): StoredTable {
		const stored = this.#tables.get(table);
		if (stored !== undefined) return stored;
		throw new FatalError("data_directory_corrupt", {
			message: `the vectors' store has no table ${table}`,
			hint: "restore the vectors' store from a backup, or rebuild the collection from Postgres",
			fields: { table },
		});
	}

	#version(table: string, version: TableVersion): StoredVersion {
		const found = this.#table(table).versions.get(version);
		if (found !== undefined) return found;
		throw new FatalError("history_pruned", {
			message: `version ${version} of table ${table} is not in the vectors' store any more`,
			hint: "ask at a later height; if it is the newest, rebuild the collection from Postgres",
			fields: { table, version: String(version) },
		});
	}
}

/** A copy, with the words of the text in the place of the text, which is all that a table keeps of it. */
function storedRow({ text, vector, ...row }: VectorRow): VectorRow {
	const words = wordsOf(text ?? "").join(" ");
	const stored = { ...row, vector: Float32Array.from(vector) };
	return Object.freeze(words === "" ? stored : { ...stored, text: words });
}

function checkDimensions({ dimensions }: StoredTable, { length }: Float32Array): void {
	if (length !== dimensions) throw dimensionMismatch({ expected: dimensions, actual: length });
}

function acceptedBy(filter: VectorFilter): (row: VectorRow) => boolean {
	const { maxFromBlock, minFromBlock, namespaces, layers } = filter;
	const excluded = new Set(filter.excludeVersions);
	return (row) =>
		(maxFromBlock === undefined || row.fromBlock <= maxFromBlock) &&
		(minFromBlock === undefined || row.fromBlock >= minFromBlock) &&
		(namespaces === undefined || namespaces.includes(row.namespace)) &&
		(layers === undefined || layers.includes(row.layer)) &&
		!excluded.has(row.versionId);
}

function candidate({ versionId, memoryKey }: VectorRow, similarity: number): VectorCandidate {
	return { versionId, memoryKey, similarity };
}
