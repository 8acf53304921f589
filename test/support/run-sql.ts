/** Statements on a test's own database, past the service: to damage it, and to look at it. */
import postgres from "postgres";
import type { World } from "./world.ts";

export async function runSql(
	{ recant }: { readonly recant: Pick<World["recant"], "home"> },
	text: string,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
	const sql = postgres(recant.home.databaseUrl, { max: 1, onnotice: () => undefined });
	try {
		return await sql.unsafe(text);
	} finally {
		await sql.end();
	}
}
