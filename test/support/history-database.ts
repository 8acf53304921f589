/** An empty database with the tables of Recant, read as the service reads it. */
import type { Sql } from "postgres";
import { Database } from "../../src/store/database.ts";
import { createTestDatabase } from "./postgres.ts";
import { atTestEnd } from "./test-end.ts";
import { withSql } from "./with-sql.ts";

export interface HistoryDatabase {
	readonly database: Database;
	/** Writes rows by hand. */
	fill(work: (sql: Sql) => PromiseLike<unknown>): Promise<void>;
}

/** Closed, and dropped, when the running test ends. */
export async function historyDatabase(name: string): Promise<HistoryDatabase> {
	const { url } = await createTestDatabase(name);
	const database = await Database.open(url);
	atTestEnd(() => database.close());
	return {
		database,
		fill: async (work) => {
			await withSql(url, work);
		},
	};
}
