/** Keeps a database's records beside themselves while a test damages them, and puts them back. */
import type postgres from "postgres";

const TABLES = [
	"versions",
	"memories",
	"links",
	"derivations",
	"log",
	"blocks",
	"checkpoints",
	"generations",
	"vector_rows",
	"operations",
	"installation",
] as const;
/** Of a collection only these, and only while it is not ahead: a flush comes by the clock, and the writer knows of it. */
const POINTER_COLUMNS = ["table_version", "pointer_version_id", "pointer_at"] as const;
/** Of the chain's row only these: its lease goes on meanwhile. */
const CHAIN_COLUMNS = [
	"roots",
	"version_seq",
	"log_position",
	"head_height",
	"generation",
] as const;

export class TamperedRows {
	readonly #sql: postgres.Sql<{ bigint: bigint }>;

	constructor(sql: postgres.Sql<{ bigint: bigint }>) {
		this.#sql = sql;
	}

	async keep(): Promise<void> {
		await this.#sql.unsafe("drop schema if exists kept cascade; create schema kept");
		for (const table of [...TABLES, "collections", "chains"]) {
			await this.#sql.unsafe(`create table kept.${table} as select * from recant.${table}`);
		}
	}

	async restore(): Promise<void> {
		await this.#sql.begin(async (tx) => {
			for (const table of TABLES) {
				await tx.unsafe(`delete from recant.${table}`);
				await tx.unsafe(`insert into recant.${table} select * from kept.${table}`);
			}
			const pointer = POINTER_COLUMNS.map((column) => `${column} = k.${column}`).join(", ");
			await tx.unsafe(
				`update recant.collections c set ${pointer} from kept.collections k
				where k.chain_id = c.chain_id and k.name = c.name
					and c.pointer_version_id <= k.pointer_version_id`,
			);
			const columns = CHAIN_COLUMNS.map((column) => `${column} = k.${column}`).join(", ");
			await tx.unsafe(
				`update recant.chains c set ${columns} from kept.chains k where k.chain_id = c.chain_id`,
			);
		});
	}
}
