/** Delivery of rollbacks: at least once, one job a rollback, and on after deaths and a wiped server. */
import { expect } from "vitest";
import { FatalError, RetryableError } from "../../../src/domain/errors.ts";
import type { RollbackId } from "../../../src/domain/ids.ts";
import { LIMITS } from "../../../src/domain/limits.ts";
import type {
	RollbackJob,
	RollbackJobOutcome,
	RollbackQueue,
} from "../../../src/rollback/rollback-queue.ts";

export interface QueueUnderTest {
	/** A connection of its own. */
	open(): Promise<RollbackQueue>;
	/** A process that takes jobs and ends none; answers what it holds. */
	openHolder(): Promise<{ held(): readonly RollbackId[]; kill(): Promise<void> }>;
	/** Every job is gone. */
	flush(): Promise<void>;
	/** Lets time pass until it is so; throws when it does not come. */
	until(what: string, isSo: () => boolean): Promise<void>;
	/** Lets pass what a second delivery would take. */
	quiet(): Promise<void>;
	/** An id that no other test has. */
	id(): RollbackId;
}

export interface QueueCase {
	readonly name: string;
	/** True: it needs a server that is wiped. */
	readonly wipes?: true;
	run(queue: QueueUnderTest): Promise<void>;
}

const DONE: RollbackJobOutcome = { type: "done" };

