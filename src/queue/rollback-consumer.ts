/** The consuming half: a BullMQ worker, what it reports, and how it ends. */
import { type IQueueBackend, type Job, type JobProgress, Worker } from "bullmq";
import { LIMITS } from "../domain/limits.ts";
import type { QueueLog } from "./availability.ts";
import { withDeadline } from "./deadline.ts";
import { ended, opened, type QueueContext, queueLate, watchConnection } from "./queue-context.ts";
import { ROLLBACK_QUEUE, type RollbackPayload } from "./rollback-job.ts";
import {
	createRollbackProcessor,
	type RollbackHandler,
	type RollbackProcessor,
} from "./rollback-processor.ts";

type RollbackWorker = Worker<RollbackPayload, void, string, IQueueBackend, JobProgress, object>;

export interface RollbackConsumer {
	/**
	 * Takes no more jobs and gives those under way `deadlineMs`. After it their connections are taken
	 * away: the locks lapse, and another consumer gets the jobs.
	 */
	close(deadlineMs: number): Promise<void>;
}

/** Throws `RetryableError("queue_unavailable")` when the backend does not answer in time. */
export async function openConsumer(
	context: QueueContext,
	handler: RollbackHandler,
): Promise<RollbackConsumer> {
	const processor = createRollbackProcessor(handler);
	const worker = openWorker(context, processor);
	try {
		await opened(context, worker.waitUntilReady());
	} catch (error) {
		await worker.close(true);
		throw error;
	}
	// Resolves when the worker is closed. What goes wrong inside comes as an event.
	worker.run().catch(context.availability.onError);
	return { close: (deadlineMs) => closeWorker({ context, worker, processor, deadlineMs }) };
}

function openWorker(context: QueueContext, processor: RollbackProcessor): RollbackWorker {
	const { backend, timing } = context;
	const worker: RollbackWorker = new Worker(
		ROLLBACK_QUEUE,
		(job: Job<RollbackPayload, void, string>, token?: string) => processor.process(job, token),
		{
			connection: {},
			prefix: backend.keyPrefix,
			autorun: false,
			concurrency: LIMITS.rollbackConcurrency,
			lockDuration: timing.lockMs,
			stalledInterval: timing.stalledCheckMs,
			// As often as it may fail, a job may lose its worker: one that always kills it must end.
			maxStalledCount: LIMITS.rollbackAttempts,
			runRetryDelay: timing.reconnectMs,
		},
		backend.consumer,
	);
	watchConnection(worker, context);
	report(worker, context.log);
	worker.on("active", context.availability.onSuccess);
	return worker;
}

function report(worker: RollbackWorker, log: QueueLog): void {
	worker.on("stalled", (jobId) => log.warn({ jobId }, "a rollback job's worker is gone"));
	worker.on("failed", (job, err) => {
		const fields = { jobId: job?.id, attempt: job?.attemptsMade, err };
		// BullMQ sets the time of the end only when it will not try again.
		if (job?.finishedOn === undefined) log.warn(fields, "a rollback job will be tried again");
		else log.error(fields, "a rollback job failed for good");
	});
}

interface Closing {
	readonly context: QueueContext;
	readonly worker: RollbackWorker;
	readonly processor: RollbackProcessor;
	readonly deadlineMs: number;
}

async function closeWorker({ context, worker, processor, deadlineMs }: Closing): Promise<void> {
	await worker.pause(true);
	try {
		await withDeadline(processor.drain(), deadlineMs, () => queueLate(context, deadlineMs));
	} catch {
		context.log.warn({ running: processor.running, deadlineMs }, "rollback jobs were cut off");
	}
	await ended(context, {
		politely: () => worker.close(processor.running > 0),
		// A polite close that hangs is all that closing the worker again would wait for.
		atOnce: () => Promise.race([worker.close(true), worker.getBackend().close(true)]),
	});
}
