/** Runs on real Postgres: a database for each run, made by copying one that has the tables. */
import { randomBytes } from "node:crypto";
import postgres from "postgres";
import type { Database } from "../../src/store/database.ts";
import { SILENT } from "../support/silent-log.ts";
import { openQueue } from "./fake-stores.ts";
import { FakeTables } from "./fakes/fake-tables.ts";
import { keepingCutLog } from "./kept-log.ts";
import { MemoryArchive } from "./memory-archive.ts";
import { openPostgresPorts, preparePostgres } from "./postgres-ports.ts";
import { postgresRunReads } from "./postgres-run-reads.ts";
import type { RunReads } from "./run-reads.ts";
import type { RunOptions } from "./simulation.ts";
import type { Stores } from "./stores.ts";

/** What a scenario looks at beside the ports. */
export interface OpenedRun {
	readonly database: Database;
	readonly tables: FakeTables;
	readonly archive: MemoryArchive;
}

export interface PostgresRunOptions {
	/** Told of each run's stores. */
	readonly onOpen?: ((opened: OpenedRun) => void) | undefined;
}

/** `serverUrl`: of a user who may create databases. */
export function openPostgresRun(
	serverUrl: string,
	{ onOpen }: PostgresRunOptions = {},
): RunOptions["openStores"] {
	let template: Promise<string> | undefined;
	return async (parts) => {
		template ??= createTemplate(serverUrl);
		const from = await template;
		const ending = new AsyncDisposableStack();
		const open = async () => {
			const database = await createDatabase(serverUrl, from);
			ending.defer(() => database.drop());
			const { spec, isGone } = parts;
			const opened = await openPostgresPorts(database.url, { spec, isGone, log: SILENT });
			ending.defer(() => opened.close());
			return opened;
		};
		const stores = await open();
		const tables = new FakeTables({ now: parts.wallMs });
		const archive = new MemoryArchive();
		onOpen?.({ database: stores.database, tables, archive });
		const { time, wallMs } = parts;
		const reads = keepingCutLog(
			postgresRunReads(stores.database, (table, version) => tables.rowsAt(table, version)),
		);
		return {
			...openQueue(parts),
			ports: {
				...stores.ports,
				tables: (now) => tables.by(now),
				logCutter: {
					cutLog: async (...asked) => {
						await reads.look();
						return stores.ports.logCutter.cutLog(...asked);
					},
				},
				snapshots: { ...stores.snapshotStores, archive },
			},
			call: async (store, invoke) =>
				store === "postgres" ? time.real(stores.at(wallMs(), async () => invoke())) : invoke(),
			reads: timed(reads, (read) => time.real(stores.at(wallMs(), read))),
			standing: () => stores.standing(),
			look: async () => undefined,
			openFresh: async () => {
				const fresh = await open();
				return {
					writer: fresh.ports.writer,
					inbox: fresh.ports.inbox,
					reads: postgresRunReads(fresh.database, () => []),
					close: async () => undefined,
				};
			},
			close: () => ending.disposeAsync(),
		} satisfies Stores;
	};
}

/** Judges wait for Postgres as everybody does. */
function timed(
	reads: RunReads,
	call: <Answer>(read: () => Promise<Answer>) => Promise<Answer>,
): RunReads {
	return {
		log: (after) => call(() => reads.log(after)),
		keys: () => call(() => reads.keys()),
		versionOf: (operationId) => call(() => reads.versionOf(operationId)),
		held: () => call(() => reads.held()),
	};
}

/** One with everything in it but the chain; it goes with the server. */
async function createTemplate(serverUrl: string): Promise<string> {
	const { name, url } = await createDatabase(serverUrl, "template1");
	await preparePostgres(url, SILENT);
	return name;
}

async function createDatabase(serverUrl: string, template: string) {
	const name = `sim_${randomBytes(6).toString("hex")}`;
	await administer(serverUrl, (sql) => sql`create database ${sql(name)} template ${sql(template)}`);
	const url = new URL(serverUrl);
	url.pathname = `/${name}`;
	const drop = async () => {
		await administer(serverUrl, (sql) => sql`drop database if exists ${sql(name)} with (force)`);
	};
	return { name, url: url.href, drop };
}

async function administer(
	url: string,
	run: (sql: postgres.Sql) => Promise<unknown>,
): Promise<void> {
	const sql = postgres(url, { max: 1, onnotice: () => undefined });
	try {
		await run(sql);
	} finally {
		await sql.end();
	}
}
