/** The row of a rollback decides: attempts, pauses, ends and operators' orders on real Postgres. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Hex, RollbackId } from "../../src/domain/ids.ts";
import type { RollbackOrder } from "../../src/rollback/orders.ts";
import { progressOf } from "../../src/rollback/rollback-progress.ts";
import { type NewRollback, NO_COUNTS, type Stage } from "../../src/rollback/rollback-record.ts";
import { Database } from "../../src/store/database.ts";
import { PostgresStateStore } from "../../src/store/reading/postgres-state-store.ts";
import { registerChain } from "../../src/store/registry.ts";
import { waitingRollbacks } from "../../src/store/writing/outbox.ts";
import { PostgresRollbackStore } from "../../src/store/writing/postgres-rollback-store.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { rollbackRecord } from "../support/rollback-record.ts";
import { SILENT } from "../support/silent-log.ts";
import { atTestEnd } from "../support/test-end.ts";

const CHAIN = 31_337;
const TTL_MS = 60_000;
const NEVER = rollbackRecord({ state: "cancelled" });
const WHY = { code: "rollback_interrupted", message: "a stage failed", hint: "retry it" };

function hashOf(height: bigint, branch = "aa"): Hex {
	return `0x${branch}${height.toString(16).padStart(62, "0")}`;
}

/** A chain with its block 3, and its rollbacks. */
async function openChain() {
	const { url, query } = await createTestDatabase("rollback_store");
	const database = await Database.open(url);
	atTestEnd(() => database.close());
	const spec = { id: CHAIN, name: "test", startBlock: 0n, handlersHash: "0x00" as Hex };
	await registerChain(database, spec, { isGone: () => false, log: SILENT });
	// The ancestor of them all.
	await query(
		(sql) => sql`insert into recant.blocks
			(chain_id, height, hash, parent_hash, timestamp, from_gen, to_gen, checksum)
			values (${CHAIN}, 3, ${hashOf(3n)}, ${hashOf(2n)}, 1, 0, 9223372036854775807, '')`,
	);
	const store = new PostgresRollbackStore(database, (holder) => holder === "dead");
	return { database, store, query };
}

type Chain = Awaited<ReturnType<typeof openChain>>;

function rollback(given: Partial<NewRollback> = {}): NewRollback {
	return {
		rollbackId: randomUUID() as string as RollbackId,
		chainId: CHAIN,
		cause: "manual",
		fromGeneration: 0n,
		ancestor: { height: 3n, hash: hashOf(3n) },
		from: { height: 5n, hash: hashOf(5n) },
		branch: [],
		supersessions: 0,
		wantedStrategy: undefined,
		...given,
	};
}

/** A fork from block 3, of that many blocks. */
function fork(branch: string, length = 2): Partial<NewRollback> {
	const blocks = Array.from({ length }, (_, index) => {
		const number = 4n + BigInt(index);
		const parentHash = index === 0 ? hashOf(3n) : hashOf(number - 1n, branch);
		return { number, hash: hashOf(number, branch), parentHash, timestamp: number };
	});
	return { cause: "reorg", branch: blocks };
}

async function recorded({ store }: Chain, given?: Partial<NewRollback>) {
	const made = rollback(given);
	await store.record(made, undefined);
	return made.rollbackId;
}

async function claimed(chain: Chain, given?: Partial<NewRollback>) {
	const rollbackId = await recorded(chain, given);
	const claim = await chain.store.claim(rollbackId, "here", TTL_MS);
	if (claim === undefined) throw new Error("it cannot be claimed");
	return { rollbackId, attempt: claim.attempt };
}

async function prepared(chain: Chain, given?: Partial<NewRollback>) {
	const claim = await claimed(chain, given);
	await chain.store.begin(claim.rollbackId, claim.attempt, stage("replay", 10));
	await chain.store.prepared(claim.rollbackId, claim.attempt, {
		parts: [{ part: "batch", seq: 0, body: "{}" }],
		counts: NO_COUNTS,
	});
	return claim;
}

async function failed(chain: Chain, given?: Partial<NewRollback>, keepsPrepared = false) {
	const claim = await (keepsPrepared ? prepared(chain, given) : claimed(chain, given));
	const how = { stage: "verify" as const, error: WHY, keepsPrepared };
	expect(await chain.store.fail(claim.rollbackId, claim.attempt, how)).toBe(true);
	return claim;
}

function stage(name: Stage, total: number) {
	return { stage: name, done: 0, total, stageMs: {} };
}

