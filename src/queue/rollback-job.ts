/** What a rollback looks like as a job: its id, its payload and how it is kept and retried. */
import type { JobsOptions } from "bullmq";
import { FatalError } from "../domain/errors.ts";
import type { RollbackId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { RollbackJob } from "../rollback/rollback-queue.ts";
import type { QueueTiming } from "./queue-timing.ts";

/** Name of the queue; installations are kept apart by the prefix, see bull-backend.ts. */
export const ROLLBACK_QUEUE = "rollback";

/** Job data as the backend stores it. */
export interface RollbackPayload {
	readonly rollbackId: string;
	/** Absent in jobs of before there were retries, and for the first time. */
	readonly retries?: number;
	/** Only in reminders of tasks. */
	readonly help?: { readonly attempt: number; readonly nth: number };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Job id of a rollback: one rollback is one job, each retry another, and each reminder of tasks. BullMQ
 * forbids integers and colons.
 */
export function rollbackJobId({ rollbackId, retries, help }: RollbackJob): string {
	if (help !== undefined) return `help-${rollbackId}-${help.attempt}-${help.nth}`;
	return `rollback-${rollbackId}-${retries}`;
}

/** As the backend stores it. */
export function rollbackPayload({ rollbackId, retries, help }: RollbackJob): RollbackPayload {
	return { rollbackId, retries, ...(help === undefined ? {} : { help }) };
}

/** Job data as it was stored, checked. Throws `FatalError("internal")` for what no version of ours wrote. */
export function parseRollbackPayload(data: unknown): RollbackJob {
	const { rollbackId, retries = 0, help } = fieldsOf(data);
	const { attempt, nth } = fieldsOf(help);
	const isReminder = isCount(attempt) && isCount(nth);
	if (!isRollbackId(rollbackId) || !isCount(retries) || (help !== undefined && !isReminder)) {
		throw new FatalError("internal", {
			message: `a job of the rollback queue carries no rollback id: ${JSON.stringify(data)}`,
			hint: "another program writes into this queue; give each installation its own prefix",
		});
	}
	return { rollbackId, retries, help: isReminder ? { attempt, nth } : undefined };
}

function fieldsOf(data: unknown): Readonly<Record<string, unknown>> {
	return typeof data === "object" && data !== null ? { ...data } : {};
}

function isCount(value: unknown): value is number {
	return Number.isInteger(value) && Number(value) >= 0;
}

function isRollbackId(value: unknown): value is RollbackId {
	return typeof value === "string" && UUID.test(value);
}

/**
 * How a rollback's job is kept and retried.
 *
 * Jobs that are done or failed go at once: a job's id swallows every enqueue while the job exists, and a
 * rollback that is active needs one, whatever became of the job before. An outbox entry that is sent again
 * after the end makes a job that finds nothing to do. What became of it all is in the rollback's row.
 */
export function rollbackJobOptions(job: RollbackJob, timing: QueueTiming): JobsOptions {
	return {
		jobId: rollbackJobId(job),
		// Tasks that nobody was reminded of are found by the clock.
		attempts: job.help === undefined ? LIMITS.rollbackAttempts : 1,
		backoff: { type: "exponential", delay: timing.backoffMs, jitter: 0.5 },
		removeOnComplete: true,
		removeOnFail: true,
		stackTraceLimit: 1,
	};
}

/** The wait before a job that was put off comes again, moved into the bounds of LIMITS. */
export function redeliveryDelayMs(askedMs: number): number {
	return Math.min(Math.max(Math.ceil(askedMs), LIMITS.redeliveryMinMs), LIMITS.redeliveryMaxMs);
}
