/**
 * Delivers consistency checks through BullMQ, on Postgres or on Redis. Its job schedulers are the
 * clocks: one a chain and level, kept by the backend, so that several processes share one.
 *
 * A backend that is away costs checks and nothing else: opening is tried again until it answers.
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
	DelayedError,
	type IQueueBackend,
	type Job,
	type JobProgress,
	Queue,
	UnrecoverableError,
	Worker,
} from "bullmq";
import type {
	CheckJob,
	CheckJobOutcome,
	CheckQueue,
	CheckSchedule,
} from "../consistency/check-queue.ts";
import { FatalError, RecantError, RetryableError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { createAvailability, type QueueLog } from "./availability.ts";
import { CHECK_JOB_OPTIONS, CHECK_QUEUE, parseCheckJob, schedulerId } from "./check-job.ts";
import { createBullBackend, type QueueBackendConfig } from "./choose-backend.ts";
import { withDeadline } from "./deadline.ts";
import {
	ended,
	opened,
	type QueueContext,
	queueLate,
	queueUnavailable,
	watchConnection,
} from "./queue-context.ts";
import { QUEUE_TIMING, type QueueTiming } from "./queue-timing.ts";

/** Between two tries to open a backend that does not answer. */
const OPEN_AGAIN_MS = 5_000;
/** After which a job is offered again when the process that got it does not lead the chain. */
const LATER_MS = 1_000;

type CheckBullQueue = Queue<object, void, string, object, void, string, IQueueBackend, object>;
type CheckWorker = Worker<object, void, string, IQueueBackend, JobProgress, object>;
type Handler = (job: CheckJob) => Promise<CheckJobOutcome>;

export interface CheckQueueOptions {
	readonly backend: QueueBackendConfig;
	/** As of the rollback queue. */
	readonly prefix: string;
	readonly log: QueueLog;
	/** Tests shorten the waits with it. */
	readonly timing?: QueueTiming;
}

/** Throws `FatalError("configuration_invalid")` for a prefix that cannot be used. */
export function createCheckQueue(options: CheckQueueOptions): CheckQueue {
	const timing = options.timing ?? QUEUE_TIMING;
	const backend = createBullBackend(options.backend, options.prefix, timing);
	const availability = createAvailability(backend.kind, options.log);
	return new BullCheckQueue({ backend, timing, log: options.log, availability });
}

class BullCheckQueue implements CheckQueue {
	readonly #context: QueueContext;
	readonly #ending = new AbortController();
	#queue: CheckBullQueue | undefined;
	#worker: CheckWorker | undefined;
	#opening: Promise<void> = Promise.resolve();

	constructor(context: QueueContext) {
		this.#context = context;
	}

	start(schedules: readonly CheckSchedule[], handler: Handler | undefined): void {
		this.#opening = this.#openUntilOpen(schedules, handler);
	}

	async enqueue(job: CheckJob): Promise<void> {
		const context = this.#context;
		if (this.#queue === undefined) throw queueUnavailable(context, "it has not answered yet");
		const { kind: _, ...data } = job;
		const adding = this.#queue.add(CHECK_QUEUE, data, CHECK_JOB_OPTIONS);
		const limitMs = LIMITS.queueRequestMs;
		try {
			await withDeadline(adding, limitMs, () => queueLate(context, limitMs));
		} catch (cause) {
			throw queueUnavailable(context, cause);
		}
	}

	async close(deadlineMs: number): Promise<void> {
		this.#ending.abort();
		await this.#opening;
		const worker = this.#worker;
		const queue = this.#queue;
		if (worker !== undefined) {
			const gently = withDeadline(worker.close(), deadlineMs, () =>
				queueLate(this.#context, deadlineMs),
			);
			await ended(this.#context, { politely: () => gently, atOnce: () => worker.close(true) });
		}
		if (queue !== undefined) {
			await ended(this.#context, {
				politely: () => queue.close(),
				atOnce: () => queue.getBackend().close(true),
			});
		}
	}

	async #openUntilOpen(
		schedules: readonly CheckSchedule[],
		handler: Handler | undefined,
	): Promise<void> {
		const { signal } = this.#ending;
		let failing = false;
		while (!signal.aborted) {
			try {
				await this.#open(schedules, handler);
				return;
			} catch (err) {
				if (!(err instanceof RecantError)) throw err;
				if (!failing) this.#context.log.warn({ err }, "checks do not come by the clock yet");
				failing = true;
				await sleep(OPEN_AGAIN_MS, undefined, { signal }).catch(() => undefined);
			}
		}
	}

	async #open(schedules: readonly CheckSchedule[], handler: Handler | undefined): Promise<void> {
		const context = this.#context;
		await opened(context, context.backend.prepare());
		this.#queue ??= openQueue(context);
		await opened(context, this.#queue.waitUntilReady());
		for (const schedule of schedules) await opened(context, setClock(this.#queue, schedule));
		if (handler === undefined) return;
		this.#worker ??= openWorker(context, handler);
		await opened(context, this.#worker.waitUntilReady());
		// Resolves when the worker is closed. What goes wrong inside comes as an event.
		this.#worker.run().catch(context.availability.onError);
	}
}

async function setClock(queue: CheckBullQueue, schedule: CheckSchedule): Promise<void> {
	const { everyMs, chainId, level } = schedule;
	const id = schedulerId(schedule);
	if (everyMs === undefined) await queue.removeJobScheduler(id);
	else {
		const job = { name: CHECK_QUEUE, data: { chainId, level }, opts: CHECK_JOB_OPTIONS };
		await queue.upsertJobScheduler(id, { every: everyMs }, job);
	}
}

function openQueue(context: QueueContext): CheckBullQueue {
	const { backend } = context;
	const streams = { events: { maxLen: LIMITS.queueEvents } };
	const queue: CheckBullQueue = new Queue(
		CHECK_QUEUE,
		{ connection: {}, prefix: backend.keyPrefix, streams },
		backend.producer,
	);
	watchConnection(queue, context);
	return queue;
}

function openWorker(context: QueueContext, handler: Handler): CheckWorker {
	const { backend, timing } = context;
	const worker: CheckWorker = new Worker(
		CHECK_QUEUE,
		(job: Job<object, void, string>, token?: string) => process(job, token, handler),
		{
			connection: {},
			prefix: backend.keyPrefix,
			autorun: false,
			concurrency: LIMITS.rollbackConcurrency,
			lockDuration: timing.lockMs,
			stalledInterval: timing.stalledCheckMs,
			maxStalledCount: 1,
			runRetryDelay: timing.reconnectMs,
		},
		backend.consumer,
	);
	watchConnection(worker, context);
	worker.on("active", context.availability.onSuccess);
	worker.on("failed", (job, err) =>
		context.log.warn({ jobId: job?.id, err }, "a check's job failed"),
	);
	return worker;
}

async function process(
	job: Job<object, void, string>,
	token: string | undefined,
	handler: Handler,
): Promise<void> {
	const outcome = await handled(job, handler);
	if (outcome === "done") return;
	await job.moveToDelayed(Date.now() + LATER_MS, token);
	throw new DelayedError();
}

/** What may pass puts the job off; a fatal error ends it. */
async function handled(job: Job<object, void, string>, handler: Handler): Promise<CheckJobOutcome> {
	try {
		return await handler(parseCheckJob(job.data));
	} catch (cause) {
		if (cause instanceof RetryableError) return "later";
		if (cause instanceof FatalError)
			throw new UnrecoverableError(`${cause.code}: ${cause.message}`);
		throw cause;
	}
}
