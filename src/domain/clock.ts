/**
 * Time and chance, as whatever waits or measures takes them. The service has `systemClock`; a simulation
 * has one of its own, by which one seed gives one run.
 */
import { setTimeout as sleep } from "node:timers/promises";

export interface Clock {
	/** Milliseconds on a clock that never goes back; its zero means nothing. */
	now(): number;
	/** Milliseconds since the epoch; may jump. */
	wallMs(): number;
	/** Resolves after `ms`, at once when the signal is aborted; never rejects. */
	sleep(ms: number, signal?: AbortSignal): Promise<void>;
	/** Calls `work` once after `ms`; the answer takes it back. Does not keep a process alive. */
	after(ms: number, work: () => void): () => void;
	/** Calls `work` every `ms`; the answer ends it. Does not keep a process alive. */
	every(ms: number, work: () => void): () => void;
	/** In [0, 1). For jitter alone. */
	random(): number;
}

export const systemClock: Clock = {
	now: () => performance.now(),
	wallMs: () => Date.now(),
	sleep: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => undefined),
	after: (ms, work) => {
		const timer = setTimeout(work, ms).unref();
		return () => clearTimeout(timer);
	},
	every: (ms, work) => {
		const timer = setInterval(work, ms).unref();
		return () => clearInterval(timer);
	},
	random: () => Math.random(),
};

/**
 * As `every`, but nothing is begun while the last is under way: of work that hangs there is one, and not one
 * more each time. `work` must not reject.
 */
export function everyInTurn(clock: Clock, ms: number, work: () => Promise<void>): () => void {
	let isWorking = false;
	return clock.every(ms, () => {
		if (isWorking) return;
		isWorking = true;
		void work().finally(() => {
			isWorking = false;
		});
	});
}
