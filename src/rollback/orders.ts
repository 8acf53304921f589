/**
 * What an operator may order of a rollback, and what becomes of it. Pure: the store asks on the locked row,
 * so that the row decides every race.
 *
 * pause: no stage begins any more; the chain goes on serving the generation that it has. resume: it goes
 * on. cancel: it ends, if it was asked for by hand. retry: one that failed is tried again. abandon: it is
 * given up, and the follower may record the same fork anew.
 */
import { FatalError, type RecantError, RetryableError } from "../domain/errors.ts";
import type { Generation } from "../domain/ids.ts";
import { isActive, type RollbackRecord } from "./rollback-record.ts";

export const ROLLBACK_ORDERS = ["pause", "resume", "cancel", "retry", "abandon"] as const;
export type RollbackOrder = (typeof ROLLBACK_ORDERS)[number];

/** What a retry has to fit. */
export interface Surroundings {
	readonly generation: Generation;
	/** Whether the ancestor is a block of the present generation. */
	readonly ancestorStands: boolean;
	/** The chain is read-only: nothing but a recovery's rollback is worked on. */
	readonly isHalted: boolean;
	/** Another rollback of the chain is active. */
	readonly isBusy: boolean;
	/** Whether the change set of the newest attempt is kept. */
	readonly isPrepared: boolean;
}

/** What is written; what a field is not named for stays. */
export type Obeyed =
	/** It is so already. */
	| { readonly type: "nothing" }
	/** `sends`: an outbox entry with it. */
	| { readonly type: "hold"; readonly paused: boolean; readonly sends: boolean }
	/** Ends, and what was prepared is deleted. */
	| { readonly type: "end"; readonly state: "cancelled" | "abandoned" }
	/** Active again, without error and failed stage, with one retry more and an outbox entry. */
	| { readonly type: "again"; readonly state: "recorded" | "prepared" };

/**
 * Throws `FatalError`: `rollback_over`, `rollback_not_failed`, `rollback_not_cancellable`,
 * `rollback_outdated`, `chain_halted`; and `RetryableError("chain_busy")`.
 */
export function obeyed(
	order: RollbackOrder,
	rollback: RollbackRecord,
	around: Surroundings,
): Obeyed {
	switch (order) {
		case "pause":
		case "resume":
			return held(rollback, order);
		case "cancel":
			if (!isActive(rollback.state)) throw over(rollback, order);
			if (rollback.cause !== "manual") throw notCancellable(rollback);
			return { type: "end", state: "cancelled" };
		case "retry":
			return retried(rollback, around);
		case "abandon":
			if (rollback.state !== "failed") throw notFailed(rollback, order);
			return { type: "end", state: "abandoned" };
	}
}

function held(rollback: RollbackRecord, order: "pause" | "resume"): Obeyed {
	if (!isActive(rollback.state)) throw over(rollback, order);
	const paused = order === "pause";
	return rollback.paused === paused
		? { type: "nothing" }
		: { type: "hold", paused, sends: !paused };
}

function retried(rollback: RollbackRecord, around: Surroundings): Obeyed {
	if (rollback.state !== "failed") throw notFailed(rollback, "retry");
	if (around.isHalted && rollback.recoveryId === undefined) throw halted(rollback);
	if (around.isBusy) throw busy(rollback);
	if (around.generation !== rollback.fromGeneration || !around.ancestorStands) {
		throw outdated(rollback, around.generation);
	}
	return { type: "again", state: around.isPrepared ? "prepared" : "recorded" };
}

function fieldsOf({ rollbackId, state }: RollbackRecord) {
	return { rollbackId, state };
}

function over(rollback: RollbackRecord, order: RollbackOrder): FatalError {
	return new FatalError("rollback_over", {
		message: `rollback ${rollback.rollbackId} is ${rollback.state}: there is nothing to ${order}`,
		hint:
			rollback.state === "failed"
				? "retry it, or abandon it"
				: "see the chain's rollbacks for what is under way",
		fields: fieldsOf(rollback),
	});
}

function notCancellable(rollback: RollbackRecord): FatalError {
	return new FatalError("rollback_not_cancellable", {
		message: `rollback ${rollback.rollbackId} follows a fork of the chain`,
		hint: "it would be recorded again, as the fork is still there; pause it instead",
		fields: fieldsOf(rollback),
	});
}

function notFailed(rollback: RollbackRecord, order: RollbackOrder): FatalError {
	return new FatalError("rollback_not_failed", {
		message: `rollback ${rollback.rollbackId} is ${rollback.state}: only one that failed can be ${order === "retry" ? "tried again" : "abandoned"}`,
		hint: isActive(rollback.state)
			? "it is under way; pause it, or if it was asked for by hand cancel it"
			: "see the chain's rollbacks for what is under way",
		fields: fieldsOf(rollback),
	});
}

/** It would stay active for as long as the halt lasts, and be in the way of every recovery. */
function halted({ rollbackId, chainId }: RollbackRecord): FatalError {
	return new FatalError("chain_halted", {
		message: `rollback ${rollbackId} cannot be tried again: chain ${chainId} is halted`,
		hint: "see why in the chain's status; `recant recover` shows what is possible",
		fields: { chainId },
	});
}

function busy({ rollbackId, chainId }: RollbackRecord): RecantError {
	return new RetryableError("chain_busy", {
		message: `rollback ${rollbackId} cannot be tried again: another one of chain ${chainId} is under way`,
		hint: "wait until that has ended; see the chain's rollbacks",
		fields: { chainId },
	});
}

function outdated(rollback: RollbackRecord, generation: Generation): FatalError {
	const { rollbackId, fromGeneration, ancestor, cause } = rollback;
	const found =
		generation === fromGeneration
			? `block ${ancestor.hash} is not the chain's any more`
			: `the chain is in generation ${generation}, not ${fromGeneration}`;
	const next =
		cause === "manual"
			? "ask for another one if it is still wanted"
			: "the follower sees to the fork";
	return new FatalError("rollback_outdated", {
		message: `rollback ${rollbackId} fits the chain no more: ${found}`,
		hint: `abandon it; ${next}`,
		fields: { ...fieldsOf(rollback), generation: generation.toString() },
	});
}
