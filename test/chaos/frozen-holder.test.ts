/**
 * Real processes: one that stood still past its lease wakes up, and changes nothing in any store, whatever it
 * was about to do.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { expect, test } from "vitest";
import { RecantApiError } from "../../src/client/api-error.ts";
import { openLanceTables } from "../../src/vectors/lance-tables.ts";
import { untilFollowed } from "../support/ledger-state.ts";
import { expectStraightRun } from "../support/oracle.ts";
import { CHAIN } from "../support/recant.ts";
import { CHAIN_ID } from "../support/running-service.ts";
import { tableDump } from "../support/table-dump.ts";
import { atTestEnd } from "../support/test-end.ts";
import { until } from "../support/until.ts";
import { withSql } from "../support/with-sql.ts";
import { ChaosWorld, type Seat } from "./chaos-world.ts";
import { settled } from "./settled.ts";

/** Longer than anything that the process which stood still has under way. */
const WOKEN_MS = 2_000;
/** So slow that statements are under way when it stands still. */
const SLOW_MS = 40;
const TIMEOUT_MS = 180_000;

const MOMENTS = {
	"among its writes": async ({ proxies }: ChaosWorld) => {
		proxies.postgres?.slow(SLOW_MS);
		await sleep(300);
	},
	"in the middle of a transaction with the chain's row locked": async (chaos: ChaosWorld) => {
		chaos.proxies.postgres?.slow(SLOW_MS);
		await forked(chaos);
		await until("a transaction stands open with the row locked", () => isLocked(chaos));
	},
	"while LanceDB is written": async () => {
		await sleep(700);
	},
} as const;

test.each(Object.entries(MOMENTS))(
	"a process that stands still %s, past its lease, wakes up and changes nothing",
	async (_when, moment) => {
		const chaos = await ChaosWorld.create({
			layout: "two processes",
			service: { stageDelayMs: 0 },
		});
		await chaos.startMissing();
		await settled(chaos);
		const redis = new Redis(chaos.redis?.url ?? "");
		atTestEnd(() => redis.disconnect());
		const leader = await chaos.leader();
		const heir = chaos.seats.find((seat) => seat !== leader);
		if (leader === undefined || heir === undefined) throw new Error("nobody has the lease");
		const writing = keepWriting(chaos, leader);
		await moment(chaos);
		leader.freeze();
		const own = await hashesOf(redis);
		await writing.stop();
		await chaos.proxies.postgres?.restore();
		await chaos.world.chain.block({ from: 1, to: 2, value: 3n });
		const { client } = heir;
		if (client === undefined) throw new Error("nobody stands by");
		await until("the other has the lease", async () => (await chaos.leader()) === heir);
		await untilFollowed(client, CHAIN, chaos.world.gate.url);
		await until("nothing waits", async () => (await client.chain(CHAIN)).inbox === 0);
		await writing.resolve(client);

		// It changes nothing now; a lease that was just renewed lasts longer than this.
		heir.freeze();
		const before = await everything(chaos, redis, own);
		leader.wake();
		await sleep(WOKEN_MS);
		const after = await everything(chaos, redis, own);
		heir.wake();
		expect(after).toEqual(before);
		await settled(chaos);
		expect(await chaos.leader()).toBe(heir);
		await chaos.inspect(expectStraightRun);
	},
	TIMEOUT_MS,
);

/** Short-term memories, which Redis has copies of, and others with vectors; sent again until they are known. */
function keepWriting({ world }: ChaosWorld, { client }: Seat) {
	let running = true;
	let count = 0;
	const open = new Map<string, ReturnType<typeof saying>>();
	const send = async (to: NonNullable<Seat["client"]>, key: string) => {
		const said = open.get(key);
		if (said === undefined) return;
		const { operations } = await to.write(CHAIN, said, { idempotencyKey: key });
		open.delete(key);
		world.adopt(operations[0]?.operationId ?? "none", said);
	};
	const loop = (async () => {
		while (running && client !== undefined) {
			count += 1;
			const key = `frozen-${count}`;
			open.set(key, saying(count));
			await send(client, key).catch(ignoreFault);
		}
	})();
	return {
		async stop() {
			running = false;
			await loop;
		},
		async resolve(to: NonNullable<Seat["client"]>) {
			for (const key of [...open.keys()]) await send(to, key);
		},
	};
}

function saying(n: number) {
	const layer = n % 2 === 0 ? "short_term" : "semantic";
	const id = n % 2 === 0 ? `hot ${n % 4}` : `note ${n}`;
	return { op: "put", id, layer, content: { n }, text: `the whale moves ${n}` } as const;
}

function ignoreFault(error: unknown): void {
	if (!(error instanceof RecantApiError && error.retryable)) throw error;
}

function forked({ world }: ChaosWorld): Promise<void> {
	return world.gate.hold(async () => {
		await world.chain.block({ from: 1, to: 2, value: 5n });
		await world.chain.drop(1);
		await world.chain.block({ from: 2, to: 3, value: 7n });
		await world.chain.block({ from: 3, to: 1, value: 7n });
	});
}

async function isLocked({ databaseUrl }: ChaosWorld): Promise<boolean> {
	const rows = await withSql(
		databaseUrl,
		(sql) => sql`
			select 1 from pg_stat_activity a join pg_locks l using (pid)
			where a.state = 'idle in transaction' and l.relation = 'recant.chains'::regclass
				and l.mode in ('RowShareLock', 'RowExclusiveLock')`,
	);
	return rows.length > 0;
}

/** All that is kept of the chain: Postgres' rows, LanceDB's at the pointers, Redis' but for `own`. */
async function everything(
	chaos: ChaosWorld,
	redis: Redis,
	own: readonly string[],
): Promise<unknown> {
	const hashes = (await hashesOf(redis)).filter((name) => !own.includes(name));
	const dumps = hashes.map(async (name) => (await redis.dumpBuffer(name))?.toString("hex"));
	// A check that was due when it woke is written down as one that could not be made; what it found is not.
	const { consistency_runs: _runs, ...postgres } = await tableDump(chaos.databaseUrl, CHAIN_ID);
	return {
		postgres,
		lancedb: await named(chaos),
		redis: { hashes, dumps: await Promise.all(dumps) },
	};
}

/** Rows at the versions that the pointers name; what a stale writer leaves beside them is passed over. */
async function named({ databaseUrl, world }: ChaosWorld): Promise<unknown> {
	const pointers = await withSql(
		databaseUrl,
		(sql) => sql<{ table_name: string; table_version: string }[]>`
			select table_name, table_version::text from collections order by table_name`,
	);
	const tables = await openLanceTables({ uri: join(world.recant.home.dataDir, "lancedb") });
	try {
		const found = [];
		for (const { table_name: table, table_version: version } of pointers) {
			const rows: string[] = [];
			if (version !== "0") {
				for await (const page of tables.rows(table, BigInt(version)))
					rows.push(...page.map(({ versionId, vector }) => `${versionId} ${vector}`));
			}
			found.push({ table, version, rows: rows.sort() });
		}
		return found;
	} finally {
		await tables.close();
	}
}

/** Names of the hashes with copies of working memories: each process has one of its own. */
function hashesOf(redis: Redis): Promise<readonly string[]> {
	return redis.keys("*:working-memory:*").then((keys) => keys.sort());
}