/** Codes with which orders given at once were refused, and "done". */
async function atOnce(chain: Chain, rollbackId: RollbackId, orders: readonly RollbackOrder[]) {
	const results = await Promise.allSettled(
		orders.map((order) => chain.store.order(rollbackId, order)),
	);
	return results.map((each) => (each.status === "fulfilled" ? "done" : each.reason.code)).sort();
}

async function outboxOf({ database }: Chain) {
	const entries = await waitingRollbacks(database);
	return entries.map(({ rollbackId, retries }) => ({ rollbackId, retries }));
}

async function state({ store }: Chain, rollbackId: RollbackId) {
	return (await store.load(rollbackId))?.state;
}

test("of two operators who retry at once one does, and there is one more job", async () => {
	const chain = await openChain();
	for (let round = 1; round <= 10; round += 1) {
		const { rollbackId } = await failed(chain);
		expect(await atOnce(chain, rollbackId, ["retry", "retry"])).toEqual([
			"done",
			"rollback_not_failed",
		]);
		expect(await chain.store.load(rollbackId)).toMatchObject({
			state: "recorded",
			retries: 1,
			error: undefined,
			failedStage: undefined,
			finishedAt: undefined,
		});
		expect((await outboxOf(chain)).filter((entry) => entry.rollbackId === rollbackId)).toEqual([
			{ rollbackId, retries: 0 },
			{ rollbackId, retries: 1 },
		]);
		await chain.store.order(rollbackId, "cancel");
	}
});

test("of a retry and an abandon at once one is done", async () => {
	const chain = await openChain();
	for (let round = 1; round <= 10; round += 1) {
		const { rollbackId } = await failed(chain, {}, true);
		expect(await atOnce(chain, rollbackId, ["retry", "abandon"])).toEqual([
			"done",
			"rollback_not_failed",
		]);
		if ((await state(chain, rollbackId)) !== "abandoned") {
			await chain.store.order(rollbackId, "cancel");
		}
	}
});

test("a retry is refused while another rollback is active, also one that is recorded at once", async () => {
	const chain = await openChain();
	for (let round = 1; round <= 10; round += 1) {
		const { rollbackId } = await failed(chain);
		const other = rollback();
		const [retried, made] = await Promise.allSettled([
			chain.store.order(rollbackId, "retry"),
			chain.store.record(other, undefined),
		]);
		const loser =
			retried.status === "rejected" ? retried.reason : made.status === "rejected" && made.reason;
		expect([retried.status, made.status].sort()).toEqual(["fulfilled", "rejected"]);
		expect(loser).toMatchObject({ code: "chain_busy" });
		await chain.store.order(
			retried.status === "fulfilled" ? rollbackId : other.rollbackId,
			"cancel",
		);
	}
});

test("a retry is refused when the chain moved on", async () => {
	const chain = await openChain();
	const { rollbackId } = await failed(chain);
	await chain.query((sql) => sql`update recant.chains set generation = 1`);
	await expect(chain.store.order(rollbackId, "retry")).rejects.toMatchObject({
		code: "rollback_outdated",
	});
	await chain.query((sql) => sql`update recant.chains set generation = 0`);
	await chain.query((sql) => sql`update recant.blocks set to_gen = 0 where height = 3`);
	await expect(chain.store.order(rollbackId, "retry")).rejects.toMatchObject({
		code: "rollback_outdated",
	});
	expect(await state(chain, rollbackId)).toBe("failed");
});

test("a retry goes on with the change set that was kept, and else begins anew", async () => {
	const chain = await openChain();
	const kept = await failed(chain, {}, true);
	expect(await chain.store.parts(kept.rollbackId, kept.attempt)).toHaveLength(1);
	await chain.store.order(kept.rollbackId, "retry");
	expect(await chain.store.claim(kept.rollbackId, "there", TTL_MS)).toMatchObject({
		state: "prepared",
		attempt: kept.attempt,
		retries: 1,
	});
	await chain.store.order(kept.rollbackId, "cancel");
	const lost = await failed(chain);
	await chain.store.order(lost.rollbackId, "retry");
	expect(await chain.store.claim(lost.rollbackId, "there", TTL_MS)).toMatchObject({
		state: "running",
		attempt: lost.attempt + 1,
		stageMs: {},
	});
});

