/**
 * Delivers rollbacks to whoever can work on them. The adapter is queue/.
 *
 * Delivery is at least once and may be late, double or out of order: the rollback's row, its claim
 * and its fence decide, never the job. A rollback is enqueued from the outbox after the transaction
 * that recorded it.
 */
import type { RollbackId } from "../domain/ids.ts";

export interface RollbackJob {
	readonly rollbackId: RollbackId;
	/** How often an operator had it tried again after it failed; each retry is a job of its own. */
	readonly retries: number;
	/**
	 * Given: it only reminds that tasks of that attempt wait, see fan-out.ts. `nth` tells the reminders of
	 * one attempt apart.
	 */
	readonly help?: { readonly attempt: number; readonly nth: number } | undefined;
}

/**
 * done: the rollback needs no further delivery until it is enqueued again. later:
 * another process holds the claim; deliver again after `delayMs`, moved into
 * [LIMITS.redeliveryMinMs, LIMITS.redeliveryMaxMs], as often as it is asked for: the claim's lapse
 * bounds it.
 */
export type RollbackJobOutcome =
	| { readonly type: "done" }
	| { readonly type: "later"; readonly delayMs: number };

export interface RollbackQueue {
	readonly backend: "postgres" | "redis";
	/**
	 * Idempotent while the job exists. A job that is done or failed for good is gone at once, so that none
	 * ever swallows the enqueue of a rollback that still needs one. Throws
	 * `RetryableError("queue_unavailable")` within LIMITS.queueRequestMs; the job may exist all the same.
	 */
	enqueue(job: RollbackJob): Promise<void>;
	/**
	 * Starts to consume, LIMITS.rollbackConcurrency jobs at once; resolves when it does. Called once. An
	 * error thrown by the handler is retried with backoff, LIMITS.rollbackAttempts times in all; a
	 * `FatalError` is not. The queue tells nobody when it gives up: the rollback's row must. Throws
	 * `RetryableError("queue_unavailable")`.
	 */
	consume(handler: (job: RollbackJob) => Promise<RollbackJobOutcome>): Promise<void>;
	/**
	 * Stops taking jobs, waits for those under way up to `deadlineMs`, then ends; jobs that were cut off
	 * go to another consumer, and their handlers may still be running. Never throws for a backend that
	 * is away. Does nothing the second time.
	 */
	close(deadlineMs: number): Promise<void>;
}
