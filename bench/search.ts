/**
 * Search at a coordinate, tail included and hydrated, beside LanceDB's plain search of the same rows in the
 * same process: every round asks each of them the same question, one after the other.
 */
import { connect, type Table as LanceTable, MatchQuery } from "@lancedb/lancedb";
import { makeTempDir } from "../scripts/support/temp-dir.ts";
import type { AtRequest } from "../src/domain/coordinate.ts";
import { queryWords } from "../src/ranking/words.ts";
import type { SearchMode } from "../src/service/recant-service.ts";
import { RowsAtHand } from "../src/service/searching/rows-at-hand.ts";
import { search } from "../src/service/searching/search.ts";
import type { SearchContext } from "../src/service/searching/search-context.ts";
import type { Database } from "../src/store/database.ts";
import { PostgresStateStore } from "../src/store/reading/postgres-state-store.ts";
import { createHashingEmbedder } from "../src/vectors/hashing-embedder.ts";
import { type LanceStore, openLanceTables } from "../src/vectors/lance-tables.ts";
import { startEmbeddedDatabase } from "./embedded-database.ts";
import { figure, percentile, type Row, ratios } from "./figures.ts";
import {
	CHAIN,
	COLLECTION,
	DIMENSIONS,
	fillDatabase,
	HEAD,
	pointAt,
	SearchedRows,
	TABLE,
} from "./searched-rows.ts";
import type { Measured, Section, SectionContext } from "./section.ts";

const K = 10;
const TAIL = 512;
/** LanceDB's own search with which it finds as much as ours: rows whose distances are put right. */
const REFINE = 26;
export const PENDING: AtRequest = { at: { kind: "tag", tag: "pending" }, generation: undefined };

export const searchSection: Section = {
	name: "search",
	title: "Search at a coordinate beside LanceDB's plain search of the same rows",
	run: (context) => withStores((stores) => measure(stores, context)),
};

/** Empty stores, for as long as the work takes. */
export async function withStores<Result>(
	work: (stores: Stores) => Promise<Result>,
): Promise<Result> {
	const dir = makeTempDir("bench-search");
	const { database, stop } = await startEmbeddedDatabase(`${dir.path}/postgres`);
	const uri = `${dir.path}/lancedb`;
	const tables = await openLanceTables({ uri, exactRows: 1 });
	try {
		return await work({ database, tables, uri });
	} finally {
		await tables.close();
		await stop();
		dir.remove();
	}
}

export interface Stores {
	readonly database: Database;
	readonly tables: LanceStore;
	readonly uri: string;
}

interface Question {
	readonly vector: Float32Array;
	readonly text: string;
	readonly at: AtRequest;
}

/** Answers the version ids that it found. */
type Search = (question: Question) => Promise<readonly bigint[]>;

async function measure(stores: Stores, { quick, say }: SectionContext): Promise<Measured> {
	const size = quick ? 20_000 : 100_000;
	const rounds = quick ? 20 : 100;
	const { database, tables, uri } = stores;
	say(`${size} rows of ${DIMENSIONS} floats, and ${TAIL} in the tail`);
	const rows = new SearchedRows(size, TAIL);
	await fillDatabase(database, rows);
	let exact = await tables.create(TABLE, DIMENSIONS);
	for (const batch of rows.batches(0, size)) exact = await tables.append(TABLE, exact, batch);
	say("indexes");
	const begun = performance.now();
	const indexed = await tables.compact(TABLE, exact, new Date(0));
	const buildS = (performance.now() - begun) / 1_000;
	const recall = await tables.recall(TABLE, indexed);
	const questions = Array.from({ length: rounds + 5 }, (_, n) => questionOf(rows, n));
	const plain = await connect(uri);
	const ask = asker(stores);
	const tablesOf = async (version: bigint) => {
		await pointAt(database, { version, upTo: size });
		return plain.openTable(TABLE, [], { version: Number(version) });
	};
	const table = await tablesOf(exact);
	say("exact");
	const byExact = await inTurns(questions, [
		["LanceDB, exact", (q) => plainExact(table, q)],
		["Recant, exact, at pending", (q) => ask("vector", { ...q, at: PENDING })],
		["Recant, exact, at a height", (q) => ask("vector", q)],
	]);
	const table2 = await tablesOf(indexed);
	say("index");
	const byIndex = await inTurns(questions, [
		["LanceDB, index", (q) => plainIndexed(table2, q)],
		["Recant, index, at pending", (q) => ask("vector", { ...q, at: PENDING })],
		["Recant, index, at a height", (q) => ask("vector", q)],
	]);
	say("words");
	const byWords = await inTurns(questions, [
		["LanceDB, full text", (q) => plainWords(table2, q)],
		["Recant, text, at pending", (q) => ask("text", { ...q, at: PENDING })],
		["Recant, text, at a height", (q) => ask("text", q)],
	]);
	const both = await inTurns(questions, [
		[
			"LanceDB, index and full text",
			async (q) => {
				await plainIndexed(table2, q);
				return plainWords(table2, q);
			},
		],
		["Recant, hybrid, at pending", (q) => ask("hybrid", { ...q, at: PENDING })],
		["Recant, hybrid, at a height", (q) => ask("hybrid", q)],
	]);
	plain.close();
	return {
		settings: {
			rows: size,
			tail: TAIL,
			dimensions: DIMENSIONS,
			k: K,
			"indexes built in s": Number(buildS.toFixed(1)),
			"recall of the index at 10": recall?.recall ?? "no index",
		},
		tables: [byExact, byIndex, byWords, both].map((found, index) => ({
			title:
				["Vectors, every one compared", "Vectors, by index", "Words", "Both, ranks joined"][
					index
				] ?? "",
			rows: found,
			notes: [
				"a height: one of the upper half, drawn anew for each question. LanceDB answers rows of its table;",
				"Recant answers visible memories, from table and tail, hydrated from Postgres. ×: pair by pair.",
				"LanceDB's index is searched so that it finds as much: 260 rows refined.",
			],
		})),
	};
}