test("what is abandoned or cancelled leaves nothing of what was prepared", async () => {
	const chain = await openChain();
	const given = await failed(chain, {}, true);
	await addTask(chain, given.rollbackId);
	await chain.store.order(given.rollbackId, "abandon");
	const ended = await prepared(chain);
	await addTask(chain, ended.rollbackId);
	await chain.store.order(ended.rollbackId, "cancel");
	for (const table of ["rollback_parts", "rollback_tasks"]) {
		const rows = await chain.query((sql) => sql`select 1 from recant.${sql(table)}`);
		expect(rows, table).toHaveLength(0);
	}
	expect(await state(chain, given.rollbackId)).toBe("abandoned");
	expect(await chain.store.load(given.rollbackId)).toMatchObject({ error: WHY });
});

function addTask({ query }: Chain, rollbackId: RollbackId) {
	return query(
		(sql) => sql`insert into recant.rollback_tasks (rollback_id, attempt, task, body)
			values (${rollbackId}, 1, 1, '{}')`,
	);
}

test("one that is paused is claimed by nobody, begins no stage and is not committed", async () => {
	const chain = await openChain();
	const { rollbackId, attempt } = await claimed(chain);
	expect(await chain.store.begin(rollbackId, attempt, stage("plan", 1))).toBe(true);
	await chain.store.order(rollbackId, "pause");
	expect(await chain.store.begin(rollbackId, attempt, stage("rewind", 1))).toBe(false);
	await chain.store.progress(rollbackId, attempt, { ...stage("plan", 1), done: 1 });
	await chain.store.release(rollbackId, attempt, { failure: undefined, keepsPrepared: true });
	expect(await chain.store.claim(rollbackId, "there", TTL_MS)).toBeUndefined();
	await chain.store.order(rollbackId, "resume");
	expect(await chain.store.claim(rollbackId, "there", TTL_MS)).toMatchObject({
		attempt: attempt + 1,
	});
	await expect(chain.store.begin(rollbackId, attempt, stage("plan", 1))).rejects.toMatchObject({
		code: "rollback_fenced",
	});
});

test("a pause keeps what is prepared, and a resume sends a job", async () => {
	const chain = await openChain();
	const { rollbackId, attempt } = await prepared(chain);
	await chain.store.order(rollbackId, "pause");
	await chain.store.release(rollbackId, attempt, { failure: undefined, keepsPrepared: true });
	expect(await chain.store.load(rollbackId)).toMatchObject({ state: "prepared", paused: true });
	expect(await outboxOf(chain)).toEqual([{ rollbackId, retries: 0 }]);
	await chain.store.order(rollbackId, "resume");
	expect(await outboxOf(chain)).toEqual([
		{ rollbackId, retries: 0 },
		{ rollbackId, retries: 0 },
	]);
	expect(await chain.store.claim(rollbackId, "there", TTL_MS)).toMatchObject({
		state: "prepared",
		attempt,
	});
});

test("what takes the place of one that is paused is paused too", async () => {
	const chain = await openChain();
	const { rollbackId } = await claimed(chain, fork("bb"));
	await chain.store.order(rollbackId, "pause");
	const next = rollback(fork("cc"));
	await chain.store.record(next, rollbackId);
	expect(await chain.store.load(rollbackId)).toMatchObject({
		state: "superseded",
		supersededBy: next.rollbackId,
		paused: false,
	});
	expect(await chain.store.load(next.rollbackId)).toMatchObject({
		state: "recorded",
		paused: true,
	});
});

test("one that has ended is not superseded any more", async () => {
	const chain = await openChain();
	const { rollbackId } = await failed(chain, fork("bb"));
	await expect(chain.store.record(rollback(fork("cc")), rollbackId)).rejects.toMatchObject({
		code: "chain_busy",
	});
	expect(await state(chain, rollbackId)).toBe("failed");
});

test("none is recorded for a generation that is over", async () => {
	const chain = await openChain();
	await chain.query((sql) => sql`update recant.chains set generation = 1`);
	await expect(chain.store.record(rollback(), undefined)).rejects.toMatchObject({
		code: "chain_busy",
	});
});

test("an attempt that was overtaken ends nothing", async () => {
	const chain = await openChain();
	const { rollbackId, attempt } = await claimed(chain);
	await chain.query((sql) => sql`update recant.rollbacks set claim_holder = 'dead'`);
	expect(await chain.store.claim(rollbackId, "there", TTL_MS)).toMatchObject({
		attempt: attempt + 1,
	});
	const how = { stage: "plan" as const, error: WHY, keepsPrepared: false };
	expect(await chain.store.fail(rollbackId, attempt, how)).toBe(false);
	expect(await chain.store.cancel(rollbackId, attempt)).toBe(false);
	await chain.store.release(rollbackId, attempt, { failure: undefined, keepsPrepared: false });
	expect(await chain.store.load(rollbackId)).toMatchObject({
		state: "running",
		claimHolder: "there",
	});
});

