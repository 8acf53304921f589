/**
 * What stood still, or was overtaken, comes back and writes: without effect, in every store.
 *
 * Each of these failed once with its guard taken out of the source, which the guard's comment names.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { RecantClient } from "../../src/client/client.ts";
import { EMPTY_ROOTS } from "../../src/commitment/state-root.ts";
import type { Hex, RollbackId } from "../../src/domain/ids.ts";
import type { VectorRow } from "../../src/domain/vector.ts";
import { NO_COUNTS } from "../../src/rollback/rollback-record.ts";
import type { RollbackCommit } from "../../src/rollback/rollback-store.ts";
import { Database } from "../../src/store/database.ts";
import { registerChain } from "../../src/store/registry.ts";
import { PostgresFlushStore } from "../../src/store/writing/postgres-flush-store.ts";
import { PostgresRollbackStore } from "../../src/store/writing/postgres-rollback-store.ts";
import { PostgresWriterStore } from "../../src/store/writing/postgres-writer-store.ts";
import { openLanceTables } from "../../src/vectors/lance-tables.ts";
import { checked } from "../support/consistency.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { CHAIN as CHAIN_NAME } from "../support/recant.ts";
import { SILENT } from "../support/silent-log.ts";
import { tableDump } from "../support/table-dump.ts";
import { testDir } from "../support/temp-dir.ts";
import { atTestEnd } from "../support/test-end.ts";
import { until } from "../support/until.ts";
import { keyOf } from "../support/versions.ts";
import { withSql } from "../support/with-sql.ts";
import { World } from "../support/world.ts";

const CHAIN = 31_337;
const HASH: Hex = `0x${"11".repeat(32)}`;
const [FIRST, SECOND] = [1, 2].map(
	(number) => `00000000-0000-4000-8000-00000000000${number}` as string as RollbackId,
) as [RollbackId, RollbackId];
const CLAIM_MS = 5_000;
const TABLE = "chain_default";
/** A chain at its first block, whose processes `dead…` are known to be gone. */
async function openChain() {
	const { url } = await createTestDatabase("zombies");
	const database = await Database.open(url);
	atTestEnd(() => database.close());
	const spec = { id: CHAIN, name: "test", startBlock: 0n, handlersHash: "0x00" } as const;
	await registerChain(database, spec, { isGone: () => false, log: SILENT });
	const isGone = (holder: string) => holder.startsWith("dead");
	return {
		url,
		database,
		rollbacks: new PostgresRollbackStore(database, isGone),
		writers: new PostgresWriterStore(database, isGone),
		flushes: new PostgresFlushStore(database),
	};
}

type Chain = Awaited<ReturnType<typeof openChain>>;

const PLACE = { height: 0n, hash: HASH };

async function record({ rollbacks }: Chain, rollbackId: RollbackId, supersedes?: RollbackId) {
	await rollbacks.record(
		{
			rollbackId,
			chainId: CHAIN,
			cause: "reorg",
			fromGeneration: 0n,
			ancestor: PLACE,
			from: PLACE,
			branch: [],
			supersessions: supersedes === undefined ? 0 : 1,
			wantedStrategy: undefined,
		},
		supersedes,
	);
}

const PREPARED = {
	parts: [{ part: "batch", seq: 0, body: "{}" }],
	counts: NO_COUNTS,
} as unknown as Parameters<PostgresRollbackStore["prepared"]>[2];

async function partsOf({ database }: Chain, rollbackId: RollbackId): Promise<number> {
	return database.run(async (sql) => {
		const [row] = await sql<{ count: bigint }[]>`
			select count(*) as count from rollback_parts where rollback_id = ${rollbackId}`;
		return Number(row?.count);
	});
}

test("a change set that is written under a superseded rollback is refused, and leaves nothing", async () => {
	const chain = await openChain();
	await record(chain, FIRST);
	const zombie = await chain.rollbacks.claim(FIRST, "zombie", CLAIM_MS);
	await record(chain, SECOND, FIRST);
	const before = await tableDump(chain.url, CHAIN);
	const attempt = zombie?.attempt ?? 0;

	const refused = { code: "rollback_fenced", retryable: true };
	await expect(chain.rollbacks.prepared(FIRST, attempt, PREPARED)).rejects.toMatchObject(refused);
	await expect(chain.rollbacks.renewClaim(FIRST, attempt, CLAIM_MS)).rejects.toMatchObject(refused);

	expect(await partsOf(chain, FIRST)).toBe(0);
	expect(await tableDump(chain.url, CHAIN)).toEqual(before);
	expect(await chain.rollbacks.claim(FIRST, "zombie", CLAIM_MS)).toBeUndefined();
});

