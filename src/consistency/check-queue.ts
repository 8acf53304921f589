/**
 * Brings checks to whoever leads their chain: those that come by the clock, and those that were asked
 * of a process that does not lead. The adapter is queue/.
 *
 * Delivery is at least once and may be late. The clock makes its next tick when one is taken, so ticks
 * never pile up; what to do with one that comes while its chain is checked, the taker decides.
 */
import type { ChainId } from "../domain/ids.ts";
import type { Level } from "./finding.ts";

export type CheckJob =
	| { readonly kind: "tick"; readonly chainId: ChainId; readonly level: Level }
	| { readonly kind: "run"; readonly chainId: ChainId; readonly runId: string };

/** later: this process does not lead the chain; deliver again, to another if there is one. */
export type CheckJobOutcome = "done" | "later";

export interface CheckSchedule {
	readonly chainId: ChainId;
	readonly level: Level;
	/** Undefined: it does not come by the clock, and one that did is taken away. */
	readonly everyMs: number | undefined;
}

export interface CheckQueue {
	/**
	 * Sets the clocks and takes jobs from here on, as soon as the backend answers. Called once; never
	 * throws. `handler` undefined: jobs are only sent from here.
	 */
	start(
		schedules: readonly CheckSchedule[],
		handler: ((job: CheckJob) => Promise<CheckJobOutcome>) | undefined,
	): void;
	/** Throws `RetryableError("queue_unavailable")`. */
	enqueue(job: CheckJob): Promise<void>;
	/** Takes no more jobs, and gives those under way `deadlineMs`. Never throws. */
	close(deadlineMs: number): Promise<void>;
}
