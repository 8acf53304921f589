/** Runs on real Postgres: a database for each run, made by copying one that has the tables. */
import { randomBytes } from "node:crypto";
import postgres from "postgres";
import type { Logger } from "../../src/domain/logger.ts";
import { openQueue } from "./fake-stores.ts";
import { FakeTables } from "./fakes/fake-tables.ts";
import { openPostgresPorts } from "./postgres-ports.ts";
import type { RunOptions } from "./simulation.ts";
import type { Stores } from "./stores.ts";

/** `serverUrl`: of a user who may create databases. */
export function openPostgresRun(serverUrl: string): RunOptions["openStores"] {
	return async (parts) => {
		const ending = new AsyncDisposableStack();
		const open = async () => {
			const database = await createDatabase(serverUrl);
			ending.defer(() => database.drop());
			const { spec, isGone } = parts;
			const opened = await openPostgresPorts(database.url, { spec, isGone, log: SILENT });
			ending.defer(() => opened.close());
			return opened;
		};
		const stores = await open();
		const tables = new FakeTables({ now: parts.wallMs });
		const { time, wallMs } = parts;
		return {
			...openQueue(parts),
			ports: { ...stores.ports, tables, snapshots: undefined },
			call: async (store, invoke) =>
				store === "postgres" ? time.real(stores.at(wallMs(), invoke)) : invoke(),
			reads: stores.reads((table, version) => tables.rowsAt(table, version), (read) =>
				time.real(stores.at(wallMs(), read)),
			),
			standing: () => stores.standing(),
			look: async () => undefined,
			openFresh: async () => {
				const fresh = await open();
				return {
					writer: fresh.ports.writer,
					inbox: fresh.ports.inbox,
					reads: fresh.reads(() => [], (read) => read()),
					close: async () => undefined,
				};
			},
			close: () => ending.disposeAsync(),
		} satisfies Stores;
	};
}

async function createDatabase(serverUrl: string) {
	const name = `sim_${randomBytes(6).toString("hex")}`;
	await administer(serverUrl, (sql) => sql`create database ${sql(name)}`);
	const url = new URL(serverUrl);
	url.pathname = `/${name}`;
	const drop = async () => {
		await administer(serverUrl, (sql) => sql`drop database if exists ${sql(name)} with (force)`);
	};
	return { url: url.href, drop };
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

const SILENT: Logger = {
	debug: () => undefined,
	info: () => undefined,
	warn: () => undefined,
	error: () => undefined,
	child: () => SILENT,
};
