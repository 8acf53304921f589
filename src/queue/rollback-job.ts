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
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Job id of a rollback: one rollback is one job. BullMQ forbids integers and colons. */
export function rollbackJobId(rollbackId: RollbackId): string {
	return `rollback-${rollbackId}`;
}

/** Job data as it was stored, checked. Throws `FatalError("internal")` for what no version of ours wrote. */
export function parseRollbackPayload(data: unknown): RollbackJob {
	const id = typeof data === "object" && data !== null && "rollbackId" in data && data.rollbackId;
	if (!isRollbackId(id)) {
		throw new FatalError("internal", {
			message: `a job of the rollback queue carries no rollback id: ${JSON.stringify(data)}`,
			hint: "another program writes into this queue; give each installation its own prefix",
		});
	}
	return { rollbackId: id };
}

function isRollbackId(value: unknown): value is RollbackId {
	return typeof value === "string" && UUID.test(value);
}

/**
 * How a rollback's job is kept and retried.
 *
 * Finished jobs stay for a while, so that an outbox entry that is sent again after its rollback was
 * done delivers nothing. Failed ones go at once: their id would swallow the enqueue with which an
 * operator, or the next start, tries again. The reason of the failure is in the rollback's row.
 */
export function rollbackJobOptions(rollbackId: RollbackId, timing: QueueTiming): JobsOptions {
	return {
		jobId: rollbackJobId(rollbackId),
		attempts: LIMITS.rollbackAttempts,
		backoff: { type: "exponential", delay: timing.backoffMs, jitter: 0.5 },
		removeOnComplete: { count: LIMITS.queueFinishedJobs },
		removeOnFail: true,
		stackTraceLimit: 1,
	};
}

/** The wait before a job that was put off comes again, moved into the bounds of LIMITS. */
export function redeliveryDelayMs(askedMs: number): number {
	return Math.min(Math.max(Math.ceil(askedMs), LIMITS.redeliveryMinMs), LIMITS.redeliveryMaxMs);
}
