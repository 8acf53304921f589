/** Postgres goes away in the middle of everything, and comes back: the service stays and goes on. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { RecantApiError } from "../../src/client/api-error.ts";
import type { RecantClient } from "../../src/client/client.ts";
import { Database } from "../../src/store/database.ts";
import { startForkedLedger } from "../support/forked-ledger.ts";
import { startKillablePostgres } from "../support/killable-postgres.ts";
import { ledgerState, untilFollowed } from "../support/ledger-state.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { startService } from "../support/service-process.ts";
import { testDir } from "../support/temp-dir.ts";

const CHAIN = "anvil";
/** Each kill meets other queries in other places. */
const KILLS = 5;
/** Clients of each kind; more than there are connections, so that queries wait for one. */
const CLIENTS = 8;
/** How long the load runs before each kill, and how long the server stays away. */
const LOAD_MS = 1_000;
const AWAY_MS = 500;
const TIMEOUT_MS = 240_000;
/** Until a lost connection is heard of. */
const LOST_MS = 200;

/** Answers that a client may get while the database is away. */
const PASSING = ["database_unavailable", "not_ready", "lease_lost"];

type Work = (client: RecantClient, count: number) => Promise<unknown>;

const WORK: Readonly<Record<string, Work>> = {
	page: (client) => client.memories(CHAIN, { namespace: "ledger" }),
	search: (client, count) => client.search(CHAIN, { text: `transferred ${count} tokens`, k: 5 }),
	chain: (client) => client.chain(CHAIN),
};

interface Load {
	readonly acknowledged: Map<string, string>;
	readonly answered: Record<string, number>;
	readonly refused: Record<string, number>;
	stopped: boolean;
}

it(
	"stays alive when Postgres is killed under load, recovers, and has lost nothing acknowledged",
	async () => {
		const postgres = await startKillablePostgres();
		const ledger = await startForkedLedger();
		const { anvil } = ledger;
		await ledger.grow(10);
		const service = await startService({
			environment: {
				RECANT_RPC_URL: anvil.rpcUrl,
				RECANT_TOKEN: ledger.token.address,
				RECANT_POLL_INTERVAL_MS: "20",
				RECANT_DATA_DIR: testDir("killed-postgres"),
				DATABASE_URL: postgres.url,
			},
			// Vectors go to LanceDB all the time, so that searches wait for it inside their transaction.
			flushRows: 8,
		});
		const { client } = service;
		await untilFollowed(client, CHAIN, anvil.rpcUrl);
		const load: Load = { acknowledged: new Map(), answered: {}, refused: {}, stopped: false };
		const clients = Array.from({ length: CLIENTS }, (_, number) => [
			...Object.entries(WORK).map(([name, work]) => keepAsking(client, name, work, load)),
			keepWriting(client, number, load),
		]).flat();
		const growing = keepGrowing(ledger.grow, load);
		try {
			for (let round = 0; round < KILLS; round += 1) {
				await sleep(LOAD_MS);
				await postgres.kill();
				await sleep(AWAY_MS);
				expect(service.isRunning(), service.output()).toBe(true);
				await postgres.start();
				await untilFollowedAgain(client);
			}
		} finally {
			load.stopped = true;
		}
		await Promise.all([...clients, growing]);
		console.info(JSON.stringify({ answered: load.answered, refused: load.refused }));
		await untilFollowed(client, CHAIN, anvil.rpcUrl);
		for (const [key, operationId] of load.acknowledged) {
			const again = await write(client, key);
			expect([again.repeated, again.operations[0]?.operationId]).toEqual([true, operationId]);
		}
		expect(service.isRunning(), service.output()).toBe(true);
		expect(Object.keys(load.refused).filter((code) => !PASSING.includes(code))).toEqual([]);
		await ledgerState(client, CHAIN);
		await service.stop();
	},
	TIMEOUT_MS,
);