test("a change set of an overtaken attempt is refused, and its claim cannot be renewed", async () => {
	const chain = await openChain();
	await record(chain, FIRST);
	const zombie = await chain.rollbacks.claim(FIRST, "dead", CLAIM_MS);
	const heir = await chain.rollbacks.claim(FIRST, "heir", 60_000);
	expect([zombie?.attempt, heir?.attempt]).toEqual([1, 2]);
	const before = await tableDump(chain.url, CHAIN);

	const refused = { code: "rollback_fenced", retryable: true };
	await expect(chain.rollbacks.renewClaim(FIRST, 1, 3_600_000)).rejects.toMatchObject(refused);
	await expect(chain.rollbacks.prepared(FIRST, 1, PREPARED)).rejects.toMatchObject(refused);

	expect(await partsOf(chain, FIRST)).toBe(0);
	expect(await tableDump(chain.url, CHAIN)).toEqual(before);
	await chain.rollbacks.renewClaim(FIRST, 2, 60_000);
	await chain.rollbacks.prepared(FIRST, 2, PREPARED);
	expect(await partsOf(chain, FIRST)).toBe(1);
});

/** Back to the first block of a chain that has nothing but that. */
function commitOf(fence: bigint, attempt: number): RollbackCommit {
	const head = { number: 0n, hash: HASH, parentHash: HASH, timestamp: 1n };
	return {
		rollbackId: FIRST,
		attempt,
		fence,
		batch: {
			chainId: CHAIN,
			generation: 1n,
			basePosition: 0n,
			logPosition: 0n,
			versionSeq: 0n,
			roots: EMPTY_ROOTS,
			head,
			safe: 0n,
			finalized: 0n,
			log: [],
			changes: { closeBlock: [], closeGen: [], insert: [], newMemories: [] },
			vectors: [],
			blocks: [],
			checkpoints: [],
			operations: [],
			derivations: [],
			settledEntries: [],
			thinned: undefined,
		},
		fromGeneration: 0n,
		ancestor: 0n,
		counts: NO_COUNTS,
		report: "{}",
		ended: { ...PLACE, versionId: 0n, pointers: {} },
		pointers: {},
		shadow: undefined,
		stageMs: {},
	};
}

test("a rollback's commit with an old fencing number changes nothing; that of the lease holder does", async () => {
	const chain = await openChain();
	const zombie = await chain.writers.acquireLease(CHAIN, "dead", 60_000);
	await record(chain, FIRST);
	await chain.rollbacks.claim(FIRST, "dead", CLAIM_MS);
	await chain.rollbacks.prepared(FIRST, 1, PREPARED);
	const heir = await chain.writers.acquireLease(CHAIN, "heir", 60_000);
	const [old, present] = [zombie, heir].map((lease) => ("fence" in lease ? lease.fence : 0n));
	const before = await tableDump(chain.url, CHAIN);

	await expect(chain.rollbacks.commit(commitOf(old ?? 0n, 1))).rejects.toMatchObject({
		code: "lease_lost",
	});

	expect(await tableDump(chain.url, CHAIN)).toEqual(before);
	await chain.rollbacks.commit(commitOf(present ?? 0n, 1));
	expect((await chain.writers.loadChain(CHAIN)).state.generation).toBe(1n);
	await expect(chain.rollbacks.commit(commitOf(present ?? 0n, 1))).rejects.toMatchObject({
		code: "lease_lost",
	});
});

function vectorRow(id: number): VectorRow {
	const vector = Float32Array.of(id, 1);
	const name = { memoryKey: keyOf(`${id}`), namespace: "default", layer: "semantic" } as const;
	return { versionId: BigInt(id), ...name, fromBlock: 1n, text: undefined, vector };
}

