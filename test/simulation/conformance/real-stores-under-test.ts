/** The stores of Postgres on a database of their own, which is emptied for each case. */
import type { Sql } from "postgres";
import { EMPTY_ROOTS } from "../../../src/commitment/state-root.ts";
import type { Outbox } from "../../../src/rollback/dispatch.ts";
import { toJson } from "../../../src/store/codec.ts";
import { Database } from "../../../src/store/database.ts";
import { registerChain } from "../../../src/store/registry.ts";
import { PostgresImportStore } from "../../../src/store/restoring/postgres-import-store.ts";
import { PostgresLogCutter } from "../../../src/store/restoring/postgres-log-cut.ts";
import { PostgresLogReader } from "../../../src/store/restoring/postgres-log-reader.ts";
import { PostgresRestoredStates } from "../../../src/store/restoring/postgres-restored-states.ts";
import { PostgresShadowStore } from "../../../src/store/restoring/postgres-shadow-store.ts";
import { PostgresSnapshotReader } from "../../../src/store/restoring/postgres-snapshot-reader.ts";
import { PostgresSnapshotStore } from "../../../src/store/restoring/postgres-snapshot-store.ts";
import {
	forget,
	unattendedRollbacks,
	waitingRollbacks,
} from "../../../src/store/writing/outbox.ts";
import { PostgresFlushStore } from "../../../src/store/writing/postgres-flush-store.ts";
import { PostgresInboxStore } from "../../../src/store/writing/postgres-inbox-store.ts";
import { PostgresRetention } from "../../../src/store/writing/postgres-retention.ts";
import { PostgresRollbackStore } from "../../../src/store/writing/postgres-rollback-store.ts";
import { PostgresTaskStore } from "../../../src/store/writing/postgres-task-store.ts";
import { PostgresWriterStore } from "../../../src/store/writing/postgres-writer-store.ts";
import { createTestDatabase } from "../../support/postgres.ts";
import { SILENT } from "../../support/silent-log.ts";
import { plainDump } from "./plain-rows.ts";
import { type AddedSnapshot, GONE, type Ports, type StoresUnderTest } from "./stores-under-test.ts";

/** Tables that are emptied and compared; what is not named here no case writes. */
const TABLES = [
	"chains",
	"generations",
	"blocks",
	"checkpoints",
	"thinned_ranges",
	"memories",
	"versions",
	"links",
	"collections",
	"vector_rows",
	"inbox",
	"idempotency_keys",
	"log",
	"operations",
	"derivations",
	"rollbacks",
	"rollback_parts",
	"rollback_tasks",
	"outbox",
	"shadows",
	"shadow_versions",
	"snapshots",
] as const;

/** By which time has passed when they are moved back. */
const TIMES: readonly (readonly [table: string, column: string])[] = [
	["chains", "lease_until"],
	["rollbacks", "claim_until"],
	["rollbacks", "stage_started_at"],
	["rollbacks", "created_at"],
	["rollbacks", "finished_at"],
	["rollback_tasks", "claim_until"],
	["idempotency_keys", "created_at"],
	["shadows", "created_at"],
	["snapshots", "created_at"],
];

export interface RealStores {
	/** Empty stores on the same database. */
	emptied(): Promise<StoresUnderTest>;
	close(): Promise<void>;
}

export async function openRealStores(name: string): Promise<RealStores> {
	const { url, drop } = await createTestDatabase(name);
	const database = await Database.open(url);
	return {
		emptied: async () => {
			const all = TABLES.map((table) => `recant.${table}`).join(", ");
			await run(database, (sql) => sql.unsafe(`truncate ${all} restart identity`));
			return realStores(database);
		},
		close: async () => {
			await database.close();
			await drop();
		},
	};
}

function realStores(database: Database): StoresUnderTest {
	const isGone = (holder: string) => holder === GONE;
	return {
		ports: portsOf(database, isGone),
		registerChain: (chain) => registerChain(database, chain, { isGone, log: SILENT }),
		pass: async (ms) => {
			for (const [table, column] of TIMES) {
				const earlier = `${column} - interval '${ms} milliseconds'`;
				await run(database, (sql) =>
					sql.unsafe(`update recant.${table} set ${column} = ${earlier}`),
				);
			}
		},
		addSnapshot: (snapshot) => addSnapshot(database, snapshot),
		dump: async () => {
			const tables: Record<string, readonly Readonly<Record<string, unknown>>[]> = {};
			for (const table of TABLES) {
				tables[table] = await run(database, (sql) => sql.unsafe(`select * from recant.${table}`));
			}
			return plainDump(tables);
		},
	};
}

function portsOf(database: Database, isGone: (holder: string) => boolean): Ports {
	return {
		writer: new PostgresWriterStore(database, isGone),
		rollbacks: new PostgresRollbackStore(database, isGone),
		tasks: new PostgresTaskStore(database),
		inbox: new PostgresInboxStore(database),
		outbox: outboxOf(database),
		flush: new PostgresFlushStore(database),
		retention: new PostgresRetention(database),
		logCutter: new PostgresLogCutter(database),
		log: new PostgresLogReader(database),
		shadows: new PostgresShadowStore(database),
		restored: new PostgresRestoredStates(database),
		snapshots: new PostgresSnapshotStore(database),
		snapshotReader: new PostgresSnapshotReader(database),
		imports: new PostgresImportStore(database),
	};
}

function outboxOf(database: Database): Outbox {
	return {
		waiting: () => waitingRollbacks(database),
		forget: (outboxId) => forget(database, outboxId),
		unattended: (ageMs) => unattendedRollbacks(database, ageMs),
	};
}

async function addSnapshot(database: Database, snapshot: AddedSnapshot): Promise<void> {
	const { snapshotId, chainId, state, cause, height, generation, blockHash, logPosition } =
		snapshot;
	const manifest = `0x${snapshotId.replaceAll("-", "")}`;
	await database.run(
		(sql) => sql`
			insert into snapshots (snapshot_id, chain_id, state, kind, cause, height, generation,
				block_hash, log_position, version_id, roots, manifest_hash)
			values (${snapshotId}, ${chainId}, ${state}, 'full', ${cause}, ${height}, ${generation},
				${blockHash}, ${logPosition}, 0, ${toJson(EMPTY_ROOTS)}, ${manifest})`,
	);
}

function run<Result>(
	database: Database,
	work: (sql: Pick<Sql, "unsafe">) => PromiseLike<Result>,
): Promise<Result> {
	return database.run(async (sql) => work(sql as unknown as Sql));
}
