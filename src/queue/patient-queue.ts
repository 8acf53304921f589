/**
 * A queue whose server may be away when the service starts: opened in the background, until it is there.
 *
 * Nothing is lost meanwhile. Enqueueing is refused, so that rollbacks stay in the outbox, and the process
 * that follows a chain works on its rollbacks without a job.
 */
import { FatalError, RecantError, RetryableError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { StoreHealth } from "../domain/store-health.ts";
import { type GuardLog, StoreGuard } from "../resilience/store-guard.ts";
import type { RollbackJob, RollbackJobOutcome, RollbackQueue } from "../rollback/rollback-queue.ts";
import { type Availability, createAvailability } from "./availability.ts";
import { withDeadline } from "./deadline.ts";
import { QUEUE_TIMING, type QueueTiming } from "./queue-timing.ts";
import { createRollbackQueue, type RollbackQueueOptions } from "./rollback-queue.ts";

/** Between two tries to open it: doubled from the first to the most, less up to half at random. */
const OPEN_AGAIN_MS = { first: 500, most: 10_000 };
const MOST_DOUBLINGS = 8;

type Handler = (job: RollbackJob) => Promise<RollbackJobOutcome>;

export interface PatientQueue extends RollbackQueue {
	health(): StoreHealth;
}

export interface PatientQueueOptions extends RollbackQueueOptions {
	readonly log: GuardLog & NonNullable<RollbackQueueOptions["log"]>;
}

/**
 * Waits for Redis no longer than for one request, and goes on without it. The Postgres queue must open:
 * the service has just migrated that database. Throws `RetryableError("queue_unavailable")` for that one,
 * and `FatalError("configuration_invalid")`.
 */
export async function openPatientQueue(options: PatientQueueOptions): Promise<PatientQueue> {
	const queue = new Opening(options);
	if (options.backend.kind === "postgres") await queue.opened();
	else {
		await withDeadline(queue.opened(), LIMITS.queueRequestMs, notOpen).catch((error: unknown) => {
			passing(error);
			options.log.warn({ backend: "redis" }, "the queue is not open yet; going on without it");
		});
	}
	return queue;
}

class Opening implements PatientQueue {
	readonly backend: RollbackQueue["backend"];
	readonly #options: PatientQueueOptions;
	readonly #guard: StoreGuard;
	/** One for all tries, so that the log says once that the server is away. */
	readonly #availability: Availability;
	#queue: RollbackQueue | undefined;
	#handler: Handler | undefined;
	#opening: Promise<void> | undefined;
	#failures = 0;
	#closed = false;
	#timer: NodeJS.Timeout | undefined;

	constructor(options: PatientQueueOptions) {
		this.#options = options;
		this.backend = options.backend.kind;
		this.#guard = new StoreGuard({
			name: "queue",
			isAway: (error) => error instanceof RecantError && error.code === "queue_unavailable",
			refusal: unavailable,
		});
		this.#availability = reported(createAvailability(this.backend, options.log), this.#guard);
	}

	/** Resolves when this try, or the one under way, has opened it. */
	opened(): Promise<void> {
		this.#opening ??= this.#open().finally(() => {
			this.#opening = undefined;
		});
		return this.#opening;
	}

	async enqueue(job: RollbackJob): Promise<void> {
		const queue = this.#queue;
		if (queue === undefined) throw notOpen();
		await this.#guard.run(() => queue.enqueue(job));
	}

	async consume(handler: Handler): Promise<void> {
		this.#handler = handler;
		try {
			await this.#queue?.consume(handler);
		} catch (error) {
			if (this.backend === "postgres") throw error;
			passing(error);
			this.#later();
		}
	}

	async close(deadlineMs: number): Promise<void> {
		this.#closed = true;
		clearTimeout(this.#timer);
		await this.#opening?.catch(passing);
		await this.#queue?.close(deadlineMs);
	}

	health(): StoreHealth {
		return this.#guard.health();
	}

	async #open(): Promise<void> {
		try {
			await this.#guard.run(() => this.#begin());
			this.#failures = 0;
		} catch (error) {
			if (!(error instanceof FatalError)) this.#later();
			throw error;
		}
	}

	async #begin(): Promise<void> {
		this.#queue ??= await createRollbackQueue({
			...this.#options,
			timing: this.#timing(),
			availability: this.#availability,
		});
		if (this.#handler !== undefined) await this.#queue.consume(this.#handler);
	}

	/** Each try is short, since there will be others, and the service may be stopped meanwhile. */
	#timing(): QueueTiming {
		const timing = this.#options.timing ?? QUEUE_TIMING;
		if (this.backend === "postgres") return timing;
		return { ...timing, connectMs: Math.min(timing.connectMs, LIMITS.queueRequestMs) };
	}

	#later(): void {
		if (this.#closed) return;
		const doublings = Math.min(this.#failures, MOST_DOUBLINGS);
		const most = Math.min(OPEN_AGAIN_MS.first * 2 ** doublings, OPEN_AGAIN_MS.most);
		this.#failures += 1;
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => this.opened().catch(passing), most * (0.5 + Math.random() / 2));
		this.#timer.unref();
	}
}

/** Tells the guard too. */
function reported(availability: Availability, guard: StoreGuard): Availability {
	return {
		get lost() {
			return availability.lost;
		},
		get cause() {
			return availability.cause;
		},
		onError(cause) {
			availability.onError(cause);
			guard.lost(cause);
		},
		onSuccess() {
			availability.onSuccess();
			guard.found();
		},
	};
}

/** What may pass is tried again; the rest is for whoever starts the service. */
function passing(error: unknown): void {
	if (error instanceof FatalError || !(error instanceof RecantError)) throw error;
}

function notOpen(): RetryableError {
	return unavailable("its server has not answered since the start");
}

function unavailable(reason: string): RetryableError {
	return new RetryableError("queue_unavailable", {
		message: `the rollback queue is not available: ${reason}`,
		hint: "rollbacks are worked on without it, and their jobs are delivered when it is back",
	});
}