it("fails a transaction whose connection is lost between two statements, and keeps none of it", async () => {
	const { url } = await createTestDatabase("lost connection");
	const database = await Database.open(url);
	await database.run((sql) => sql`create table kept (value int)`);
	const broken = database.transaction(async (tx) => {
		await tx`insert into kept values (1)`;
		const [row] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
		await database.run((sql) => sql`select pg_terminate_backend(${row?.pid ?? 0})`);
		await sleep(LOST_MS);
		await tx`insert into kept values (2)`;
	});
	await expect(broken).rejects.toMatchObject({ code: "database_unavailable" });
	// As many as there are connections, so that the lost one would be among them.
	const counts = await Promise.all(
		Array.from({ length: 24 }, () =>
			database.transaction((tx) => tx<{ count: bigint }[]>`select count(*) as count from kept`),
		),
	);
	expect(counts.flat().map(({ count }) => count)).toEqual(Array.from({ length: 24 }, () => 0n));
	await database.close();
});

it("is tried again when the loss shows while a query is being sent", async () => {
	const { url } = await createTestDatabase("lost while sending");
	const database = await Database.open(url);
	// Long enough to be written at once, and not with what else comes in this turn.
	const long = `select 1 -- ${"x".repeat(4_096)}`;
	const broken = database.transaction(async (tx) => {
		const [row] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
		process.kill(row?.pid ?? Number.NaN, "SIGTERM");
		// Nothing is read meanwhile, so the first write meets a closed connection, the second a reset one.
		standStill(LOST_MS);
		const first = tx.unsafe(long).execute();
		await Promise.resolve();
		standStill(LOST_MS);
		await Promise.all([first, tx.unsafe(long)]);
	});
	await expect(broken).rejects.toMatchObject({ code: "database_unavailable", retryable: true });
	await expect(broken).rejects.toThrow("write EPIPE");
	await database.close();
});

/** Keeps this process from hearing of anything. */
function standStill(ms: number): void {
	Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

async function keepAsking(
	client: RecantClient,
	name: string,
	work: Work,
	load: Load,
): Promise<void> {
	for (let count = 0; !load.stopped; count += 1) {
		await counted(name, () => work(client, count), load);
	}
}

async function keepWriting(client: RecantClient, number: number, load: Load): Promise<void> {
	for (let count = 0; !load.stopped; count += 1) {
		const key = `${number}-${count}`;
		const answer = await counted("write", () => write(client, key), load);
		const [operation] = answer?.operations ?? [];
		if (answer?.committed === true && operation !== undefined) {
			load.acknowledged.set(key, operation.operationId);
		}
	}
}

async function keepGrowing(grow: (blocks: number) => Promise<void>, load: Load): Promise<void> {
	while (!load.stopped) {
		await grow(1);
		await sleep(20);
	}
}

function write(client: RecantClient, key: string) {
	return client.write(
		CHAIN,
		{ op: "put", id: `note:${key}`, layer: "long_term", content: { key }, text: `note ${key}` },
		{ idempotencyKey: key },
	);
}

async function counted<Answer>(
	name: string,
	work: () => Promise<Answer>,
	load: Load,
): Promise<Answer | undefined> {
	try {
		const answer = await work();
		load.answered[name] = (load.answered[name] ?? 0) + 1;
		return answer;
	} catch (error) {
		if (!(error instanceof RecantApiError)) throw error;
		load.refused[error.code] = (load.refused[error.code] ?? 0) + 1;
		// Asked again at once, a service without a database would do nothing but refuse.
		await sleep(20);
		return undefined;
	}
}

/** A write is committed again: writer, lease and database are all back. */
async function untilFollowedAgain(client: RecantClient): Promise<void> {
	const deadline = performance.now() + 60_000;
	for (let count = 0; ; count += 1) {
		const answer = await write(client, `probe-${performance.now()}-${count}`).catch(String);
		if (typeof answer !== "string" && answer.committed) return;
		if (performance.now() > deadline) throw new Error(`it did not recover: ${answer}`);
		await sleep(100);
	}
}
