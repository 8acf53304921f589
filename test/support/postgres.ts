/** A database for each test, on the run's Postgres server. */
import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { inject } from "vitest";
import { atTestEnd } from "./test-end.ts";

/** Postgres cuts names at 63 bytes; the rest is for the prefix and the random end. */
const NAME_LENGTH = 40;

export interface TestDatabase {
	readonly url: string;
	readonly name: string;
	/** Looks into the database, or changes what no request can. */
	query<Result>(run: (sql: postgres.Sql) => Promise<Result>): Promise<Result>;
	/** Ends what is connected and drops the database; does nothing the second time. */
	drop(): Promise<void>;
}

/**
 * Creates an empty database, named from `name` and a random end. It is dropped when the running test
 * has passed, and kept to be looked into when it has failed. Outside of a test, call `drop`.
 */
export async function createTestDatabase(name: string): Promise<TestDatabase> {
	const readable = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "_");
	const database = `test_${readable.slice(0, NAME_LENGTH)}_${randomBytes(4).toString("hex")}`;
	await administer((sql) => sql`create database ${sql(database)}`);
	const url = new URL(inject("databaseUrl"));
	url.pathname = `/${database}`;
	const drop = async () => {
		await administer((sql) => sql`drop database if exists ${sql(database)} with (force)`);
	};
	atTestEnd((passed) => (passed ? drop() : undefined));
	return { url: url.href, name: database, drop, query: (run) => connected(url.href, run) };
}

function administer(run: (sql: postgres.Sql) => Promise<unknown>): Promise<unknown> {
	return connected(inject("databaseUrl"), run);
}

async function connected<Result>(
	url: string,
	run: (sql: postgres.Sql) => Promise<Result>,
): Promise<Result> {
	const sql = postgres(url, { max: 1, onnotice: () => undefined });
	try {
		return await run(sql);
	} finally {
		await sql.end();
	}
}
