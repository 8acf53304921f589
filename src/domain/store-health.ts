/** How one of the stores that Recant rests on is doing; the same shape for every store. */

/** closed: asked as usual. open: not asked at all. half_open: one request tries whether it is back. */
export type BreakerState = "closed" | "half_open" | "open";

export interface PoolHealth {
	/** Most that work at once. */
	readonly size: number;
	readonly busy: number;
	/** Pieces of work that wait for one. */
	readonly waiting: number;
}

export interface StoreHealth {
	readonly name: string;
	/** up: it answered last. failing: it did not, and is still asked. down: its breaker is not closed. */
	readonly state: "up" | "failing" | "down";
	readonly breaker: BreakerState;
	/** Since when it is in this state. */
	readonly since: Date;
	/** In a row; 0 while it is up. */
	readonly failures: number;
	/** Requests that were asked again, since the start of the process. */
	readonly retries: number;
	/** Stays after the store is back. */
	readonly lastError: string | undefined;
	/** Undefined for a store without a pool of ours. */
	readonly pool: PoolHealth | undefined;
}
