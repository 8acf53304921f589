/**
 * Delivers webhooks' jobs through BullMQ, on Postgres or on Redis: one delivery is one job, tried again
 * after waits that double.
 *
 * A backend that is away loses nothing: enqueueing is refused, so entries stay in the outbox, and opening
 * is tried again until it answers.
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
	type IQueueBackend,
	type Job,
	type JobProgress,
	type JobsOptions,
	Queue,
	Worker,
} from "bullmq";
import { FatalError, RecantError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { DeliveryJob, DeliveryOutcome, DeliveryQueue } from "../webhooks/delivery.ts";
import { createAvailability, type QueueLog } from "./availability.ts";
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

/** Name of the queue; installations are kept apart by the prefix, see bull-backend.ts. */
const DELIVERY_QUEUE = "webhook";
/** Between two tries to open a backend that does not answer. */
const OPEN_AGAIN_MS = 5_000;
/** Before the second try; doubled for each further one, less up to half by chance. */
const BACKOFF_MS = 5_000;

interface Payload {
	readonly deliveryId: string;
}

type BullQueue = Queue<Payload, void, string, Payload, void, string, IQueueBackend, object>;
type BullWorker = Worker<Payload, void, string, IQueueBackend, JobProgress, object>;
type Handler = (job: DeliveryJob) => Promise<DeliveryOutcome>;

export interface DeliveryQueueOptions {
	readonly backend: QueueBackendConfig;
	/** As of the rollback queue. */
	readonly prefix: string;
	readonly log: QueueLog;
	/** Tests shorten the waits with these. */
	readonly timing?: QueueTiming;
	readonly backoffMs?: number;
	readonly attempts?: number;
}

/** Throws `FatalError("configuration_invalid")` for a prefix that cannot be used. */
export function createDeliveryQueue(options: DeliveryQueueOptions): DeliveryQueue {
	const timing = options.timing ?? QUEUE_TIMING;
	const backend = createBullBackend(options.backend, options.prefix, timing);
	const availability = createAvailability(backend.kind, options.log);
	const context = { backend, timing, log: options.log, availability };
	return new BullDeliveryQueue(context, {
		attempts: options.attempts ?? LIMITS.webhookAttempts,
		backoff: { type: "exponential", delay: options.backoffMs ?? BACKOFF_MS, jitter: 0.5 },
		// The delivery's row says what became of it; a job that stayed would swallow the next enqueue.
		removeOnComplete: true,
		removeOnFail: true,
		stackTraceLimit: 1,
	});
}

class BullDeliveryQueue implements DeliveryQueue {
	readonly #context: QueueContext;
	readonly #jobOptions: JobsOptions;
	readonly #ending = new AbortController();
	#queue: BullQueue | undefined;
	#worker: BullWorker | undefined;
	#opening: Promise<void> = Promise.resolve();

	constructor(context: QueueContext, jobOptions: JobsOptions) {
		this.#context = context;
		this.#jobOptions = jobOptions;
	}

	start(handler: Handler): void {
		this.#opening = this.#openUntilOpen(handler);
	}

	async enqueue(deliveryId: string, { now }: { readonly now: boolean }): Promise<void> {
		const context = this.#context;
		const queue = this.#queue;
		if (queue === undefined) throw queueUnavailable(context, "it has not answered yet");
		const limitMs = LIMITS.queueRequestMs;
		try {
			const adding = add(queue, deliveryId, this.#jobOptions, now);
			await withDeadline(adding, limitMs, () => queueLate(context, limitMs));
		} catch (cause) {
			context.availability.onError(cause);
			throw queueUnavailable(context, cause);
		}
		context.availability.onSuccess();
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

	async #openUntilOpen(handler: Handler): Promise<void> {
		const { signal } = this.#ending;
		let failing = false;
		while (!signal.aborted) {
			try {
				await this.#open(handler);
				return;
			} catch (err) {
				if (!(err instanceof RecantError)) throw err;
				if (!failing) this.#context.log.warn({ err }, "webhooks are not sent yet");
				failing = true;
				await sleep(OPEN_AGAIN_MS, undefined, { signal }).catch(() => undefined);
			}
		}
	}

	async #open(handler: Handler): Promise<void> {
		const context = this.#context;
		await opened(context, context.backend.prepare());
		const queue = this.#queue ?? openQueue(context);
		await opened(context, queue.waitUntilReady());
		this.#queue = queue;
		this.#worker ??= openWorker(context, handler);
		await opened(context, this.#worker.waitUntilReady());
		// Resolves when the worker is closed. What goes wrong inside comes as an event.
		this.#worker.run().catch(context.availability.onError);
	}
}

async function add(
	queue: BullQueue,
	deliveryId: string,
	options: JobsOptions,
	now: boolean,
): Promise<void> {
	// BullMQ forbids integers and colons.
	const jobId = `delivery-${deliveryId}`;
	const there = now ? await queue.getJob(jobId) : undefined;
	if (there !== undefined && (await there.isDelayed())) await there.promote();
	else await queue.add(DELIVERY_QUEUE, { deliveryId }, { ...options, jobId });
}

function openQueue(context: QueueContext): BullQueue {
	const { backend } = context;
	const streams = { events: { maxLen: LIMITS.queueEvents } };
	const queue: BullQueue = new Queue(
		DELIVERY_QUEUE,
		{ connection: {}, prefix: backend.keyPrefix, streams },
		backend.producer,
	);
	watchConnection(queue, context);
	return queue;
}

function openWorker(context: QueueContext, handler: Handler): BullWorker {
	const { backend, timing } = context;
	const worker: BullWorker = new Worker(
		DELIVERY_QUEUE,
		(job: Job<Payload, void, string>) => deliver(job, handler),
		{
			connection: {},
			prefix: backend.keyPrefix,
			autorun: false,
			concurrency: LIMITS.rollbackConcurrency,
			lockDuration: timing.lockMs,
			stalledInterval: timing.stalledCheckMs,
			// A worker that dies has sent at most once more.
			maxStalledCount: LIMITS.webhookAttempts,
			runRetryDelay: timing.reconnectMs,
		},
		backend.consumer,
	);
	watchConnection(worker, context);
	worker.on("active", context.availability.onSuccess);
	return worker;
}

async function deliver(job: Job<Payload, void, string>, handler: Handler): Promise<void> {
	const last = job.attemptsMade + 1 >= (job.opts.attempts ?? 1);
	const outcome = await handler({ deliveryId: deliveryIdOf(job.data), last });
	if (outcome === "again") throw new DeliveryFailed("the receiver did not take it");
}

/** Tells BullMQ to try again; why, the delivery's row says. */
class DeliveryFailed extends Error {
	override readonly name = "DeliveryFailed";
}

/** Job data as it was stored, checked. */
function deliveryIdOf(data: unknown): string {
	const id = typeof data === "object" && data !== null && "deliveryId" in data && data.deliveryId;
	if (typeof id === "string") return id;
	throw new FatalError("internal", {
		message: `a job of the queue of webhooks carries no delivery: ${JSON.stringify(data)}`,
		hint: "another program writes into this queue; give each installation its own prefix",
	});
}
