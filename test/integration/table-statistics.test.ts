import { expect, test } from "vitest";
import { Database } from "../../src/store/database.ts";
import { TableStatistics } from "../../src/store/writing/table-statistics.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { atTestEnd } from "../support/test-end.ts";

/** Rows of a commit after which the next one looks. */
const MANY = 1_000;

async function openDatabase(): Promise<Database> {
	const { url } = await createTestDatabase("statistics");
	const database = await Database.open(url);
	atTestEnd(() => database.close());
	// Else the server may come first.
	await database.run((sql) => sql`alter table log set (autovacuum_enabled = false)`);
	return database;
}

async function addEntries(database: Database, from: number, to: number): Promise<void> {
	await database.run(
		(sql) => sql`insert into log (chain_id, position, generation, height, kind, body,
				checksum)
			select 1, n, 0, n, 'block', repeat('x', 100), '\\x00' from generate_series(${from}::int, ${to}::int) n`,
	);
}

/** Rows that the planner believes are in the log; -1: it was never told. */
async function believedRows(database: Database): Promise<number> {
	const rows = await database.run(
		(sql) => sql<{ rows: number }[]>`
			select reltuples as rows from pg_class where oid = 'recant.log'::regclass`,
	);
	return rows[0]?.rows ?? Number.NaN;
}

test("a table that has grown from nothing is analysed before the next commit", async () => {
	const database = await openDatabase();
	const statistics = new TableStatistics(database);
	await statistics.before(1);
	expect(await believedRows(database)).toBe(-1);
	await addEntries(database, 1, 5_000);
	await statistics.before(1);
	expect(await believedRows(database)).toBe(-1);
	await statistics.before(MANY);
	expect(await believedRows(database)).toBe(5_000);
});

test("a table is analysed again when it has doubled, and not sooner", async () => {
	const database = await openDatabase();
	const statistics = new TableStatistics(database);
	await addEntries(database, 1, 5_000);
	await statistics.before(MANY);
	await addEntries(database, 5_001, 8_000);
	await statistics.before(MANY);
	expect(await believedRows(database)).toBe(5_000);
	await addEntries(database, 8_001, 12_000);
	await statistics.before(MANY);
	expect(await believedRows(database)).toBe(12_000);
});
