/** What Postgres keeps of recoveries: one at a time, five for one halt, and none that runs for good. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Hex, RollbackId } from "../../src/domain/ids.ts";
import type { NewRecovery, RecoveryWork } from "../../src/recovery/recovery.ts";
import { Database } from "../../src/store/database.ts";
import { PostgresRecoveryStore } from "../../src/store/recovery/postgres-recovery-store.ts";
import { registerChain } from "../../src/store/registry.ts";
import { PostgresWriterStore } from "../../src/store/writing/postgres-writer-store.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { SILENT } from "../support/silent-log.ts";
import { atTestEnd } from "../support/test-end.ts";

const CHAIN = 31_337;
const HASH: Hex = `0x${"11".repeat(32)}`;
const HALT = { code: "fork_below_finality", message: "it forked", hint: "recover" } as const;
/** A halted chain under a lease. */
async function haltedChain() {
	const { url } = await createTestDatabase("recovery_store");
	const database = await Database.open(url);
	atTestEnd(() => database.close());
	const spec = { id: CHAIN, name: "test", startBlock: 0n, handlersHash: HASH };
	await registerChain(database, spec, { isGone: () => false, log: SILENT });
	const writer = new PostgresWriterStore(database, () => true);
	const lease = await writer.acquireLease(CHAIN, "here", 60_000);
	if ("heldBy" in lease) throw new Error("the lease is free");
	const position = await writer.halt(CHAIN, lease.fence, HALT);
	const { fence } = lease;
	return { database, writer, fence, position, store: new PostgresRecoveryStore(database) };
}

function recovery(kind: NewRecovery["kind"], evidence = {}): NewRecovery {
	return { recoveryId: randomUUID(), chainId: CHAIN, kind, problem: HALT, evidence };
}

function byRollback({ recoveryId }: NewRecovery): Extract<RecoveryWork, { type: "rollback" }> {
	return {
		type: "rollback",
		rollback: {
			rollbackId: randomUUID() as string as RollbackId,
			chainId: CHAIN,
			cause: "reorg",
			fromGeneration: 0n,
			ancestor: { height: 0n, hash: HASH },
			from: { height: 0n, hash: HASH },
			branch: [],
			supersessions: 0,
			wantedStrategy: undefined,
			recoveryId,
		},
	};
}

test("a halt is told in the log, and by a holder of an old fence it is not", async () => {
	const { database, writer, position } = await haltedChain();
	expect(position).toBe(1n);
	expect(await writer.halt(CHAIN, 0n, undefined)).toBeUndefined();
	const { halt, state } = await writer.loadChain(CHAIN);
	expect(halt).toEqual(HALT);
	expect(state.logPosition).toBe(1n);
	const [entry] = await database.run((sql) => sql`select kind, body from log`);
	expect(entry).toMatchObject({ kind: "halt", body: expect.stringContaining("it forked") });
});

test("one runs at a time; one whose rollback failed is over, and the sixth is refused", async () => {
	const { database, store } = await haltedChain();
	for (let attempt = 1; attempt <= 5; attempt += 1) {
		const asked = recovery("accept");
		const work = byRollback(asked);
		expect(await store.begin(asked, work)).toMatchObject({
			state: "running",
			attempt,
			rollbackId: work.rollback.rollbackId,
		});
		const second = recovery("accept");
		await expect(store.begin(second, byRollback(second))).rejects.toMatchObject(
			attempt < 5 ? { code: "chain_busy" } : { code: "recovery_exhausted" },
		);
		const failure = JSON.stringify({ code: "internal", message: "no", hint: "none" });
		await database.run(
			(sql) => sql`update rollbacks set state = 'failed', error = ${failure}::text::jsonb
				where rollback_id = ${work.rollback.rollbackId}`,
		);
		expect(await store.load(CHAIN, asked.recoveryId)).toMatchObject({
			state: "failed",
			error: { code: "internal" },
		});
	}
	expect(await store.attempts(CHAIN, HALT)).toBe(5);
	expect(await store.attempts(CHAIN, { ...HALT, message: "another" })).toBe(0);
	const sixth = recovery("accept");
	await expect(store.begin(sixth, byRollback(sixth))).rejects.toMatchObject({
		code: "recovery_exhausted",
	});
	expect(await store.list(CHAIN, { after: undefined, limit: 10 })).toHaveLength(5);
});