test("a write to LanceDB after the pointer moved is named by nobody, and not in what is written next", async () => {
	const chain = await openChain();
	const uri = testDir("lancedb");
	// Two processes on one directory.
	const [zombie, heir] = [await openLanceTables({ uri }), await openLanceTables({ uri })];
	atTestEnd(async () => void (await Promise.all([zombie.close(), heir.close()])));
	const lease = await chain.writers.acquireLease(CHAIN, "dead", 60_000);
	const base = await zombie.append(TABLE, await zombie.create(TABLE, 2), [vectorRow(1)]);
	const at = { versionId: 1n, at: 1 };
	await chain.database.run(
		(sql) => sql`insert into collections (chain_id, name, model, dimensions, table_name,
			table_version, pointer_version_id) values (${CHAIN}, 'default', 'm', 2, ${TABLE}, ${base}, 1)`,
	);
	const heirs = await chain.writers.acquireLease(CHAIN, "heir", 60_000);
	const next = await heir.append(TABLE, base, [vectorRow(2)]);
	const from = { tableVersion: base, ...at };
	const named = { tableVersion: next, versionId: 2n, at: 2 };
	const move = { chainId: CHAIN, generation: 0n, collection: "default", from };
	const fenceOf = (of: typeof lease) => ("fence" in of ? of.fence : 0n);
	expect(await chain.flushes.movePointer({ ...move, fence: fenceOf(heirs), to: named })).toBe(true);

	// The zombie goes on where it stood: at a pointer that has moved, under a lease that is another's.
	const stale = await zombie.append(TABLE, base, [vectorRow(900)]);
	const to = { tableVersion: stale, versionId: 900n, at: 3 };
	expect(await chain.flushes.movePointer({ ...move, fence: fenceOf(lease), to })).toBe(false);
	const again = { ...move, from: named, to };
	expect(await chain.flushes.movePointer({ ...again, fence: fenceOf(lease) })).toBe(false);

	const [target] = await chain.flushes.targets(CHAIN);
	expect(target?.pointer).toMatchObject({ tableVersion: next, versionId: 2n });
	expect(await idsAt(heir, next)).toEqual([1n, 2n]);
	expect(await idsAt(heir, await heir.append(TABLE, next, [vectorRow(3)]))).toEqual([1n, 2n, 3n]);
});

async function idsAt(tables: Awaited<ReturnType<typeof openLanceTables>>, version: bigint) {
	const ids: bigint[] = [];
	for await (const rows of tables.rows(TABLE, version))
		ids.push(...rows.map((row) => row.versionId));
	return ids.sort((one, other) => (one < other ? -1 : 1));
}

test("what stands still in the middle of a transaction keeps nobody from the chain for long", async () => {
	const chain = await openChain();
	const standing = await Database.open(chain.url);
	atTestEnd(() => standing.close());
	const holds = Promise.withResolvers<void>();
	const wakes = Promise.withResolvers<void>();
	const zombie = standing.transaction(async (tx) => {
		await tx`update chains set log_position = log_position + 100 where chain_id = ${CHAIN}`;
		holds.resolve();
		await wakes.promise;
		await tx`update chains set log_position = log_position + 100 where chain_id = ${CHAIN}`;
	});
	const ended = expect(zombie).rejects.toMatchObject({ code: "database_unavailable" });
	await holds.promise;
	const startMs = performance.now();
	expect(await chain.writers.acquireLease(CHAIN, "heir", 60_000)).toHaveProperty("fence");
	expect(performance.now() - startMs).toBeLessThan(10_000);
	wakes.resolve();
	await ended;
	await sleep(50);
	expect((await chain.writers.loadChain(CHAIN)).state.logPosition).toBe(0n);
});

test("a check by a process that has lost the chain, and does not know it yet, calls nothing damaged", async () => {
	const world = await World.create({ name: "zombie check" });
	const client = new RecantClient({ url: world.recant.url });
	expect((await checked(client, { level: "basic" })).run).toMatchObject({
		state: "done",
		score: 1,
	});
	// Another took the chain, and committed what this one's tree does not know.
	const { id } = await withSql(world.recant.home.databaseUrl, async (sql) => {
		await sql`update chains set fence = fence + 1, lease_holder = 'elsewhere:1:x',
			lease_until = now() + interval '1 hour', roots = '{}'`;
		return client.startCheck(CHAIN_NAME, { level: "basic" });
	});
	// It is run while this process still takes itself for the holder, or waits for the one that is.
	const seen = await until("the check ends, or the loss is known", async () => {
		const { run, findings } = await client.check(CHAIN_NAME, id, { limit: 1 });
		const isKnown = (await client.chain(CHAIN_NAME)).state !== "following";
		return (run.finishedAt !== undefined || isKnown) && { run, findings };
	});
	expect(seen).toMatchObject({ run: { state: expect.not.stringMatching("done") }, findings: [] });
	if (seen.run.state === "failed") expect(seen.run.error?.code).toBe("lease_lost");
});
