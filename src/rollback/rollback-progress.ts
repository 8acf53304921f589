/** How fast a rollback's stage goes, and how long it still takes. Pure; from the row, so that every process answers the same. */
import { isActive, type RollbackRecord } from "./rollback-record.ts";

export interface Pace {
	/** Items a second; undefined until one is done. */
	readonly ratePerSecond: number | undefined;
	/** Milliseconds until the stage is done at that rate. */
	readonly etaMs: number | undefined;
}

const NO_PACE: Pace = { ratePerSecond: undefined, etaMs: undefined };

export function paceOf(stage: {
	readonly done: number;
	readonly total: number;
	readonly elapsedMs: number;
}): Pace {
	const { done, total, elapsedMs } = stage;
	if (done <= 0 || elapsedMs <= 0) return NO_PACE;
	const left = Math.max(0, total - done);
	return {
		ratePerSecond: Math.round((done / elapsedMs) * 100_000) / 100,
		etaMs: Math.round((elapsedMs / done) * left),
	};
}

/** Of the stage under way; nothing is said of one that nobody works on. */
export function progressOf(
	rollback: RollbackRecord,
): Pace & { readonly done: number; readonly total: number } {
	const { done, total, state, paused, stageStartedAt, readAt } = rollback;
	const isMoving = isActive(state) && !paused && stageStartedAt !== undefined;
	if (!isMoving) return { done, total, ...NO_PACE };
	const elapsedMs = readAt.getTime() - stageStartedAt.getTime();
	return { done, total, ...paceOf({ done, total, elapsedMs }) };
}
