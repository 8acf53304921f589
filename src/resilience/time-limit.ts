import { TaskCancelledError, TimeoutStrategy, timeout } from "cockatiel";
import type { RecantError } from "../domain/errors.ts";

/**
 * Waits for `work`, at most `limitMs`, then rejects with what `late` makes. The work is told by the
 * signal; what it does all the same may still take effect.
 */
export async function withinTime<Result>(
	limitMs: number,
	work: (signal: AbortSignal) => Promise<Result>,
	late: () => RecantError,
): Promise<Result> {
	const limit = timeout(limitMs, { strategy: TimeoutStrategy.Aggressive, abortOnReturn: false });
	try {
		return await limit.execute(({ signal }) => work(signal));
	} catch (error) {
		throw error instanceof TaskCancelledError ? late() : error;
	}
}
