/**
 * Brings the schema up to date with drizzle/: what drizzle's own migrator does, with its files and its table of
 * what was made. That one comes with the whole query builder, 150 MiB of a service's memory that nothing else uses.
 */
import { fileURLToPath } from "node:url";
import { readMigrationFiles } from "drizzle-orm/migrator";
import type { Sql } from "./sql.ts";

const FOLDER = fileURLToPath(new URL("../../drizzle", import.meta.url));
/** Any number will do, as long as all processes of Recant use the same. */
const LOCK = 7_263_226n;

/** Everything that is due, in one transaction; who starts meanwhile waits for it. `sql` is its session alone. */
export async function migrate(sql: Sql): Promise<void> {
	await sql`select pg_advisory_lock(${LOCK})`;
	await sql`create schema if not exists recant_migrations`;
	await sql`
		create table if not exists recant_migrations.__drizzle_migrations (
			id serial primary key, hash text not null, created_at bigint)`;
	const [last] = await sql<{ at: bigint | null }[]>`
		select max(created_at) as at from recant_migrations.__drizzle_migrations`;
	const made = last?.at ?? -1n;
	const due = readMigrationFiles({ migrationsFolder: FOLDER }).filter(
		({ folderMillis }) => BigInt(folderMillis) > made,
	);
	await sql`begin`;
	for (const { sql: statements, hash, folderMillis } of due) {
		for (const statement of statements) await sql.unsafe(statement);
		await sql`
			insert into recant_migrations.__drizzle_migrations (hash, created_at)
			values (${hash}, ${folderMillis})`;
	}
	await sql`commit`;
}
