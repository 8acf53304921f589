/**
 * The queue is wiped, or loses a rollback's job in some other way: the rollback goes on all the same. Real
 * Redis, a server of the test's own.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { expect, test, vi } from "vitest";
import { FatalError, RetryableError } from "../../src/domain/errors.ts";
import type { RollbackId } from "../../src/domain/ids.ts";
import { createRollbackQueue } from "../../src/queue/rollback-queue.ts";
import type { RollbackCoordinator } from "../../src/rollback/coordinator.ts";
import { type DispatchChain, RollbackDispatch } from "../../src/rollback/dispatch.ts";
import type { RollbackRecord, Stage } from "../../src/rollback/rollback-record.ts";
import { Database } from "../../src/store/database.ts";
import { forget, unattendedRollbacks, waitingRollbacks } from "../../src/store/writing/outbox.ts";
import { PostgresRollbackStore } from "../../src/store/writing/postgres-rollback-store.ts";
import { startKillableRedis } from "../support/killable-redis.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { SILENT } from "../support/silent-log.ts";
import { atTestEnd } from "../support/test-end.ts";
import { World } from "../support/world.ts";

const CHAIN_ID = 31_337;
/** Age and interval of the sweep, and a busy machine. */
const SWEPT_MS = 9_000;
const TIMEOUT_MS = 60_000;
async function wipe(url: string): Promise<void> {
	const redis = new Redis(url);
	try {
		await redis.flushall();
	} finally {
		redis.disconnect();
	}
}

function passing(): RetryableError {
	return new RetryableError("rpc_unavailable", { message: "no provider answers", hint: "wait" });
}

interface Rig {
	readonly url: string;
	readonly database: Database;
	/** Attempts that were run here. */
	readonly runs: RollbackId[];
	/** What an attempt does; undefined: nobody here knows the chain, so that its jobs are put off. */
	run: (() => Promise<"prepared">) | undefined;
	record(fields?: { readonly paused?: boolean; readonly claimMs?: number }): Promise<RollbackId>;
}

/** Real queue, outbox and rows; what runs a rollback is the test's. */
async function rig(): Promise<Rig> {
	const { url } = await startKillableRedis();
	const database = await Database.open((await createTestDatabase("sweep")).url);
	atTestEnd(() => database.close());
	const prefix = `test_${randomBytes(6).toString("hex")}`;
	const queue = await createRollbackQueue({ backend: { kind: "redis", redisUrl: url }, prefix });
	atTestEnd(() => queue.close(0));
	const store = new PostgresRollbackStore(database, () => false);
	const made: Rig = {
		url,
		database,
		runs: [],
		run: undefined,
		record: async ({ paused = false, claimMs } = {}) => {
			const rollbackId = randomUUID() as string as RollbackId;
			const claimUntil = claimMs === undefined ? null : new Date(Date.now() + claimMs);
			await database.transaction(async (tx) => {
				await tx`insert into rollbacks (rollback_id, chain_id, cause, state, from_generation,
					ancestor_height, ancestor_hash, from_height, from_hash, to_height, to_hash, branch, counts,
					stage_ms, paused, claim_until, claim_holder)
					values (${rollbackId}, ${CHAIN_ID}, 'reorg', 'recorded', 0, 1, '0x', 2, '0x', 2, '0x', '[]',
						'{}', '{}', ${paused}, ${claimUntil}, ${claimUntil && "other"})`;
				await tx`insert into outbox (topic, payload)
					values ('rollback', ${JSON.stringify({ rollbackId, retries: 0 })})`;
			});
			return rollbackId;
		},
	};
	const dispatch = new RollbackDispatch({
		queue,
		outbox: {
			waiting: () => waitingRollbacks(database),
			unattended: (ageMs) => unattendedRollbacks(database, ageMs),
			forget: (outboxId) => forget(database, outboxId),
		},
		coordinator: {
			store,
			run: async (rollbackId: RollbackId) => {
				made.runs.push(rollbackId);
				return { type: await made.run?.() };
			},
		} as unknown as RollbackCoordinator,
		chain: () => {
			const chain = { leads: false, deriver: {}, rollbackDue: () => undefined };
			return made.run === undefined ? undefined : (chain as unknown as DispatchChain);
		},
		inlineRollbacks: false,
		log: SILENT,
	});
	await dispatch.start();
	atTestEnd(() => dispatch.stop());
	return made;
}

