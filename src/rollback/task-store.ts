/**
 * What fanned-out preparation asks of Postgres. The adapter is store/writing/postgres-task-store.ts.
 *
 * Tasks belong to one attempt. They are gone with it: a new claim, an end and the commit delete them in
 * their own transactions, so that a task of an attempt that was overtaken is nobody's.
 */
import type { RollbackId } from "../domain/ids.ts";

export interface AttemptOf {
	readonly rollbackId: RollbackId;
	readonly attempt: number;
}

/** One taking of a task. A later one has a higher `take`, and the earlier then counts for nothing. */
export interface TaskClaim extends AttemptOf {
	readonly task: number;
	readonly holder: string;
	/** From 1. */
	readonly take: number;
}

export interface TakenTask extends TaskClaim {
	/** JSON of what is to be done. */
	readonly body: string;
}

export interface OpenTasks {
	/** Not done, with those that somebody works on. */
	readonly open: number;
	/** Of these: taken as often as they may be, and nobody works on them. */
	readonly spent: number;
}

export interface TaskStore {
	/** Throws `RetryableError("rollback_fenced")` when the attempt is not the newest. */
	add(of: AttemptOf, bodies: readonly string[]): Promise<void>;
	/**
	 * Takes the first task that waits or whose claim lapsed, and that was taken less than `mostTakes` times.
	 * Undefined: there is none, or the attempt is not the newest any more.
	 */
	take(
		of: AttemptOf,
		by: { readonly holder: string; readonly ttlMs: number; readonly mostTakes: number },
	): Promise<TakenTask | undefined>;
	/** Nothing if the claim is another's by now. */
	renew(claim: TaskClaim, ttlMs: number): Promise<void>;
	/** Nothing if the claim is another's by now. */
	done(claim: TaskClaim): Promise<void>;
	/** Lets another take it at once. */
	giveBack(claim: TaskClaim): Promise<void>;
	/** Of an attempt that is not the newest any more: none. */
	open(of: AttemptOf, mostTakes: number): Promise<OpenTasks>;
	/** Attempts that have tasks to take; at most `limit`. */
	waiting(limit: number): Promise<readonly AttemptOf[]>;
}
