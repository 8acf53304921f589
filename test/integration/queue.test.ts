/** The rollback queue on both of BullMQ's backends: real Postgres, real Redis, real processes. */
import { randomBytes, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { describe, expect, test, vi } from "vitest";
import { startProcess } from "../../scripts/support/child-process.ts";
import { FatalError, RetryableError } from "../../src/domain/errors.ts";
import type { RollbackId } from "../../src/domain/ids.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { QueueLog } from "../../src/queue/availability.ts";
import type { QueueBackendConfig } from "../../src/queue/choose-backend.ts";
import { QUEUE_TIMING } from "../../src/queue/queue-timing.ts";
import { createRollbackQueue, type RollbackQueueOptions } from "../../src/queue/rollback-queue.ts";
import type { RollbackJobOutcome, RollbackQueue } from "../../src/rollback/rollback-queue.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { redisUrl } from "../support/redis.ts";
import { type SeverableProxy, startSeverableProxy } from "../support/severable-proxy.ts";
import { atTestEnd } from "../support/test-end.ts";

type Kind = QueueBackendConfig["kind"];

const DONE: RollbackJobOutcome = { type: "done" };
const UNAVAILABLE = { code: "queue_unavailable", retryable: true };
/** Long enough for a second delivery to arrive if there were one. */
const QUIET_MS = 400;
/** On top of a limit of ours, for a busy machine. */
const SLACK_MS = 5_000;
/** On top of a lock's time: by then its holder has renewed it, or never will. */
const RENEWED_MS = 1_000;

async function backendUrl(kind: Kind): Promise<string> {
	return kind === "redis" ? redisUrl() : (await createTestDatabase("queue")).url;
}

function config(kind: Kind, url: string): QueueBackendConfig {
	return kind === "redis" ? { kind, redisUrl: url } : { kind, databaseUrl: url };
}

async function newBackend(kind: Kind): Promise<QueueBackendConfig> {
	return config(kind, await backendUrl(kind));
}

function newPrefix(): string {
	return `test_${randomBytes(6).toString("hex")}`;
}

function rollbackId(): RollbackId {
	return randomUUID() as string as RollbackId;
}

async function openQueue(
	options: Partial<RollbackQueueOptions> & Pick<RollbackQueueOptions, "backend">,
): Promise<RollbackQueue> {
	const queue = await createRollbackQueue({
		prefix: newPrefix(),
		timing: { ...QUEUE_TIMING, backoffMs: 100 },
		...options,
	});
	atTestEnd(() => queue.close(0));
	return queue;
}

async function newQueue(kind: Kind): Promise<RollbackQueue> {
	return openQueue({ backend: await newBackend(kind) });
}

/** Collects deliveries, with their times, and answers each with `answer`. */
function recorder(answer: (delivery: number) => RollbackJobOutcome | Promise<RollbackJobOutcome>) {
	const ids: RollbackId[] = [];
	const atMs: number[] = [];
	const handler = async ({ rollbackId }: { readonly rollbackId: RollbackId }) => {
		atMs.push(performance.now());
		return answer(ids.push(rollbackId));
	};
	return { ids, atMs, handler };
}

function until(check: () => void | Promise<void>, timeout = 20_000): Promise<void> {
	return vi.waitFor(check, { timeout, interval: 5 });
}

function collectLog(): QueueLog & { readonly lines: string[] } {
	const lines: string[] = [];
	const at = (level: string) => (_: unknown, message: string) =>
		void lines.push(`${level}: ${message}`);
	return { lines, info: at("info"), warn: at("warn"), error: at("error") };
}

function gaps(atMs: readonly number[]): readonly number[] {
	return atMs.slice(1).map((at, index) => at - (atMs[index] ?? at));
}

function unreachableRpc(): RetryableError {
	return new RetryableError("rpc_unavailable", { message: "no provider answers", hint: "wait" });
}

describe.each(["postgres", "redis"] as const)("rollbacks queued on %s", (kind) => {
	test("are delivered to who consumes, before or after", async () => {
		const queue = await newQueue(kind);
		const [first, second] = [rollbackId(), rollbackId()];
		await queue.enqueue({ rollbackId: first, retries: 0 });
		const { ids, handler } = recorder(() => DONE);
		await queue.consume(handler);
		await queue.enqueue({ rollbackId: second, retries: 0 });
		await until(() => expect(ids).toEqual([first, second]));
		expect(queue.backend).toBe(kind);
	});

	test("come once while their job exists, and again when it is done and they are enqueued anew", async () => {
		const queue = await newQueue(kind);
		const id = rollbackId();
		await Promise.all([1, 2, 3].map(() => queue.enqueue({ rollbackId: id, retries: 0 })));
		const { ids, handler } = recorder(() => DONE);
		await queue.consume(handler);
		await until(() => expect(ids).toHaveLength(1));
		await pause(QUIET_MS);
		expect(ids).toEqual([id]);
		await queue.enqueue({ rollbackId: id, retries: 0 });
		await until(() => expect(ids).toEqual([id, id]));
	});

	test("come beside the reminders of their tasks, each of which comes once", async () => {
		const queue = await newQueue(kind);
		const id = rollbackId();
		const seen: (number | undefined)[] = [];
		const reminders = [0, 1].map((nth) => ({
			rollbackId: id,
			retries: 0,
			help: { attempt: 1, nth },
		}));
		for (const job of [{ rollbackId: id, retries: 0 }, ...reminders, ...reminders]) {
			await queue.enqueue(job);
		}
		await queue.consume(async ({ help }) => {
			seen.push(help?.nth);
			return DONE;
		});
		await until(() => expect(seen.toSorted()).toEqual([0, 1, undefined]));
		await pause(QUIET_MS);
		expect(seen).toHaveLength(3);
	});

	test("come again after the time they were put off by, without using up an attempt", async () => {
		const log = collectLog();
		const queue = await openQueue({ backend: await newBackend(kind), log });
		const deliveries = LIMITS.rollbackAttempts + 2;
		const delayMs = 120;
		const { atMs, handler } = recorder((delivery) =>
			delivery < deliveries ? { type: "later", delayMs } : DONE,
		);
		await queue.consume(handler);
		await queue.enqueue({ rollbackId: rollbackId(), retries: 0 });
		await until(() => expect(atMs).toHaveLength(deliveries));
		for (const gap of gaps(atMs)) expect(gap).toBeGreaterThanOrEqual(delayMs - 5);
		// A busy machine makes some of them late; waits that are not kept to would make all.
		expect(Math.min(...gaps(atMs))).toBeLessThan(delayMs + 1_000);
		await pause(QUIET_MS);
		expect(atMs).toHaveLength(deliveries);
		expect(log.lines).toEqual([]);
	});

	test("are tried again with growing waits, up to the limit, and may be enqueued anew", async () => {
		const log = collectLog();
		const queue = await openQueue({ backend: await newBackend(kind), log });
		const { ids, atMs, handler } = recorder((delivery) => {
			if (delivery <= LIMITS.rollbackAttempts) throw unreachableRpc();
			return DONE;
		});
		const id = rollbackId();
		await queue.consume(handler);
		await queue.enqueue({ rollbackId: id, retries: 0 });
		await until(() => expect(log.lines).toContain("error: a rollback job failed for good"));
		expect(ids).toHaveLength(LIMITS.rollbackAttempts);
		// 100, 200, 400 and 800 ms, less up to half at random.
		for (const [retry, gap] of gaps(atMs).entries()) {
			expect(gap).toBeGreaterThanOrEqual(50 * 2 ** retry - 5);
		}
		await queue.enqueue({ rollbackId: id, retries: 0 });
		await until(() => expect(ids).toHaveLength(LIMITS.rollbackAttempts + 1));
	});

	test("are not tried again after a fatal error", async () => {
		const log = collectLog();
		const queue = await openQueue({ backend: await newBackend(kind), log });
		const { ids, handler } = recorder(() => {
			throw new FatalError("verification_failed", { message: "roots differ", hint: "look" });
		});
		await queue.consume(handler);
		await queue.enqueue({ rollbackId: rollbackId(), retries: 0 });
		await until(() => expect(log.lines).toEqual(["error: a rollback job failed for good"]));
		await pause(QUIET_MS);
		expect(ids).toHaveLength(1);
	});

	test("are worked on several at once, and no more than the limit", async () => {
		const queue = await newQueue(kind);
		const gate = Promise.withResolvers<RollbackJobOutcome>();
		const { ids, handler } = recorder(() => gate.promise);
		await queue.consume(handler);
		const count = LIMITS.rollbackConcurrency + 2;
		for (let i = 0; i < count; i += 1)
			await queue.enqueue({ rollbackId: rollbackId(), retries: 0 });
		await until(() => expect(ids).toHaveLength(LIMITS.rollbackConcurrency));
		await pause(QUIET_MS);
		expect(ids).toHaveLength(LIMITS.rollbackConcurrency);
		gate.resolve(DONE);
		await until(() => expect(ids).toHaveLength(count));
	});

	test("stay with their installation", async () => {
		const backend = await newBackend(kind);
		const [mine, theirs] = [await openQueue({ backend }), await openQueue({ backend })];
		const [here, there] = [recorder(() => DONE), recorder(() => DONE)];
		const id = rollbackId();
		await theirs.consume(there.handler);
		await mine.enqueue({ rollbackId: id, retries: 0 });
		await pause(QUIET_MS);
		expect(there.ids).toEqual([]);
		await mine.consume(here.handler);
		await theirs.enqueue({ rollbackId: id, retries: 0 });
		await until(() => expect([here.ids, there.ids]).toEqual([[id], [id]]));
	});

	test("go to another process within five seconds when theirs is killed", async () => {
		const backend = await newBackend(kind);
		const prefix = newPrefix();
		const queue = await openQueue({ backend, prefix, timing: QUEUE_TIMING });
		const program = fileURLToPath(new URL("../support/queue-consumer.ts", import.meta.url));
		const holder = await startProcess({
			name: "queue consumer",
			command: process.execPath,
			args: [program, JSON.stringify({ backend, prefix })],
			readyPattern: /ready/,
		});
		atTestEnd(() => holder.stop());
		const id = rollbackId();
		await queue.enqueue({ rollbackId: id, retries: 0 });
		await until(() => expect(holder.output()).toContain(`holding ${id}`));
		const { ids, atMs, handler } = recorder(() => DONE);
		await queue.consume(handler);
		// Long enough for the holder to renew its lock, so that it is known to be alive.
		await pause(QUEUE_TIMING.lockMs + RENEWED_MS);
		expect(ids).toEqual([]);
		const killedMs = performance.now();
		process.kill(holder.pid, "SIGKILL");
		await until(() => expect(ids).toEqual([id]));
		const takeoverMs = (atMs[0] ?? Number.NaN) - killedMs;
		console.info(
			`${kind}: a killed process's job was taken over after ${takeoverMs.toFixed(0)} ms`,
		);
		expect(takeoverMs).toBeLessThan(5_000 + SLACK_MS);
	});

	test("are closed only when those under way have ended", async () => {
		const queue = await newQueue(kind);
		let ended = 0;
		const { ids, handler } = recorder(async () => {
			await pause(500);
			ended += 1;
			return DONE;
		});
		await queue.consume(handler);
		await queue.enqueue({ rollbackId: rollbackId(), retries: 0 });
		await until(() => expect(ids).toHaveLength(1));
		await queue.close(10_000);
		expect(ended).toBe(1);
		await expect(queue.enqueue({ rollbackId: rollbackId(), retries: 0 })).rejects.toMatchObject(
			UNAVAILABLE,
		);
	});

	test("that do not end before the deadline go to another consumer", async () => {
		const backend = await newBackend(kind);
		const prefix = newPrefix();
		const log = collectLog();
		const [stuck, other] = [
			await openQueue({ backend, prefix, log }),
			await openQueue({ backend, prefix }),
		];
		const gate = Promise.withResolvers<RollbackJobOutcome>();
		const held = recorder(() => gate.promise);
		await stuck.consume(held.handler);
		const id = rollbackId();
		await stuck.enqueue({ rollbackId: id, retries: 0 });
		await until(() => expect(held.ids).toHaveLength(1));
		const closedMs = performance.now();
		await stuck.close(200);
		expect(performance.now() - closedMs).toBeLessThan(200 + SLACK_MS);
		expect(log.lines).toEqual(["warn: rollback jobs were cut off"]);
		const taken = recorder(() => DONE);
		await other.consume(taken.handler);
		await until(() => expect(taken.ids).toEqual([id]));
		gate.resolve(DONE);
	});

	test("are delivered within milliseconds", async () => {
		const queue = await newQueue(kind);
		const { atMs, handler } = recorder(() => DONE);
		await queue.consume(handler);
		const tookMs: number[] = [];
		for (let i = 0; i < 40; i += 1) {
			const startedMs = performance.now();
			await queue.enqueue({ rollbackId: rollbackId(), retries: 0 });
			await until(() => expect(atMs).toHaveLength(i + 1));
			tookMs.push((atMs[i] ?? Number.NaN) - startedMs);
			await pause(20);
		}
		tookMs.sort((a, b) => a - b);
		const [median = Number.NaN, slowest = Number.NaN] = [tookMs[20], tookMs.at(-1)];
		console.info(`${kind}: delivered after ${median.toFixed(1)} ms, at most ${slowest.toFixed(1)}`);
		// Measured 3 and 1 ms on an idle machine; without a wake-up it would be seconds.
		expect(median).toBeLessThan(1_000);
	});
});

interface Severed {
	readonly queue: RollbackQueue;
	readonly proxy: SeverableProxy;
	readonly log: ReturnType<typeof collectLog>;
	readonly ids: readonly RollbackId[];
}

/** A queue that is consumed, with its server behind a proxy. */
async function severable(kind: Kind): Promise<Severed> {
	const proxy = await startSeverableProxy(await backendUrl(kind));
	const log = collectLog();
	const queue = await openQueue({ backend: config(kind, proxy.url), log });
	const { ids, handler } = recorder(() => DONE);
	await queue.consume(handler);
	return { queue, proxy, log, ids };
}

async function rejectsInTime(queue: RollbackQueue): Promise<void> {
	const startedMs = performance.now();
	await expect(queue.enqueue({ rollbackId: rollbackId(), retries: 0 })).rejects.toMatchObject(
		UNAVAILABLE,
	);
	expect(performance.now() - startedMs).toBeLessThan(LIMITS.queueRequestMs + SLACK_MS);
}

const LOST = "warn: the rollback queue's backend does not answer";
const BACK = "info: the rollback queue's backend answers again";

describe.each(["postgres", "redis"] as const)("when %s is away", (kind) => {
	test("enqueueing rejects, says so once, and everything goes on when it is back", async () => {
		const { queue, proxy, log, ids } = await severable(kind);
		await proxy.cut();
		for (let i = 0; i < 5; i += 1) {
			await rejectsInTime(queue);
			await pause(300);
		}
		expect(log.lines).toEqual([LOST]);
		await proxy.restore();
		await until(() => expect(log.lines).toEqual([LOST, BACK]));
		const id = rollbackId();
		await until(() => queue.enqueue({ rollbackId: id, retries: 0 }));
		await until(() => expect(ids).toContain(id));
	});

	test("enqueueing rejects in time also when it takes connections but never answers", async () => {
		const { queue, proxy, ids } = await severable(kind);
		proxy.freeze();
		await rejectsInTime(queue);
		await proxy.restore();
		const id = rollbackId();
		await until(() => queue.enqueue({ rollbackId: id, retries: 0 }));
		await until(() => expect(ids).toContain(id));
	});

	test("a queue cannot be created", async () => {
		const proxy = await startSeverableProxy(await backendUrl(kind));
		await proxy.cut();
		const timing = { ...QUEUE_TIMING, connectMs: 500 };
		const backend = config(kind, proxy.url);
		const creating = createRollbackQueue({ backend, prefix: newPrefix(), timing });
		await expect(creating).rejects.toMatchObject(UNAVAILABLE);
		await expect(creating).rejects.toThrow(/ECONNREFUSED/);
	});

	test.each(["cut", "freeze"] as const)("closing ends all the same (%s)", async (how) => {
		const { queue, proxy } = await severable(kind);
		await proxy[how]();
		const startedMs = performance.now();
		await queue.close(1_000);
		// Politely and then at once, for the consumer and for the queue.
		expect(performance.now() - startedMs).toBeLessThan(4 * LIMITS.queueRequestMs + SLACK_MS);
	});
});

describe("a database URL", () => {
	test("may name a Unix socket, and options of its own", async (context) => {
		const url = new URL(await backendUrl("postgres"));
		const sql = postgres(url.href, { max: 1 });
		const [row] = await sql<
			{ dir: string }[]
		>`select current_setting('unix_socket_directories') as dir`;
		await sql.end();
		const dir = row?.dir ?? "";
		if (!existsSync(`${dir}/.s.PGSQL.${url.port}`)) context.skip("the server has no socket here");
		url.search = new URLSearchParams({
			host: dir,
			port: url.port,
			options: "-c statement_timeout=60000",
		}).toString();
		url.host = "localhost";
		const queue = await openQueue({ backend: { kind: "postgres", databaseUrl: url.href } });
		const { ids, handler } = recorder(() => DONE);
		await queue.consume(handler);
		await queue.enqueue({ rollbackId: rollbackId(), retries: 0 });
		await until(() => expect(ids).toHaveLength(1));
	});
});
