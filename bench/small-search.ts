/** What it brings to search a small collection in memory: the same questions with and without LanceDB, by turns. */
import { connect } from "@lancedb/lancedb";
import { LIMITS } from "../src/domain/limits.ts";
import {
	asker,
	inTurns,
	PENDING,
	plainExact,
	questionOf,
	type Stores,
	withStores,
} from "./search.ts";
import { DIMENSIONS, fillDatabase, pointAt, SearchedRows, TABLE } from "./searched-rows.ts";
import type { Measured, Section, SectionContext } from "./section.ts";

/** With the tail nearly as many as are searched in memory. */
const ROWS = 2_000;
const TAIL = 512;
const ROUNDS = 200;

export const smallSearchSection: Section = {
	name: "small-search",
	title: "Search of a small collection, in memory and by LanceDB",
	run: (context) => withStores((stores) => measure(stores, context)),
};

async function measure(stores: Stores, { quick, say }: SectionContext): Promise<Measured> {
	const rounds = quick ? 20 : ROUNDS;
	const { database, tables, uri } = stores;
	say(`${ROWS} rows of ${DIMENSIONS} floats, and ${TAIL} in the tail`);
	const rows = new SearchedRows(ROWS, TAIL);
	await fillDatabase(database, rows);
	let version = await tables.create(TABLE, DIMENSIONS);
	for (const batch of rows.batches(0, ROWS)) version = await tables.append(TABLE, version, batch);
	version = await tables.compact(TABLE, version, new Date(0));
	await pointAt(database, { version, upTo: ROWS });
	const plain = await connect(uri);
	const table = await plain.openTable(TABLE, [], { version: Number(version) });
	const byLance = asker(stores);
	const inMemory = asker(stores, LIMITS.wholeCollectionBytes);
	const questions = Array.from({ length: rounds + 5 }, (_, n) => ({
		...questionOf(rows, n),
		at: PENDING,
	}));
	say(`${rounds} questions`);
	const byMeaning = await inTurns(questions, [
		["LanceDB, exact", (question) => plainExact(table, question)],
		["Recant, by LanceDB", (question) => byLance("vector", question)],
		["Recant, in memory", (question) => inMemory("vector", question)],
	]);
	const byBoth = await inTurns(questions, [
		["LanceDB, exact", (question) => plainExact(table, question)],
		["Recant, hybrid, by LanceDB", (question) => byLance("hybrid", question)],
		["Recant, hybrid, in memory", (question) => inMemory("hybrid", question)],
	]);
	plain.close();
	return {
		settings: { rows: ROWS, tail: TAIL, dimensions: DIMENSIONS, questions: rounds },
		tables: [
			{
				title: "Small collection",
				rows: [...byMeaning, ...byBoth],
				notes: [
					"At pending, without HTTP. LanceDB answers rows, Recant visible memories. ×: pair by pair.",
				],
			},
		],
	};
}
