/** Checks by the clock and on demand, on both of BullMQ's backends: real Postgres, real Redis. */
import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { RecantClient } from "../../src/client/client.ts";
import type { CheckJob, CheckJobOutcome } from "../../src/consistency/check-queue.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { createCheckQueue } from "../../src/queue/check-queue.ts";
import type { QueueBackendConfig } from "../../src/queue/choose-backend.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { CHAIN } from "../support/recant.ts";
import { redisUrl } from "../support/redis.ts";
import { atTestEnd } from "../support/test-end.ts";
import { until } from "../support/until.ts";
import { withSql } from "../support/with-sql.ts";
import { World } from "../support/world.ts";

const LOG = { info: () => undefined, warn: () => undefined, error: () => undefined };

async function newBackend(kind: QueueBackendConfig["kind"]): Promise<QueueBackendConfig> {
	return kind === "redis"
		? { kind, redisUrl: redisUrl() }
		: { kind, databaseUrl: (await createTestDatabase("check-queue")).url };
}

function newQueue(backend: QueueBackendConfig, prefix: string) {
	const queue = createCheckQueue({ backend, prefix, log: LOG });
	atTestEnd(() => queue.close(0));
	return queue;
}

describe.each(["postgres", "redis"] as const)("on %s", (kind) => {
	test("ticks come by the clock, never piled up, and stop when the chain's file says so", async () => {
		const backend = await newBackend(kind);
		const prefix = `test_${randomBytes(6).toString("hex")}`;
		const seen: CheckJob[] = [];
		let running = 0;
		let most = 0;
		const handler = async (job: CheckJob): Promise<CheckJobOutcome> => {
			seen.push(job);
			running += 1;
			most = Math.max(most, running);
			// Longer than the clock's step: more than the queue takes at once is not made.
			await new Promise((resolve) => setTimeout(resolve, 1_500));
			running -= 1;
			return "done";
		};
		const basic = { chainId: 7, level: "basic", everyMs: 200 } as const;
		const first = newQueue(backend, prefix);
		first.start([basic, { chainId: 7, level: "full", everyMs: undefined }], handler);
		await until("six ticks", () => Promise.resolve(seen.length >= 6));
		await first.close(2_000);
		expect(seen[0]).toEqual({ kind: "tick", chainId: 7, level: "basic" });
		expect(new Set(seen.map((job) => (job.kind === "tick" ? job.level : "run")))).toEqual(
			new Set(["basic"]),
		);
		expect(most).toBeLessThanOrEqual(LIMITS.rollbackConcurrency);

		const after: CheckJob[] = [];
		const second = newQueue(backend, prefix);
		second.start([{ ...basic, everyMs: undefined }], async (job) => {
			after.push(job);
			return "done";
		});
		await until("an enqueued job is taken", async () => {
			await second.enqueue({ kind: "run", chainId: 7, runId: "r" }).catch(() => undefined);
			return after.some((job) => job.kind === "run");
		});
		const ticks = after.filter((job) => job.kind === "tick").length;
		await new Promise((resolve) => setTimeout(resolve, 1_000));
		expect(after.filter((job) => job.kind === "tick").length).toBe(ticks);
		// At most the one that was waiting already.
		expect(ticks).toBeLessThanOrEqual(1);
	});

	test("a job that this process cannot do comes again, until one can", async () => {
		const backend = await newBackend(kind);
		const prefix = `test_${randomBytes(6).toString("hex")}`;
		let asked = 0;
		const queue = newQueue(backend, prefix);
		queue.start([], async () => {
			asked += 1;
			return asked < 3 ? "later" : "done";
		});
		await until("the queue takes jobs", async () =>
			queue.enqueue({ kind: "run", chainId: 7, runId: "r" }).then(
				() => true,
				() => false,
			),
		);
		await until("it came three times", () => Promise.resolve(asked === 3));
		await new Promise((resolve) => setTimeout(resolve, 1_500));
		expect(asked).toBe(3);
	});
});

