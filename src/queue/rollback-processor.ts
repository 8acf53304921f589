/** Turns what a handler returns or throws into what BullMQ does with the job. */
import { DelayedError, type Job, UnrecoverableError, WaitingError } from "bullmq";
import { FatalError } from "../domain/errors.ts";
import type { RollbackJob, RollbackJobOutcome } from "../rollback/rollback-queue.ts";
import { parseRollbackPayload, type RollbackPayload, redeliveryDelayMs } from "./rollback-job.ts";

export type RollbackHandler = (job: RollbackJob) => Promise<RollbackJobOutcome>;

export interface RollbackProcessor {
	process(job: Job<RollbackPayload>, token: string | undefined): Promise<void>;
	/** Jobs that come from now on go back untouched. Resolves when none is under way any more. */
	drain(): Promise<void>;
	/** Jobs that are being handled. */
	readonly running: number;
}

export function createRollbackProcessor(handler: RollbackHandler): RollbackProcessor {
	const running = new Set<Promise<void>>();
	let draining = false;
	return {
		async process(job, token) {
			if (draining) return giveBack(job, token);
			const work = handle(job, token, handler);
			running.add(work);
			try {
				await work;
			} finally {
				running.delete(work);
			}
		},
		async drain() {
			draining = true;
			await Promise.allSettled(running);
		},
		get running() {
			return running.size;
		},
	};
}

async function handle(
	job: Job<RollbackPayload>,
	token: string | undefined,
	handler: RollbackHandler,
): Promise<void> {
	const outcome = await runHandler(job, handler);
	if (outcome.type === "done") return;
	await job.moveToDelayed(Date.now() + redeliveryDelayMs(outcome.delayMs), token);
	// Tells BullMQ that the job was moved already: no attempt is used up.
	throw new DelayedError();
}

/** A worker that is ending may still be handed the job that it was waiting for. */
async function giveBack(job: Job<RollbackPayload>, token: string | undefined): Promise<never> {
	await job.moveToWait(token);
	throw new WaitingError();
}

async function runHandler(
	job: Job<RollbackPayload>,
	handler: RollbackHandler,
): Promise<RollbackJobOutcome> {
	try {
		return await handler(parseRollbackPayload(job.data));
	} catch (cause) {
		throw cause instanceof FatalError ? unrecoverable(cause) : cause;
	}
}

/** The one place where our fatal root becomes BullMQ's: such a job is not tried again. */
function unrecoverable(cause: FatalError): UnrecoverableError {
	const error = new UnrecoverableError(`${cause.code}: ${cause.message}`);
	error.cause = cause;
	return error;
}
