/** SIGKILL of the service while agents write: what was acknowledged is there, nothing is applied twice. */
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { expect, it } from "vitest";
import { RecantApiError } from "../../src/client/api-error.ts";
import type { RecantClient } from "../../src/client/client.ts";
import { startForkedLedger } from "../support/forked-ledger.ts";
import { untilFollowed } from "../support/ledger-state.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { startService } from "../support/service-process.ts";
import { testDir } from "../support/temp-dir.ts";

const CHAIN = "anvil";
const WRITERS = 8;
/** Acknowledged writes after which the service is killed, each time anew. */
const KILLED_AFTER = [1, 40, 90];
/** So that vectors are flushed to LanceDB all the time. */
const FLUSH_ROWS = 8;
const TIMEOUT_MS = 180_000;

/** Keys in the order in which they were tried, with the operation that an answer named. */
class Ledger {
	readonly tried: string[] = [];
	readonly acknowledged = new Map<string, string>();
}

async function write(
	client: RecantClient,
	key: string,
): Promise<{ readonly operationId: string; readonly repeated: boolean }> {
	const answer = await client.write(
		CHAIN,
		{ op: "put", id: `note:${key}`, layer: "long_term", content: { key }, text: `note ${key}` },
		{ idempotencyKey: key },
	);
	expect(answer.committed).toBe(true);
	const [operation] = answer.operations;
	return { operationId: operation?.operationId ?? "none", repeated: answer.repeated };
}

/** Writes under ever new keys until the service does not answer. */
async function writeUntilDead(client: RecantClient, name: string, ledger: Ledger): Promise<void> {
	for (let count = 0; ; count += 1) {
		const key = `${name}-${count}`;
		ledger.tried.push(key);
		try {
			const { operationId } = await write(client, key);
			ledger.acknowledged.set(key, operationId);
		} catch (error) {
			// The connection broke: nobody knows whether the write went through.
			if (error instanceof RecantApiError && error.code === "unreachable") return;
			throw error;
		}
	}
}

it(
	"keeps acknowledged writes and applies none twice, however often the service is killed",
	async () => {
		const { anvil, token, grow } = await startForkedLedger();
		await grow(3);
		const { url: databaseUrl } = await createTestDatabase("kill writes");
		const environment = {
			RECANT_RPC_URL: anvil.rpcUrl,
			RECANT_TOKEN: token.address,
			RECANT_POLL_INTERVAL_MS: "50",
			RECANT_DATA_DIR: testDir("kill-writes"),
			DATABASE_URL: databaseUrl,
		};
		const ledger = new Ledger();
		for (const [round, after] of KILLED_AFTER.entries()) {
			const service = await startService({ environment, flushRows: FLUSH_ROWS });
			await untilFollowed(service.client, CHAIN, anvil.rpcUrl);
			const goal = ledger.acknowledged.size + after;
			const writers = Array.from({ length: WRITERS }, (_, writer) =>
				writeUntilDead(service.client, `${round}-${writer}`, ledger),
			);
			const dead = Promise.all(writers);
			while (ledger.acknowledged.size < goal) await Promise.race([dead, sleep(1)]);
			await service.kill();
			await dead;
		}
		const service = await startService({ environment, flushRows: FLUSH_ROWS });
		const { client } = service;
		await untilFollowed(client, CHAIN, anvil.rpcUrl);
		const unknown = ledger.tried.filter((key) => !ledger.acknowledged.has(key));
		console.info(
			`${ledger.acknowledged.size} writes acknowledged, ${unknown.length} without an answer`,
		);
		expect(unknown).toHaveLength(KILLED_AFTER.length * WRITERS);
		for (const key of ledger.tried) {
			const { operationId, repeated } = await write(client, key);
			const before = ledger.acknowledged.get(key);
			if (before !== undefined)
				expect({ operationId, repeated }).toEqual({ operationId: before, repeated: true });
			expect(await write(client, key)).toEqual({ operationId, repeated: true });
		}
		await expectEachOnce(databaseUrl, ledger.tried);
		for (const key of ledger.tried) {
			const { results } = await client.search(CHAIN, { text: `note ${key}`, where: { key }, k: 2 });
			expect(results.map(({ memory }) => memory.id)).toEqual([`note:${key}`]);
		}
		await service.stop();
	},
	TIMEOUT_MS,
);

async function expectEachOnce(databaseUrl: string, keys: readonly string[]): Promise<void> {
	const sql = postgres(databaseUrl, { max: 1, connection: { search_path: "recant" } });
	try {
		const versions = await sql`select id, count(*)::int as count from versions
			where namespace = 'default' group by id`;
		expect(new Map(versions.map((row) => [row["id"], row["count"]]))).toEqual(
			new Map(keys.map((key) => [`note:${key}`, 1])),
		);
		const logged =
			await sql`select count(*)::int as entries, count(distinct operation_id)::int as operations
			from log where operation_id is not null`;
		expect(logged[0]).toEqual({ entries: keys.length, operations: keys.length });
		const gaps = await sql`select max(position)::int - count(*)::int as gaps from log`;
		expect(gaps[0]).toEqual({ gaps: 0 });
		const waiting = await sql`select count(*)::int as waiting from inbox`;
		expect(waiting[0]).toEqual({ waiting: 0 });
	} finally {
		await sql.end();
	}
}