test("one that answers another halt than the chain's is refused", async () => {
	const { store } = await haltedChain();
	const asked = { ...recovery("accept"), problem: { ...HALT, message: "an older one" } };
	await expect(store.begin(asked, byRollback(asked))).rejects.toMatchObject({ code: "chain_busy" });
});

/** An import that somebody wished for; the snapshot is still to be looked at. */
async function wishedImport() {
	const chain = await haltedChain();
	const { database, store } = chain;
	const snapshotId = randomUUID();
	await database.run(
		(sql) => sql`
			insert into snapshots (snapshot_id, chain_id, state, kind, cause, height, generation,
				block_hash, log_position, version_id, roots, manifest_hash)
			values (${snapshotId}, ${CHAIN}, 'verified', 'full', 'operator', 0, 0, ${HASH}, 1, 0, '{}',
				${HASH})`,
	);
	const asked = recovery("import", { snapshot: { id: snapshotId } });
	await store.begin(asked, { type: "import", snapshotId });
	return {
		...chain,
		look: () => store.load(CHAIN, asked.recoveryId),
		lookedAt: () =>
			database.run(
				(sql) => sql`update snapshots set progress = null where snapshot_id = ${snapshotId}`,
			),
		refused: () =>
			database.run(
				(sql) => sql`update snapshots set progress = null, error = ${REFUSED}::text::jsonb
					where snapshot_id = ${snapshotId}`,
			),
	};
}

const REFUSED = JSON.stringify({ code: "chain_busy", message: "moved on", hint: "again" });

test("an import goes on until it was looked at, and then until its process says that there is none", async () => {
	const { writer, fence, store, look, lookedAt } = await wishedImport();
	const next = await writer.acquireLease(CHAIN, "there", 60_000);
	if ("heldBy" in next) throw new Error("the lease is free");
	// The wish is in the snapshot's row, so the new holder goes on with it.
	await store.settle(CHAIN, next.fence);
	expect(await look()).toMatchObject({ state: "running" });
	await lookedAt();
	// Restored, perhaps, by a process that is still at it: only who has the chain can know.
	expect(await look()).toMatchObject({ state: "running" });
	await store.settle(CHAIN, fence);
	expect(await look()).toMatchObject({ state: "running" });
	const second = recovery("accept");
	await expect(store.begin(second, byRollback(second))).rejects.toMatchObject({
		code: "chain_busy",
	});
	await store.settle(CHAIN, next.fence);
	expect(await look()).toMatchObject({
		state: "failed",
		error: { code: "rollback_interrupted" },
		finishedAt: expect.any(Date),
	});
	await store.begin(second, byRollback(second));
});

test("an import that was refused is over for whoever reads it, before its row says so", async () => {
	const { database, store, look, refused } = await wishedImport();
	await refused();
	expect(await look()).toMatchObject({ state: "failed", error: { code: "chain_busy" } });
	const stateOf = () => database.run((sql) => sql`select state from recoveries`);
	expect(await stateOf()).toMatchObject([{ state: "running" }]);
	const next = recovery("accept");
	await store.begin(next, byRollback(next));
	expect(await stateOf()).toMatchObject([{ state: "failed" }, { state: "running" }]);
});

test("reading waits for nobody and locks nothing", async () => {
	const { database, store, look } = await wishedImport();
	const done = Promise.withResolvers<void>();
	const held = Promise.withResolvers<void>();
	const commit = database.transaction(async (tx) => {
		await tx`select 1 from chains for update`;
		held.resolve();
		await done.promise;
	});
	await held.promise;
	const waited = setTimeout(
		() => done.reject(new Error("a reader waits for the chain's row")),
		2_000,
	);
	expect(await look()).toMatchObject({ state: "running" });
	expect(await store.list(CHAIN, { after: undefined, limit: 5 })).toHaveLength(1);
	clearTimeout(waited);
	done.resolve();
	await commit;
});
