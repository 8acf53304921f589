/** Between the look at what stands and its end lie minutes: nothing that came meanwhile is lost by an import. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { EMPTY_ROOTS } from "../../src/commitment/state-root.ts";
import type { Generation, Hex } from "../../src/domain/ids.ts";
import type { ImportedState } from "../../src/restore/import-store.ts";
import { Database } from "../../src/store/database.ts";
import { registerChain } from "../../src/store/registry.ts";
import { PostgresImportStore } from "../../src/store/restoring/postgres-import-store.ts";
import { PostgresShadowStore } from "../../src/store/restoring/postgres-shadow-store.ts";
import { PostgresWriterStore } from "../../src/store/writing/postgres-writer-store.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { SILENT } from "../support/silent-log.ts";
import { tableDump } from "../support/table-dump.ts";
import { atTestEnd } from "../support/test-end.ts";

const CHAIN = 31_337;
const HASH: Hex = `0x${"11".repeat(32)}`;
/** A chain under a lease, and what an empty snapshot at block 7 was restored to for it. */
async function restored(generation: Generation) {
	const test = await createTestDatabase("import_moved_on");
	const database = await Database.open(test.url);
	atTestEnd(() => database.close());
	const spec = { id: CHAIN, name: "test", startBlock: 0n, handlersHash: HASH };
	await registerChain(database, spec, { isGone: () => false, log: SILENT });
	const lease = await new PostgresWriterStore(database, () => false).acquireLease(
		CHAIN,
		"here",
		60_000,
	);
	if ("heldBy" in lease) throw new Error("the lease is free");
	const shadow = {
		shadowId: randomUUID(),
		chainId: CHAIN,
		purpose: "import",
		ownerId: randomUUID(),
		height: 7n,
	} as const;
	const shadows = new PostgresShadowStore(database);
	await shadows.begin(shadow);
	const state: ImportedState = {
		shadow,
		generation,
		manifest: {
			kind: "full",
			parent: undefined,
			chainId: CHAIN,
			startBlock: 0n,
			height: 7n,
			blockHash: HASH,
			generation: 0n,
			logPosition: 8n,
			versionSeq: 0n,
			roots: EMPTY_ROOTS,
			stateRoot: HASH,
			handlersHash: HASH,
			collections: [],
			counts: { memories: 0, memoryRecords: 0, goneRecords: 0, headers: 1, operations: 0 },
			chunks: [],
			createdAt: "2026-01-01T00:00:00.000Z",
		},
		collections: [],
		headers: [{ number: 7n, hash: HASH, parentHash: HASH, timestamp: 7n }],
		operations: [],
		deleted: [],
	};
	return {
		...test,
		shadows,
		shadow,
		replace: (receivers?: readonly string[]) =>
			new PostgresImportStore(database, receivers).replace(state, lease.fence),
	};
}

type Restored = Awaited<ReturnType<typeof restored>>;

/** Every row of the chain stays as it is. */
async function expectRefused({ url, replace }: Restored, why: RegExp) {
	const before = await tableDump(url, CHAIN);
	await expect(replace()).rejects.toMatchObject({
		code: "chain_busy",
		message: expect.stringMatching(why),
	});
	expect(await tableDump(url, CHAIN)).toEqual(before);
}

test("a chain that stands as it did takes the snapshot's height", async () => {
	const chain = await restored(0n);
	await chain.replace();
	const [row] = await chain.query((sql) => sql`select head_height from recant.chains`);
	expect(row).toEqual({ head_height: "7" });
});

test("a halted chain goes on with it, and the log and its receivers are told", async () => {
	const chain = await restored(0n);
	const halt = { code: "fork_below_finality", message: "it forked", hint: "recover" };
	await chain.query((sql) => sql`update recant.chains set halt = ${JSON.stringify(halt)}`);
	await chain.replace(["https://one.example/a"]);
	const rows = await chain.query(
		(sql) => sql`
			select c.halt, c.log_position, l.position, l.kind, l.body, d.kind as told, d.data
			from recant.chains c join recant.log l using (chain_id) join recant.deliveries d using (chain_id)`,
	);
	expect(rows).toMatchObject([
		{
			halt: null,
			log_position: "9",
			position: "9",
			kind: "halt",
			body: '{"isOver":true}',
			told: "chain.resumed",
			data: expect.stringContaining('"height":"7"'),
		},
	]);
});

test("a chain that was empty and has begun is left alone", async () => {
	const chain = await restored(0n);
	await chain.query((sql) => sql`update recant.chains set head_height = 3`);
	await expectRefused(chain, /another generation/);
});

test("a chain that forked meanwhile is left alone", async () => {
	const chain = await restored(1n);
	await chain.query((sql) => sql`update recant.chains set head_height = 3, generation = 1`);
	await expectRefused(chain, /another generation/);
});

test("a rollback that is under way is not cut off", async () => {
	const chain = await restored(1n);
	await chain.query(
		(sql) => sql`
			with head as (update recant.chains set head_height = 3)
			insert into recant.rollbacks (rollback_id, chain_id, cause, state, from_generation,
				ancestor_height, ancestor_hash, from_height, from_hash, to_height, to_hash, branch, counts,
				stage_ms)
			values (${randomUUID()}, ${CHAIN}, 'manual', 'prepared', 0, 1, 'a', 3, 'b', 1, 'a', '[]', '{}',
				'{}')`,
	);
	await expectRefused(chain, /a rollback is under way/);
});

test("a restored state that is gone does not make the chain empty", async () => {
	const chain = await restored(1n);
	await chain.query((sql) => sql`update recant.chains set head_height = 3`);
	await chain.shadows.drop(chain.shadow.shadowId);
	await expectRefused(chain, /cleared away/);
});
