/** What an attempt's failure says: whether it may pass, and what of the attempt is still good; and its deadline. */
import type { Clock } from "../domain/clock.ts";
import { RecantError, RetryableError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { ChainState } from "../writer/chain-state.ts";
import type { ChangeSet } from "./change-set.ts";
import type { RollbackRecord, Stage } from "./rollback-record.ts";
import type { Failure } from "./rollback-store.ts";
import { wayOut } from "./way-out.ts";

/** Whether a change set that was whole is as good for the next try: what failed was not about it. */
export function keepsChanges(error: RecantError, stage: Stage): boolean {
	const isCommitting = stage === "verify" || stage === "commit";
	const isOutdated = error.code === "chain_busy" || error.code === "rollback_fenced";
	return isCommitting && error.retryable && !isOutdated;
}

/**
 * Whatever may pass says nothing about the rollback itself, but for a stage that failed without a
 * reason of ours or took too long. One that was made for another state is superseded when it follows a
 * fork, and never fits again when it was asked for by hand.
 */
export function isPassing(error: RecantError, { cause }: RollbackRecord): boolean {
	if (error.code === "rollback_fenced") return cause !== "manual";
	return error.retryable && error.code !== "rollback_interrupted";
}

/**
 * How it fails when its claim is taken from a holder that never gave it up once more, after it was so
 * LIMITS.rollbackTakeovers times: whatever ends those who work on it would end the next as well. Failures that
 * are thrown are counted where they are caught; who dies counts nothing. Undefined: it goes on.
 */
export function takenOverTooOften(rollback: RollbackRecord): Failure | undefined {
	const { takeovers, state } = rollback;
	if (takeovers < LIMITS.rollbackTakeovers) return undefined;
	const isPrepared = state === "prepared";
	const stage = rollback.stage ?? (isPrepared ? "verify" : "plan");
	const error = {
		code: "rollback_interrupted",
		message: `${takeovers + 1} processes in a row ended, or stood still, while they worked on it, the last in its stage ${stage}`,
		hint: `see how they ended: memory, a handler that ends the process, a supervisor; ${wayOut("rollback_interrupted", rollback)}`,
	};
	return { stage, error, keepsPrepared: isPrepared };
}

export function movedOn(
	{ rollbackId, chainId }: RollbackRecord,
	{ basePosition }: ChangeSet["batch"],
	{ logPosition }: ChainState,
): RetryableError {
	return new RetryableError("chain_busy", {
		message: `rollback ${rollbackId} was prepared at log position ${basePosition}, and the chain is at ${logPosition}`,
		hint: "the chain went on meanwhile; the rollback is prepared again",
		fields: {
			chainId,
			basePosition: basePosition.toString(),
			logPosition: logPosition.toString(),
		},
	});
}

/**
 * `onLate` is told before this rejects: nothing stops a promise, and what goes on would work beside the next
 * attempt.
 */
export async function withDeadline<Result>(
	work: Promise<Result>,
	limitMs: number,
	{ clock, onLate }: { readonly clock: Clock; readonly onLate: (error: RecantError) => void },
): Promise<Result> {
	const late = Promise.withResolvers<never>();
	const cancel = clock.after(limitMs, () => {
		const error = new RetryableError("rollback_interrupted", {
			message: `preparing took more than ${limitMs} ms`,
			hint: "check the node's and the database's latency",
		});
		onLate(error);
		late.reject(error);
	});
	try {
		return await Promise.race([work, late.promise]);
	} finally {
		cancel();
	}
}

export function asRecantError(cause: unknown): RecantError {
	if (cause instanceof RecantError) return cause;
	return new RetryableError("rollback_interrupted", {
		message: `a stage failed: ${cause instanceof Error ? cause.message : String(cause)}`,
		hint: "it is tried again; if this goes on, please report it with the log",
		cause,
	});
}
