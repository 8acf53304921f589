/**
 * How often each of many may do something: a bucket each, which fills evenly and holds what a minute brings.
 */

const MINUTE_MS = 60_000;

interface Bucket {
	/** Fractions are saved up. */
	tokens: number;
	/** When that was so. */
	at: number;
}

export class TokenBuckets {
	readonly #buckets = new Map<string, Bucket>();
	readonly #now: () => number;

	/** `now`: milliseconds that only rise. */
	constructor(now: () => number = () => performance.now()) {
		this.#now = now;
	}

	/** Takes one; 0, or milliseconds until there is one. */
	take(id: string, perMinute: number): number {
		const now = this.#now();
		const bucket = this.#buckets.get(id) ?? { tokens: perMinute, at: now };
		const perMs = perMinute / MINUTE_MS;
		const tokens = Math.min(perMinute, bucket.tokens + (now - bucket.at) * perMs);
		const left = tokens >= 1 ? tokens - 1 : tokens;
		this.#buckets.set(id, { tokens: left, at: now });
		return tokens >= 1 ? 0 : (1 - tokens) / perMs;
	}

	/** Forgets those that are not among these. */
	keep(ids: ReadonlySet<string>): void {
		for (const id of this.#buckets.keys()) if (!ids.has(id)) this.#buckets.delete(id);
	}
}
