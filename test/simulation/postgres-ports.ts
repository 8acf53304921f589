/**
 * The real stores as ports of a simulation. Time stands while Postgres works, calls go one at a time, and its
 * clock is the simulation's: leases and claims lapse in virtual time.
 */
import postgres from "postgres";
import type { Logger } from "../../src/domain/logger.ts";
import { SerialLane } from "../../src/domain/serial-lane.ts";
import type { ChainSpec } from "../../src/follower/chain-spec.ts";
import { Database } from "../../src/store/database.ts";
import { PostgresEmbeddingStore } from "../../src/store/records/postgres-embedding-store.ts";
import { registerChain } from "../../src/store/registry.ts";
import { PostgresImportStore } from "../../src/store/restoring/postgres-import-store.ts";
import { PostgresLogCutter } from "../../src/store/restoring/postgres-log-cut.ts";
import { PostgresLogReader } from "../../src/store/restoring/postgres-log-reader.ts";
import { PostgresRestoredStates } from "../../src/store/restoring/postgres-restored-states.ts";
import { PostgresShadowStore } from "../../src/store/restoring/postgres-shadow-store.ts";
import { PostgresSnapshotReader } from "../../src/store/restoring/postgres-snapshot-reader.ts";
import { PostgresSnapshotStore } from "../../src/store/restoring/postgres-snapshot-store.ts";
import { forget, unattendedRollbacks, waitingRollbacks } from "../../src/store/writing/outbox.ts";
import { PostgresFlushStore } from "../../src/store/writing/postgres-flush-store.ts";
import { PostgresInboxStore } from "../../src/store/writing/postgres-inbox-store.ts";
import { PostgresRetention } from "../../src/store/writing/postgres-retention.ts";
import { PostgresRollbackStore } from "../../src/store/writing/postgres-rollback-store.ts";
import { PostgresTaskStore } from "../../src/store/writing/postgres-task-store.ts";
import { PostgresWriterStore } from "../../src/store/writing/postgres-writer-store.ts";
import { SimulationError } from "./sim-clock.ts";
import type { SharedPorts } from "./sim-process.ts";
import type { StandingChain } from "./stores.ts";

export interface PostgresPorts {
	readonly database: Database;
	readonly ports: Omit<SharedPorts, "snapshots" | "tables">;
	readonly snapshotStores: Omit<NonNullable<SharedPorts["snapshots"]>, "archive">;
	/** Carries a call out at that time of the simulation. */
	at<Answer>(wallMs: number, call: () => Promise<Answer>): Promise<Answer>;
	standing(): Promise<StandingChain>;
	close(): Promise<void>;
}

/** Makes the tables, and what lets the simulation set the time, in an empty database. */
export async function preparePostgres(url: string, log: Logger): Promise<void> {
	const sql = postgres(url, { max: 1, onnotice: () => undefined });
	await simulateTime(sql);
	await sql.end();
	const database = await Database.open(withTime(url), undefined, log);
	await database.close();
}

/** Of a copy of a prepared database. */
export async function openPostgresPorts(
	url: string,
	{
		spec,
		log,
		isGone,
	}: {
		readonly spec: ChainSpec;
		readonly log: Logger;
		readonly isGone: (holder: string) => boolean;
	},
): Promise<PostgresPorts> {
	const clock = postgres(url, { max: 1, onnotice: () => undefined });
	const database = await Database.open(withTime(url), undefined, log);
	await registerChain(database, { ...spec, windowBlocks: undefined }, { isGone, log });
	const lane = new SerialLane();
	let clockMs: number | undefined;
	return {
		database,
		ports: {
			writer: new PostgresWriterStore(database, isGone),
			flush: new PostgresFlushStore(database),
			retention: new PostgresRetention(database),
			logCutter: new PostgresLogCutter(database),
			rollback: new PostgresRollbackStore(database, isGone, undefined),
			tasks: new PostgresTaskStore(database),
			outbox: {
				waiting: () => waitingRollbacks(database),
				unattended: (ageMs) => unattendedRollbacks(database, ageMs),
				forget: (outboxId) => forget(database, outboxId),
			},
			inbox: new PostgresInboxStore(database),
			shadows: new PostgresShadowStore(database),
			embeddings: new PostgresEmbeddingStore(database),
			logReader: new PostgresLogReader(database),
			restoredStates: new PostgresRestoredStates(database),
		},
		snapshotStores: {
			store: new PostgresSnapshotStore(database),
			reader: new PostgresSnapshotReader(database),
			imports: new PostgresImportStore(database),
		},
		at: (wallMs, call) =>
			lane.run(async () => {
				if (clockMs !== wallMs) await clock`update simulated.clock set ms = ${wallMs}`;
				clockMs = wallMs;
				return call();
			}),
		standing: () => standing(database, spec.id),
		close: async () => {
			await database.close();
			await clock.end();
		},
	};
}

function withTime(url: string): string {
	const timed = new URL(url);
	timed.searchParams.set("search_path", "recant,simulated,pg_catalog");
	// The server is not killed here; what a kill takes is shown elsewhere.
	timed.searchParams.set("synchronous_commit", "off");
	return timed.href;
}

/** What is not qualified finds these functions before Postgres' own. */
async function simulateTime(sql: postgres.Sql): Promise<void> {
	await sql.unsafe(`
		create schema simulated;
		create table simulated.clock (ms double precision not null);
		insert into simulated.clock values (0);
		create function simulated.now() returns timestamptz language sql stable
			as 'select to_timestamp(ms / 1000) from simulated.clock';
		create function simulated.clock_timestamp() returns timestamptz language sql volatile
			as 'select to_timestamp(ms / 1000) from simulated.clock';
	`);
}

interface ChainRow {
	readonly generation: bigint;
	readonly fence: bigint;
	readonly log_position: bigint;
	readonly head_height: bigint | null;
	readonly hash: string | null;
	readonly halt: string | null;
	readonly lease_holder: string | null;
	readonly inbox: number;
	readonly outbox: number;
}

async function standing(database: Database, chainId: number): Promise<StandingChain> {
	return database.run(async (sql) => {
		const [row] = await sql<ChainRow[]>`
			select generation, fence, log_position, head_height, halt, lease_holder,
				(select hash from blocks b where b.chain_id = c.chain_id and b.height = c.head_height
					and b.to_gen > c.generation order by from_gen desc limit 1) as hash,
				(select count(*)::int from inbox i where i.chain_id = c.chain_id) as inbox,
				(select count(*)::int from outbox where topic = 'rollback') as outbox
			from chains c where chain_id = ${chainId}`;
		const rollbacks = await sql<
			{ rollback_id: string; state: string; cause: string; paused: boolean }[]
		>`select rollback_id, state, cause, paused from rollbacks order by created_at desc, rollback_id`;
		if (row === undefined) throw new SimulationError("the chain is not registered");
		return {
			generation: row.generation,
			fence: row.fence,
			logPosition: row.log_position,
			head:
				row.head_height === null ? undefined : { height: row.head_height, hash: row.hash ?? "" },
			halt: row.halt ?? undefined,
			leaseHolder: row.lease_holder ?? undefined,
			inbox: row.inbox,
			outbox: row.outbox,
			rollbacks: rollbacks.map(({ rollback_id: rollbackId, ...rest }) => ({ rollbackId, ...rest })),
		};
	});
}