export const QUEUE_CASES: readonly QueueCase[] = [
	{
		name: "a job reaches a consumer as it was enqueued, before or after that begins",
		run: async (queue) => {
			const { queue: one, jobs } = await consuming(queue, () => DONE);
			const producer = await queue.open();
			const [first, second] = [queue.id(), queue.id()];
			await producer.enqueue({ rollbackId: first, retries: 0 });
			await one.enqueue({ rollbackId: second, retries: 3 });
			await queue.until("two jobs", () => jobs.length === 2);
			expect(jobs).toMatchObject([
				{ rollbackId: first, retries: 0 },
				{ rollbackId: second, retries: 3 },
			]);
		},
	},
	{
		name: "a job that waits swallows the same again",
		run: async (queue) => {
			const producer = await queue.open();
			const job = { rollbackId: queue.id(), retries: 0 };
			await producer.enqueue(job);
			await producer.enqueue(job);
			const { jobs } = await consuming(queue, () => DONE);
			await queue.until("a job", () => jobs.length > 0);
			await queue.quiet();
			expect(jobs).toHaveLength(1);
		},
	},
	{
		name: "a job under way swallows the same again",
		run: async (queue) => {
			const gate = Promise.withResolvers<RollbackJobOutcome>();
			const { queue: one, jobs } = await consuming(queue, () => gate.promise);
			const job = { rollbackId: queue.id(), retries: 0 };
			await one.enqueue(job);
			await queue.until("a job", () => jobs.length > 0);
			await one.enqueue(job);
			gate.resolve(DONE);
			await queue.quiet();
			expect(jobs).toHaveLength(1);
		},
	},
	{
		name: "a job that is done is gone, and is enqueued anew",
		run: async (queue) => {
			const { queue: one, jobs } = await consuming(queue, () => DONE);
			const job = { rollbackId: queue.id(), retries: 0 };
			for (const times of [1, 2, 3]) {
				await one.enqueue(job);
				await queue.until("a job", () => jobs.length === times);
				await queue.quiet();
			}
			expect(jobs).toHaveLength(3);
		},
	},
	{
		name: "each retry of a rollback is a job of its own, and each reminder of tasks",
		run: async (queue) => {
			const producer = await queue.open();
			const rollbackId = queue.id();
			const helps = [0, 1].map((nth) => ({ attempt: 1, nth }));
			await producer.enqueue({ rollbackId, retries: 0 });
			await producer.enqueue({ rollbackId, retries: 1 });
			for (const help of [...helps, ...helps])
				await producer.enqueue({ rollbackId, retries: 0, help });
			const { jobs } = await consuming(queue, () => DONE);
			await queue.until("four jobs", () => jobs.length === 4);
			await queue.quiet();
			expect(jobs).toHaveLength(4);
			expect(jobs.flatMap(({ help }) => help ?? [])).toEqual(helps);
		},
	},
	{
		name: "what is put off comes again, as often as it is put off",
		run: async (queue) => {
			const { queue: one, jobs } = await consuming(queue, (count) =>
				count < 8 ? { type: "later", delayMs: 60 } : DONE,
			);
			await one.enqueue({ rollbackId: queue.id(), retries: 0 });
			await queue.until("eight deliveries", () => jobs.length === 8);
			await queue.quiet();
			expect(jobs).toHaveLength(8);
		},
	},
	{
		name: "what fails is tried again, up to its limit, and is gone then",
		run: async (queue) => {
			const { queue: one, jobs } = await consuming(queue, () => {
				throw new RetryableError("rpc_failed", { message: "no", hint: "later" });
			});
			const job = { rollbackId: queue.id(), retries: 0 };
			await one.enqueue(job);
			await queue.until("all tries", () => jobs.length === LIMITS.rollbackAttempts);
			await queue.quiet();
			expect(jobs).toHaveLength(LIMITS.rollbackAttempts);
			await one.enqueue(job);
			await queue.until("it is enqueued anew", () => jobs.length > LIMITS.rollbackAttempts);
		},
	},
	{
		name: "what fails for good is not tried again, and can be enqueued anew",
		run: async (queue) => {
			const { queue: one, jobs } = await consuming(queue, () => {
				throw new FatalError("internal", { message: "never", hint: "none" });
			});
			const job = { rollbackId: queue.id(), retries: 0 };
			await one.enqueue(job);
			await queue.until("a job", () => jobs.length === 1);
			await queue.quiet();
			expect(jobs).toHaveLength(1);
			await one.enqueue(job);
			await queue.until("it is enqueued anew", () => jobs.length === 2);
		},
	},
	{
		name: "a reminder of tasks that fails is not tried again",
		run: async (queue) => {
			const { queue: one, jobs } = await consuming(queue, () => {
				throw new RetryableError("rpc_failed", { message: "no", hint: "later" });
			});
			await one.enqueue({ rollbackId: queue.id(), retries: 0, help: { attempt: 1, nth: 0 } });
			await queue.until("a job", () => jobs.length === 1);
			await queue.quiet();
			expect(jobs).toHaveLength(1);
		},
	},
	{
		name: "one consumer works on so many jobs at once",
		run: async (queue) => {
			const gate = Promise.withResolvers<RollbackJobOutcome>();
			const { queue: one, jobs } = await consuming(queue, () => gate.promise);
			for (let count = 0; count <= LIMITS.rollbackConcurrency; count += 1) {
				await one.enqueue({ rollbackId: queue.id(), retries: 0 });
			}
			await queue.until("as many as it may", () => jobs.length === LIMITS.rollbackConcurrency);
			await queue.quiet();
			expect(jobs).toHaveLength(LIMITS.rollbackConcurrency);
			gate.resolve(DONE);
			await queue.until("the last", () => jobs.length === LIMITS.rollbackConcurrency + 1);
		},
	},
	{
		name: "a job of a process that was killed comes to another",
		run: async (queue) => {
			const holder = await queue.openHolder();
			const producer = await queue.open();
			const rollbackId = queue.id();
			await producer.enqueue({ rollbackId, retries: 0 });
			await queue.until("it is held", () => holder.held().includes(rollbackId));
			const { jobs } = await consuming(queue, () => DONE);
			await queue.quiet();
			expect(jobs).toEqual([]);
			await holder.kill();
			await queue.until("it comes", () => jobs.length === 1);
		},
	},
	{
		name: "a wiped server has no job left, and takes each anew",
		wipes: true,
		run: async (queue) => {
			const producer = await queue.open();
			const job = { rollbackId: queue.id(), retries: 0 };
			await producer.enqueue(job);
			await queue.flush();
			const { jobs } = await consuming(queue, () => DONE);
			await queue.quiet();
			expect(jobs).toEqual([]);
			await producer.enqueue(job);
			await queue.until("it comes", () => jobs.length === 1);
		},
	},
	{
		name: "a server that is wiped under a job lets it end, and takes the same anew",
		wipes: true,
		run: async (queue) => {
			const gates = [Promise.withResolvers<RollbackJobOutcome>()];
			const { queue: one, jobs } = await consuming(
				queue,
				(count) => gates[count - 1]?.promise ?? DONE,
			);
			const job = { rollbackId: queue.id(), retries: 0 };
			await one.enqueue(job);
			await queue.until("a job", () => jobs.length === 1);
			await queue.flush();
			gates[0]?.resolve({ type: "later", delayMs: 60 });
			await queue.quiet();
			expect(jobs).toHaveLength(1);
			await one.enqueue(job);
			await queue.until("it comes again", () => jobs.length === 2);
		},
	},
	{
		name: "closing waits for what is under way, and takes nothing more",
		run: async (queue) => {
			const gate = Promise.withResolvers<RollbackJobOutcome>();
			const { queue: one, jobs } = await consuming(queue, () => gate.promise);
			const producer = await queue.open();
			await producer.enqueue({ rollbackId: queue.id(), retries: 0 });
			await queue.until("a job", () => jobs.length === 1);
			let isClosed = false;
			const closing = one.close(60_000).then(() => {
				isClosed = true;
			});
			await queue.quiet();
			await producer.enqueue({ rollbackId: queue.id(), retries: 0 });
			await queue.quiet();
			expect([isClosed, jobs.length]).toEqual([false, 1]);
			gate.resolve(DONE);
			await queue.until("it is closed", () => isClosed);
			await closing;
			const { jobs: others } = await consuming(queue, () => DONE);
			await queue.until("the second job", () => others.length === 1);
		},
	},
	{
		name: "what is cut off by closing comes to another",
		run: async (queue) => {
			const { queue: one, jobs } = await consuming(queue, () => new Promise(() => undefined));
			const rollbackId = queue.id();
			await one.enqueue({ rollbackId, retries: 0 });
			await queue.until("a job", () => jobs.length === 1);
			let isClosed = false;
			const closing = one.close(50).then(() => {
				isClosed = true;
			});
			await queue.until("it is closed", () => isClosed);
			await closing;
			const { jobs: others } = await consuming(queue, () => DONE);
			await queue.until("it comes", () => others.some((job) => job.rollbackId === rollbackId));
		},
	},
	{
		name: "a queue that was closed takes nothing, and is closed once",
		run: async (queue) => {
			const one = await queue.open();
			await one.close(0);
			await one.close(0);
			const away = { code: "queue_unavailable" };
			await expect(one.enqueue({ rollbackId: queue.id(), retries: 0 })).rejects.toMatchObject(away);
			await expect(one.consume(async () => DONE)).rejects.toMatchObject(away);
		},
	},
	{
		name: "a queue is consumed once",
		run: async (queue) => {
			const { queue: one } = await consuming(queue, () => DONE);
			await expect(one.consume(async () => DONE)).rejects.toMatchObject({ code: "internal" });
		},
	},
];

/** A consumer that answers its n-th delivery so; `jobs` are what it was given. */
async function consuming(
	under: QueueUnderTest,
	answer: (count: number) => RollbackJobOutcome | Promise<RollbackJobOutcome>,
) {
	const queue = await under.open();
	const jobs: RollbackJob[] = [];
	await queue.consume(async (job) => {
		jobs.push(job);
		return answer(jobs.length);
	});
	return { queue, jobs };
}