async function sent({ database }: Rig): Promise<void> {
	await vi.waitFor(async () => expect(await waitingRollbacks(database)).toEqual([]), 5_000);
}

test(
	"a queue that is wiped while a job waits in it gets another",
	async () => {
		const parts = await rig();
		const rollbackId = await parts.record();
		await sent(parts);
		await wipe(parts.url);
		expect(parts.runs).toEqual([]);
		parts.run = async () => "prepared";
		await vi.waitFor(() => expect(parts.runs).toContain(rollbackId), SWEPT_MS);
	},
	TIMEOUT_MS,
);

test(
	"a job that failed for good is enqueued anew while its rollback is active",
	async () => {
		const parts = await rig();
		let isDefect = true;
		parts.run = async () => {
			if (isDefect)
				throw new FatalError("internal", { message: "no such column", hint: "report it" });
			return "prepared";
		};
		const rollbackId = await parts.record();
		await vi.waitFor(() => expect(parts.runs).toEqual([rollbackId]), 5_000);
		isDefect = false;
		await vi.waitFor(() => expect(parts.runs.length).toBeGreaterThan(1), SWEPT_MS);
	},
	TIMEOUT_MS,
);

test(
	"a job that was done while its rollback is active does not swallow the next",
	async () => {
		const parts = await rig();
		parts.run = async () => "prepared";
		const rollbackId = await parts.record({ paused: true });
		await sent(parts);
		// Of a paused one the job is done at once, and nothing sweeps it up.
		await new Promise((resolve) => setTimeout(resolve, 6_000));
		expect(parts.runs).toEqual([]);
		// As if the outbox entry of the resume were lost.
		await parts.database.run(
			(sql) => sql`update rollbacks set paused = false where rollback_id = ${rollbackId}`,
		);
		await vi.waitFor(() => expect(parts.runs).toContain(rollbackId), SWEPT_MS);
	},
	TIMEOUT_MS,
);

test(
	"one whose claim has not lapsed is left to its holder, and no longer",
	async () => {
		const parts = await rig();
		const rollbackId = await parts.record({ claimMs: 7_000 });
		await sent(parts);
		await wipe(parts.url);
		parts.run = async () => "prepared";
		await new Promise((resolve) => setTimeout(resolve, 5_500));
		expect(parts.runs).toEqual([]);
		await vi.waitFor(() => expect(parts.runs).toContain(rollbackId), SWEPT_MS);
	},
	TIMEOUT_MS,
);

test("one that is over is not swept up", async () => {
	const { database, record } = await rig();
	const rollbackId = await record();
	expect(await unattendedRollbacks(database, 0)).toHaveLength(1);
	expect(await unattendedRollbacks(database, 60_000)).toEqual([]);
	await database.run(
		(sql) => sql`update rollbacks set state = 'failed' where rollback_id = ${rollbackId}`,
	);
	expect(await unattendedRollbacks(database, 0)).toEqual([]);
});

/** The whole service: what happens to the attempt that is under way when the queue is wiped. */
const MOMENTS: readonly { readonly stage: Stage; readonly fails: boolean }[] = [
	{ stage: "plan", fails: true },
	{ stage: "replay", fails: true },
	{ stage: "replay", fails: false },
	{ stage: "verify", fails: true },
	{ stage: "commit", fails: false },
];

test.each(MOMENTS)(
	"wiped during $stage, and the attempt fails: $fails",
	async ({ stage: at, fails }) => {
		const { url } = await startKillableRedis();
		let wiped = false;
		const beforeStage = async (stage: Stage, _: RollbackRecord) => {
			if (stage !== at || wiped) return;
			wiped = true;
			await wipe(url);
			if (fails) throw passing();
		};
		const world = await World.create({
			name: "wiped",
			redisUrl: url,
			inlineRollbacks: false,
			beforeStage,
		});
		await world.write({ op: "put", id: "a", content: { n: 1 }, text: "it stays" });
		await world.block({ from: 1, to: 2, value: 5n });
		await world.block({ from: 2, to: 3, value: 7n });
		await world.fork(async (chain) => {
			await chain.drop(2);
			await chain.block({ from: 1, to: 3, value: 11n });
			await chain.empty(2);
		});
		expect(wiped).toBe(true);
		expect((await world.rollbacks()).map(({ state }) => state)).toEqual(["committed"]);
		expect((await world.memory("a"))?.content).toEqual({ n: 1 });
	},
	TIMEOUT_MS,
);