test.each(["postgres", "redis"] as const)(
	"a service on %s checks itself by the clock, with the chain's own rules, within its read budget",
	async (kind) => {
		const seen: bigint[] = [];
		const world = await World.create({
			name: "consistency-clock",
			redisUrl: kind === "redis" ? redisUrl() : undefined,
			chainFile: {
				consistency: {
					basicEveryMs: 1_000,
					fullEveryMs: 1_000,
					readBudgetRowsPerSecond: 1_000,
					rules: [
						{
							kind: "memories",
							name: "no-big-numbers",
							level: "basic",
							severity: "warning",
							compares: "the content of each memory with what the agent may believe",
							open: async ({ at }) => ({
								page: async (memories) => {
									seen.push(at.height);
									return memories
										.flatMap(({ rows }) => rows)
										.filter((row) => Number(row.body?.content?.["n"] ?? 0) > 100)
										.map((row) => ({
											class: "size_exceeded" as const,
											subject: {
												store: "postgres" as const,
												table: "versions",
												memoryKey: row.memoryKey,
												namespace: row.namespace,
												id: row.id,
												versionId: row.versionId,
												fromBlock: row.fromBlock,
												fromGen: row.fromGen,
												position: undefined,
												collection: undefined,
											},
											message: `"${row.id}" says ${row.body?.content?.["n"]}`,
											since: row.fromBlock,
											remedy: { by: "person" as const, commands: ["recant state"] },
										}));
								},
								end: async () => [],
								close: () => undefined,
							}),
						},
					],
				},
			},
		});
		const client = new RecantClient({ url: world.recant.url });
		await world.write({ op: "put", id: "big", content: { n: 101 } });
		const runs = await until("checks of both levels have found it", async () => {
			const { items } = await client.checks(CHAIN, { limit: 200 });
			const found = items.filter(({ state, counts }) => state === "done" && counts.warning === 1);
			return new Set(found.map(({ level }) => level)).size === 2 && items;
		});
		expect(runs.every(({ cause }) => cause === "schedule")).toBe(true);
		const done = runs.find(({ counts }) => counts.warning === 1);
		expect(done?.rules.map(({ name }) => name)).toContain("no-big-numbers");
		expect(done?.score).toBeCloseTo(0.99, 1);
		expect(seen.length).toBeGreaterThan(1);
		const { findings } = await client.check(CHAIN, done?.id ?? "");
		expect(findings).toMatchObject([
			{
				rule: "no-big-numbers",
				severity: "warning",
				subject: { id: "big" },
				message: '"big" says 101',
			},
		]);
	},
);

test("a run that a process left unfinished is ended as failed by the next", async () => {
	const world = await World.create({
		name: "consistency-left",
		chainFile: { consistency: { basicEveryMs: 0, readBudgetRowsPerSecond: 100 } },
	});
	for (let n = 0; n < 4; n += 1) {
		await world.write({ op: "put", id: `m${n}`, content: { n } });
		await world.block();
	}
	const client = new RecantClient({ url: world.recant.url });
	const slow = await client.startCheck(CHAIN, { level: "comprehensive" });
	const waiting = await client.startCheck(CHAIN, { level: "basic" });
	await until("the slow one runs", async () => {
		const { run } = await client.check(CHAIN, slow.id);
		return run.state === "running";
	});
	expect((await client.check(CHAIN, waiting.id)).run.state).toBe("queued");
	await world.stop();
	await world.start();
	await world.followed();
	const again = new RecantClient({ url: world.recant.url });
	const next = await again.startCheck(CHAIN, { level: "basic" });
	await until("the next one is done", async () => {
		return (await again.check(CHAIN, next.id)).run.state === "done";
	});
	const ended = await Promise.all(
		[slow, waiting].map(async ({ id }) => (await again.check(CHAIN, id)).run.state),
	);
	expect(ended).toEqual(["failed", "failed"]);
});

test("a run that nobody began is run by the process that leads the chain; one that was begun and left ends", async () => {
	const world = await World.create({
		name: "consistency-queued",
		chainFile: { consistency: { basicEveryMs: 0 } },
	});
	const client = new RecantClient({ url: world.recant.url });
	// As a process leaves them that is killed.
	const [queued, begun] = await withSql(world.recant.home.databaseUrl, (sql) =>
		Promise.all(
			["queued", "running"].map(async (state) => {
				const [row] = await sql<{ run_id: string }[]>`
					insert into consistency_runs (run_id, chain_id, level, state, cause, rules)
					values (gen_random_uuid(), 31337, 'basic', ${state}, 'operator', '{"results":{}}')
					returning run_id`;
				return row?.run_id ?? "";
			}),
		),
	);
	const next = await client.startCheck(CHAIN, { level: "basic" });
	const stateOf = async (id: string | undefined) => (await client.check(CHAIN, id ?? "")).run;
	await until("all have ended", async () =>
		(await Promise.all([queued, begun, next.id].map(stateOf))).every(
			({ finishedAt }) => finishedAt !== undefined,
		),
	);
	expect(await stateOf(queued)).toMatchObject({ state: "done", score: 1 });
	expect(await stateOf(begun)).toMatchObject({ state: "failed", error: { code: "interrupted" } });
	expect(await stateOf(next.id)).toMatchObject({ state: "done", score: 1 });
});
