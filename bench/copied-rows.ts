/**
 * The peer of a commit: COPY of exactly the rows that it left, into empty tables of the same columns
 * and indexes, in one transaction on the same pool and with the same durability.
 */

import { Readable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import type { Database } from "../src/store/database.ts";
import type { Tx } from "../src/store/sql.ts";
import { RIG_CHAIN } from "./writer-rig.ts";

/** Where the chain stood: what is above was left by later commits. */
export interface Mark {
	readonly position: bigint;
	readonly versionId: bigint;
	readonly height: bigint;
}

/** Which rows of each table a commit leaves. `$` stands for the mark's value. */
const LEFT: readonly (readonly [table: string, column: string, mark: keyof Mark])[] = [
	["log", "position", "position"],
	["versions", "version_id", "versionId"],
	["vector_rows", "version_id", "versionId"],
	["operations", "position", "position"],
	["blocks", "height", "height"],
	["checkpoints", "height", "height"],
];

interface TableRows {
	readonly table: string;
	/** In COPY's text format. */
	readonly data: Buffer;
	readonly rows: number;
}

export class CopiedRows {
	readonly #database: Database;

	private constructor(database: Database) {
		this.#database = database;
	}

	static async open(database: Database): Promise<CopiedRows> {
		await database.run(async (sql) => {
			await sql`create schema bench_copy`;
			for (const table of [...LEFT.map(([name]) => name), "memories"]) {
				await sql.unsafe(`create table bench_copy.${table} (like recant.${table} including all)`);
			}
		});
		return new CopiedRows(database);
	}

	/** Rows of every table that were left above the mark; tables without any are left out. */
	async left(mark: Mark): Promise<readonly TableRows[]> {
		return this.#database.snapshot(async (tx) => {
			const tables: TableRows[] = [];
			for (const [table, column, of] of LEFT) {
				const where = `chain_id = ${RIG_CHAIN} and ${column} > ${mark[of]}`;
				tables.push(await dumped(tx, table, `select * from ${table} where ${where}`));
			}
			// Memories are named once: those whose first version is among the new ones.
			const named = `select m.* from memories m where chain_id = ${RIG_CHAIN}
				and memory_key in (select memory_key from versions where chain_id = ${RIG_CHAIN}
					group by memory_key having min(version_id) > ${mark.versionId})`;
			tables.push(await dumped(tx, "memories", named));
			return tables.filter(({ rows }) => rows > 0);
		});
	}

	/** Copies them in one transaction, then empties the tables again; answers the transaction's time. */
	async copy(tables: readonly TableRows[]): Promise<number> {
		const start = performance.now();
		await this.#database.transaction(async (tx) => {
			for (const { table, data } of tables) {
				const writable = await tx.unsafe(`copy bench_copy.${table} from stdin`).writable();
				await pipeline(Readable.from([data]), writable);
			}
		});
		const tookMs = performance.now() - start;
		const names = tables.map(({ table }) => `bench_copy.${table}`);
		if (names.length > 0) {
			await this.#database.run((sql) => sql.unsafe(`truncate ${names.join(", ")}`));
		}
		return tookMs;
	}
}

async function dumped(tx: Tx, table: string, select: string): Promise<TableRows> {
	const chunks: Buffer[] = [];
	const readable = await tx.unsafe(`copy (${select}) to stdout`).readable();
	// Flowing, so that nothing gathers in the stream: postgres.js pauses the connection when something
	// does, and leaves it paused when that is the end.
	readable.on("data", (chunk: Uint8Array) => chunks.push(Buffer.from(chunk)));
	await finished(readable);
	const data = Buffer.concat(chunks);
	return { table, data, rows: data.reduce((lines, byte) => lines + (byte === 10 ? 1 : 0), 0) };
}