test.each([
	[
		"fails",
		async ({ store }: Chain, id: RollbackId, attempt: number) => {
			await store.fail(id, attempt, { stage: "replay", error: WHY, keepsPrepared: false });
		},
	],
	[
		"is cancelled by hand",
		async ({ store }: Chain, id: RollbackId) => {
			await store.order(id, "cancel");
		},
	],
	[
		"is cancelled as the old branch won",
		async ({ store }: Chain, id: RollbackId, attempt: number) => {
			await store.cancel(id, attempt);
		},
	],
	[
		"is superseded",
		async ({ store }: Chain, id: RollbackId) => {
			await store.record(rollback(fork("cc")), id);
		},
	],
] as const)("one that %s keeps how long each stage took", async (_how, end) => {
	const chain = await openChain();
	const { rollbackId, attempt } = await claimed(chain);
	await chain.store.begin(rollbackId, attempt, { ...stage("replay", 5), stageMs: { plan: 12 } });
	await chain.query(
		(sql) => sql`update recant.rollbacks set stage_started_at = now() - interval '3 seconds'`,
	);
	await end(chain, rollbackId, attempt);
	const ended = await chain.store.load(rollbackId);
	expect(ended).toMatchObject({ stageMs: { plan: 12 }, stageStartedAt: undefined });
	expect(ended?.stageMs.replay).toBeGreaterThanOrEqual(3_000);
	expect(ended?.stageMs.replay).toBeLessThan(60_000);
	expect(ended?.finishedAt).toBeDefined();
});

test("how fast a stage goes follows from its row, for whoever reads it", async () => {
	const chain = await openChain();
	const { rollbackId, attempt } = await claimed(chain);
	await chain.store.begin(rollbackId, attempt, stage("replay", 100));
	await chain.store.progress(rollbackId, attempt, { ...stage("replay", 100), done: 40 });
	await chain.query(
		(sql) => sql`update recant.rollbacks set stage_started_at = now() - interval '20 seconds'`,
	);
	const other = new PostgresStateStore(chain.database);
	const [listed] = await other.rollbacks(CHAIN, { after: undefined, limit: 1 });
	for (const record of [listed, await chain.store.load(rollbackId)]) {
		const { done, total, ratePerSecond = 0, etaMs = 0 } = progressOf(record ?? NEVER);
		expect({ done, total }).toEqual({ done: 40, total: 100 });
		expect(ratePerSecond).toBeGreaterThan(1.5);
		expect(ratePerSecond).toBeLessThanOrEqual(2);
		expect(etaMs).toBeGreaterThanOrEqual(30_000);
		expect(etaMs).toBeLessThan(40_000);
	}
});

test("the stage of a process that died counts until its claim lapsed", async () => {
	const chain = await openChain();
	const { rollbackId, attempt } = await claimed(chain);
	await chain.store.begin(rollbackId, attempt, stage("replay", 5));
	await chain.query(
		(sql) => sql`update recant.rollbacks set stage_started_at = now() - interval '1 hour',
			claim_until = now() - interval '1 hour' + interval '5 seconds'`,
	);
	await chain.store.order(rollbackId, "cancel");
	expect((await chain.store.load(rollbackId))?.stageMs.replay).toBe(5_000);
});

test("forks that failed are there for whoever follows the chain, until they are abandoned", async () => {
	const chain = await openChain();
	const first = await failed(chain, fork("bb"));
	const second = await failed(chain, fork("cc", 1));
	await failed(chain);
	const found = await chain.store.failedForks(CHAIN, 0n);
	expect(found.map((each) => each.rollbackId)).toEqual([second.rollbackId, first.rollbackId]);
	expect(await chain.store.failedForks(CHAIN, 1n)).toEqual([]);
	await chain.store.order(second.rollbackId, "abandon");
	expect((await chain.store.failedForks(CHAIN, 0n)).map((each) => each.rollbackId)).toEqual([
		first.rollbackId,
	]);
});

test("an order for what is not there is told so", async () => {
	const chain = await openChain();
	await expect(
		chain.store.order(randomUUID() as string as RollbackId, "pause"),
	).rejects.toMatchObject({ code: "rollback_not_found" });
});