export function questionOf(rows: SearchedRows, n: number): Question {
	const height = HEAD / 2n + ((BigInt(n) * 7_919n) % (HEAD / 2n));
	return {
		vector: rows.near(n * 131),
		text: rows.phrase(n * 131),
		at: { at: { kind: "height", height }, generation: undefined },
	};
}

/** `wholeBytes`: of vectors, up to which a collection is searched in memory; none if left out. */
export function asker({ database, tables }: Stores, wholeBytes = 0) {
	const state = new PostgresStateStore(database);
	const turns = { run: <Result>(work: () => Promise<Result>) => work() };
	const embedder = createHashingEmbedder();
	const rows = new RowsAtHand(wholeBytes);
	const context: SearchContext = { tables, embedder, rows, turns, scans: turns };
	return async (mode: SearchMode, { vector, text, at }: Question) =>
		state.read(CHAIN, at, async (view) => {
			const query = {
				...{ mode, collection: COLLECTION, k: K },
				text: mode === "vector" ? undefined : text,
				vector: mode === "text" ? undefined : [...vector],
				...{ namespace: undefined, layers: undefined, where: undefined },
				...{ minImportance: undefined, minConfidence: undefined },
			};
			const { memories, coverage } = await search(view, query, { type: "none" }, context);
			if (coverage.reason !== undefined) throw new RangeError(coverage.reason);
			return memories.map(({ version }) => version.versionId);
		});
}

export async function plainExact(table: LanceTable, { vector }: Question) {
	return idsOf(await nearest(table, vector).bypassVectorIndex().toArrow());
}

async function plainIndexed(table: LanceTable, { vector }: Question) {
	return idsOf(await nearest(table, vector).nprobes(20).refineFactor(REFINE).toArrow());
}

function nearest(table: LanceTable, vector: Float32Array) {
	const query = table.query().nearestTo(vector).distanceType("cosine").limit(K);
	return query.select(["version_id", "memory_key", "_distance"]);
}

async function plainWords(table: LanceTable, { text }: Question) {
	const words = queryWords(text, 64).join(" ");
	const query = table.query().fullTextSearch(new MatchQuery(words, "words")).limit(K);
	return idsOf(await query.select(["version_id", "memory_key", "_score"]).toArrow());
}

function idsOf(batch: { getChild(name: string): Iterable<unknown> | null }): readonly bigint[] {
	return [...(batch.getChild("version_id") ?? [])].map((id) => BigInt(String(id)));
}

/** The first is the one that the others are compared with. The first five rounds warm up. */
export async function inTurns(
	questions: readonly Question[],
	searches: readonly (readonly [name: string, search: Search])[],
): Promise<readonly Row[]> {
	const samples = searches.map(() => [] as number[]);
	for (const [round, question] of questions.entries()) {
		for (const [index, [name, ask]] of searches.entries()) {
			const begun = performance.now();
			const found = await ask(question);
			if (round >= 5) samples[index]?.push(performance.now() - begun);
			if (found.length === 0) throw new RangeError(`${name} found nothing`);
		}
	}
	const [base = []] = samples;
	return searches.map(([name], index) => {
		const of = samples[index] ?? [];
		const sorted = of.toSorted((a, b) => a - b);
		return {
			search: name,
			time: figure("ms", of),
			"p99 (ms)": Number(percentile(sorted, 0.99).toFixed(1)),
			"× LanceDB": figure("×", ratios(of, base)),
		};
	});
}
