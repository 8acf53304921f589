/** The times by which a queue recovers. In milliseconds. */
export interface QueueTiming {
	/**
	 * How long a job stays its worker's without being renewed; renewed at half of it. A worker that
	 * blocks its event loop for longer loses the job, and the rollback is delivered twice.
	 */
	readonly lockMs: number;
	/** How often each consumer looks for jobs whose lock has lapsed. */
	readonly stalledCheckMs: number;
	/** Wait before the first retry of a job; it doubles with each, less up to half at random. */
	readonly backoffMs: number;
	/** How long opening or closing a connection may take. */
	readonly connectMs: number;
	/** Pause before the backend is asked again after it failed: quick to recover, no spinning. */
	readonly reconnectMs: number;
}

/**
 * A chain stands still while nobody works on its rollback, so a dead worker's job must move within
 * five seconds: at most the lock and one check. (Measured over 16 kills: 1.6 to 4.3 s; with a lock of
 * 5 s and a check every 2.5 s, 3.5 to 7.3 s. BullMQ's own are 30 s each.) Much shorter, and an
 * ordinary pause, such as a large synchronous hash or a full collection of garbage, would lose the
 * lock.
 *
 * The retries wait up to 1, 2, 4 and 8 s: longer than an RPC node takes to come back from a restart.
 */
export const QUEUE_TIMING: QueueTiming = {
	lockMs: 3_000,
	stalledCheckMs: 1_000,
	backoffMs: 1_000,
	connectMs: 10_000,
	reconnectMs: 500,
};
