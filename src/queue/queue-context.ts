/** What the two halves of a queue share, and the limits on waiting for its backend. */
import type { IQueueBackend, QueueBase } from "bullmq";
import { FatalError, RetryableError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Availability, QueueLog } from "./availability.ts";
import type { BullBackend } from "./bull-backend.ts";
import { withDeadline } from "./deadline.ts";
import type { QueueTiming } from "./queue-timing.ts";

export interface QueueContext {
	readonly backend: BullBackend;
	readonly timing: QueueTiming;
	readonly log: QueueLog;
	readonly availability: Availability;
}

/** Waits for a connection to open. Throws `RetryableError("queue_unavailable")`. */
export async function opened<T>(context: QueueContext, opening: Promise<T>): Promise<T> {
	const { connectMs } = context.timing;
	try {
		return await withDeadline(opening, connectMs, () => queueLate(context, connectMs));
	} catch (cause) {
		if (cause instanceof FatalError) throw cause;
		throw queueUnavailable(context, context.availability.cause ?? cause);
	}
}

/** The two ways to end a BullMQ object. */
export interface Ending {
	/** Says goodbye to the server; hangs or fails when it does not answer. */
	readonly politely: () => Promise<void>;
	/** Drops the connections. */
	readonly atOnce: () => Promise<void>;
}

/** Ending never fails, and takes at most twice LIMITS.queueRequestMs, whatever the backend does. */
export async function ended(context: QueueContext, ending: Ending): Promise<void> {
	if (!context.availability.lost && (await settled(context, ending.politely))) return;
	await settled(context, ending.atOnce);
}

async function settled(context: QueueContext, close: () => Promise<void>): Promise<boolean> {
	const limitMs = LIMITS.queueRequestMs;
	try {
		await withDeadline(close(), limitMs, () => queueLate(context, limitMs));
		return true;
	} catch (err) {
		context.log.warn({ err }, "a connection of the rollback queue did not close cleanly");
		return false;
	}
}

/**
 * Reports to `availability` what a BullMQ object says about its connections. An object without a
 * listener for its errors would end the process.
 */
export function watchConnection(
	source: QueueBase<IQueueBackend, object>,
	context: QueueContext,
): void {
	const { availability, log } = context;
	source.on("error", (err: Error) => {
		if (isAboutOneJob(err)) log.warn({ err }, "a rollback job was lost to another consumer");
		else availability.onError(err);
	});
	// Only Redis says so, and earlier than by the error of the first try to connect again.
	source.on("ioredis:close", () => {
		if (!availability.lost) availability.onError(connectionClosed(context));
	});
	source.getBackend().on("ready", availability.onSuccess);
}

/** BullMQ reports a lost lock as an error like any other; those of its scripts have a negative code. */
function isAboutOneJob(error: Error): boolean {
	const code = "code" in error ? error.code : undefined;
	return (typeof code === "number" && code < 0) || error.message.includes("could not renew lock");
}

function connectionClosed({ backend }: QueueContext): RetryableError {
	return new RetryableError("queue_unavailable", {
		message: `${backend.kind} closed a connection of the rollback queue`,
		hint: "it is opened again as soon as the server answers",
		fields: { backend: backend.kind },
	});
}

export function queueLate({ backend }: QueueContext, deadlineMs: number): RetryableError {
	return new RetryableError("queue_unavailable", {
		message: `the rollback queue on ${backend.kind} did not answer within ${deadlineMs} ms`,
		hint: "the outcome is unknown; asking again is safe",
		fields: { backend: backend.kind, deadlineMs },
	});
}

export function queueUnavailable({ backend }: QueueContext, cause: unknown): RetryableError {
	const reason = cause instanceof Error ? cause.message : String(cause);
	return new RetryableError("queue_unavailable", {
		message: `the rollback queue on ${backend.kind} is not available: ${reason}`,
		hint:
			backend.kind === "postgres"
				? "check that Postgres runs, takes connections and lets this user create a schema"
				: "check that Redis runs and that REDIS_URL is right",
		fields: { backend: backend.kind },
		cause,
	});
}
