/** What a repair must give back to the byte: rows and vectors, without what may rightly move on. */

import { hash } from "node:crypto";
import postgres from "postgres";
import { openLanceInspection } from "../../src/vectors/lance-inspection.ts";
import { isKept } from "./corruption.ts";
import { CHAIN_ID } from "./running-service.ts";

const TABLES = [
	"versions",
	"vector_rows",
	"memories",
	"links",
	"derivations",
	"blocks",
	"checkpoints",
] as const;

export interface StoredVectorRow {
	readonly versionId: bigint;
	/** Hash of the whole row. */
	readonly row: string;
}

export interface StoredTruth {
	/** Sorted rows by table, each as JSON. */
	readonly rows: Readonly<Record<string, readonly string[]>>;
	/** Of each collection the rows of LanceDB at its pointer, with their version ids. */
	readonly vectors: Readonly<Record<string, readonly StoredVectorRow[]>>;
	/** The chain's recorded roots. */
	readonly roots: string;
}

export async function storedTruth(databaseUrl: string, vectorsDir: string): Promise<StoredTruth> {
	const sql = postgres(databaseUrl, { max: 1, connection: { search_path: "recant" } });
	const inspection = await openLanceInspection(vectorsDir);
	try {
		const rows: Record<string, readonly string[]> = {};
		for (const table of TABLES) {
			const found = await sql<{ row: string }[]>`
				select to_jsonb(p)::text as row from ${sql(table)} p
				join chains c on c.chain_id = p.chain_id where p.chain_id = ${CHAIN_ID}
					and ${table === "checkpoints" ? isKept(sql) : sql`true`} order by 1`;
			rows[table] = found.map(({ row }) => row);
		}
		const vectors: Record<string, readonly StoredVectorRow[]> = {};
		const collections = await sql<{ name: string; table_name: string; table_version: string }[]>`
			select name, table_name, table_version from collections where chain_id = ${CHAIN_ID}`;
		for (const { name, table_name: table, table_version: version } of collections) {
			const found: StoredVectorRow[] = [];
			if (version !== "0") {
				for await (const page of inspection.storedRows(table, BigInt(version))) {
					for (const { bytes, versionId, fromBlock, ...row } of page) {
						const whole = JSON.stringify([
							fromBlock.toString(),
							row,
							Buffer.from(bytes).toString("hex"),
						]);
						found.push({ versionId, row: hash("sha256", whole) });
					}
				}
			}
			vectors[name] = found.sort((a, b) => (a.versionId < b.versionId ? -1 : 1));
		}
		const [chain] = await sql<
			{ roots: string }[]
		>`select roots from chains where chain_id = ${CHAIN_ID}`;
		return { rows, vectors, roots: chain?.roots ?? "" };
	} finally {
		await Promise.all([sql.end(), inspection.close()]);
	}
}
