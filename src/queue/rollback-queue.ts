/**
 * Delivers rollbacks through BullMQ, on Postgres or on Redis.
 *
 * 1. One rollback is one job: while its job exists, enqueueing it again does nothing. A job that ended
 *    does not exist any more.
 * 2. Delivery is at least once. A worker that dies, or stalls for longer than its lock, loses the job
 *    to another consumer; both may then run, and the fence on the rollback's row decides.
 * 3. Putting a job off uses up no attempt; a thrown error does; a fatal one ends the job.
 * 4. A backend that is away never ends the process: enqueueing rejects within LIMITS.queueRequestMs,
 *    consuming waits and goes on.
 *
 * Times are taken from each process's clock, so hosts that share a queue must keep theirs together
 * to well within the lock's time.
 */
import { type IQueueBackend, Queue } from "bullmq";
import { FatalError, RetryableError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { RollbackJob, RollbackQueue } from "../rollback/rollback-queue.ts";
import { type Availability, createAvailability, type QueueLog } from "./availability.ts";
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
import { openConsumer, type RollbackConsumer } from "./rollback-consumer.ts";
import {
	ROLLBACK_QUEUE,
	type RollbackPayload,
	rollbackJobOptions,
	rollbackPayload,
} from "./rollback-job.ts";

export interface RollbackQueueOptions {
	readonly backend: QueueBackendConfig;
	/**
	 * Keeps installations on one server apart: a schema on Postgres, a key prefix on Redis. A letter,
	 * then letters, digits and underscores, at most 57, all in lower case.
	 */
	readonly prefix: string;
	readonly log?: QueueLog;
	/** Tests shorten the waits with it. */
	readonly timing?: QueueTiming;
	/** What is known of the backend from before; by default nothing is. */
	readonly availability?: Availability;
}

type RollbackBullQueue = Queue<
	RollbackPayload,
	void,
	string,
	RollbackPayload,
	void,
	string,
	IQueueBackend,
	object
>;

/** When nobody asked for log lines. */
const SILENT: QueueLog = { info: ignore, warn: ignore, error: ignore };

function ignore(): undefined {
	return undefined;
}

/**
 * Connects, and brings the backend's own tables up to date. Throws
 * `RetryableError("queue_unavailable")` when the backend does not answer in time, and
 * `FatalError("configuration_invalid")` for a prefix that cannot be used.
 */
export async function createRollbackQueue(options: RollbackQueueOptions): Promise<RollbackQueue> {
	const timing = options.timing ?? QUEUE_TIMING;
	const log = options.log ?? SILENT;
	const backend = createBullBackend(options.backend, options.prefix, timing);
	const availability = options.availability ?? createAvailability(backend.kind, log);
	const context = { backend, timing, log, availability };
	await opened(context, backend.prepare());
	const queue = openQueue(context);
	try {
		await opened(context, queue.waitUntilReady());
	} catch (error) {
		await queue.getBackend().close(true);
		throw error;
	}
	return rollbackQueue(context, queue);
}

function openQueue(context: QueueContext): RollbackBullQueue {
	const queue: RollbackBullQueue = new Queue(
		ROLLBACK_QUEUE,
		{
			connection: {},
			prefix: context.backend.keyPrefix,
			// Nobody reads BullMQ's event stream: keep just enough to look at by hand.
			streams: { events: { maxLen: LIMITS.queueEvents } },
		},
		context.backend.producer,
	);
	watchConnection(queue, context);
	return queue;
}

function rollbackQueue(context: QueueContext, queue: RollbackBullQueue): RollbackQueue {
	let consumer: Promise<RollbackConsumer> | undefined;
	let closed = false;
	return {
		backend: context.backend.kind,
		async enqueue(job) {
			if (closed) throw queueClosed(context);
			await enqueue(context, queue, job);
		},
		async consume(handler) {
			if (closed) throw queueClosed(context);
			if (consumer !== undefined) throw consumedTwice();
			consumer = openConsumer(context, handler);
			try {
				await consumer;
			} catch (error) {
				consumer = undefined;
				throw error;
			}
		},
		async close(deadlineMs) {
			if (closed) return;
			closed = true;
			// Whoever called consume is told when it failed.
			const running = await consumer?.catch(ignore);
			await running?.close(deadlineMs);
			await ended(context, {
				politely: () => queue.close(),
				atOnce: () => queue.getBackend().close(true),
			});
		},
	};
}

async function enqueue(
	context: QueueContext,
	queue: RollbackBullQueue,
	job: RollbackJob,
): Promise<void> {
	const options = rollbackJobOptions(job, context.timing);
	const adding = queue.add(ROLLBACK_QUEUE, rollbackPayload(job), options);
	const limitMs = LIMITS.queueRequestMs;
	try {
		await withDeadline(adding, limitMs, () => queueLate(context, limitMs));
	} catch (cause) {
		context.availability.onError(cause);
		throw queueUnavailable(context, cause);
	}
	context.availability.onSuccess();
}

function queueClosed({ backend }: QueueContext): RetryableError {
	return new RetryableError("queue_unavailable", {
		message: `the rollback queue on ${backend.kind} was closed`,
		hint: "the service is stopping; the rollback is enqueued from the outbox at its next start",
		fields: { backend: backend.kind },
	});
}

function consumedTwice(): FatalError {
	return new FatalError("internal", {
		message: "consume was called twice on one rollback queue",
		hint: "this is a defect of Recant; please report it with the log",
	});
}
