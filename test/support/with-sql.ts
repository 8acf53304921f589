import postgres, { type Sql } from "postgres";

/** One connection to a Recant's tables, for what no API says or does. */
export async function withSql<Result>(
	databaseUrl: string,
	work: (sql: Sql) => PromiseLike<Result>,
): Promise<Result> {
	const sql = postgres(databaseUrl, {
		max: 1,
		connection: { search_path: "recant" },
		onnotice: () => undefined,
	});
	try {
		return await work(sql);
	} finally {
		await sql.end();
	}
}
