/** Every row that Recant keeps of one chain, as text: to see that nothing at all was changed. */
import postgres from "postgres";

/** They say who writes the chain, and for how long: a restart and every second change them. */
const LEASE = ["fence", "lease_holder", "lease_until", "follower_status"];

/** Sorted rows by table, of every table that has a chain. */
export async function tableDump(
	databaseUrl: string,
	chainId: number,
): Promise<Readonly<Record<string, readonly string[]>>> {
	const sql = postgres(databaseUrl, { max: 1 });
	try {
		const tables = await sql<{ name: string }[]>`
			select table_name as name from information_schema.columns
			where table_schema = 'recant' and column_name = 'chain_id' order by table_name`;
		const dump: Record<string, readonly string[]> = {};
		for (const { name } of tables) {
			const rows = await sql<{ row: string }[]>`
				select (to_jsonb(t) - ${LEASE}::text[])::text as row from ${sql(`recant.${name}`)} t
				where chain_id = ${chainId} order by 1`;
			dump[name] = rows.map(({ row }) => row);
		}
		return dump;
	} finally {
		await sql.end();
	}
}
