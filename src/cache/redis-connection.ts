/**
 * The working memory's connection to Redis, which may be away at any time: nothing waits for it.
 *
 * Commands are answered within LIMITS.redisRequestMs or fail; none is kept for later, sent again by
 * itself, or sent twice. Whoever keeps something in Redis hears of every connection that is lost.
 */
import { Redis } from "ioredis";
import { RetryableError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { StoreHealth } from "../domain/store-health.ts";
import { type GuardLog, StoreGuard } from "../resilience/store-guard.ts";
import { withinTime } from "../resilience/time-limit.ts";

const CONNECT_MS = 2_000;
/** Between two tries to connect: doubled from the first to the most, less up to half at random. */
const RECONNECT_MS = { first: 50, most: 2_000 };
const MOST_DOUBLINGS = 8;

export class RedisConnection {
	readonly #redis: Redis;
	readonly #guard: StoreGuard;
	readonly #watching = new Set<() => void>();
	#open = false;
	#closed = false;

	constructor(url: string, log: GuardLog) {
		this.#guard = new StoreGuard({
			name: "redis",
			isAway: () => true,
			refusal: unavailable,
			log,
		});
		this.#redis = new Redis(url, {
			connectTimeout: CONNECT_MS,
			enableOfflineQueue: false,
			autoResendUnfulfilledCommands: false,
			maxRetriesPerRequest: 0,
			retryStrategy: reconnectMs,
			keepAlive: CONNECT_MS,
		});
		this.#redis.on("ready", () => {
			this.#open = true;
			this.#guard.found();
		});
		this.#redis.on("close", () => {
			// One that was never open has said by an error why not, which tells more.
			if (this.#open) this.#lost("the connection is closed");
			this.#open = false;
		});
		this.#redis.on("error", (error: Error) => this.#lost(error.message));
	}

	/** True: commands are sent. */
	get isReady(): boolean {
		return this.#redis.status === "ready";
	}

	/** Sends commands. Throws `RetryableError("redis_unavailable")`; what was sent may take effect. */
	async ask<Answer>(work: (redis: Redis) => Promise<Answer>): Promise<Answer> {
		const limitMs = LIMITS.redisRequestMs;
		const late = () => unavailable(`no answer within ${limitMs} ms`);
		return this.#guard.run(() => withinTime(limitMs, () => work(this.#redis), late));
	}

	/** Calls back whenever a connection is lost; answers how to stop that. */
	onLost(callback: () => void): () => void {
		this.#watching.add(callback);
		return () => this.#watching.delete(callback);
	}

	/** Asks whether it is there; never fails. */
	async probe(): Promise<void> {
		if (!this.isReady) return;
		await this.ask((redis) => redis.ping()).catch(() => undefined);
	}

	health(): StoreHealth {
		return this.#guard.health();
	}

	close(): void {
		this.#closed = true;
		this.#redis.disconnect();
	}

	#lost(reason: string): void {
		if (this.#closed) return;
		this.#guard.lost(new Error(reason));
		for (const callback of this.#watching) callback();
	}
}

function reconnectMs(attempt: number): number {
	const doubled = RECONNECT_MS.first * 2 ** Math.min(attempt, MOST_DOUBLINGS);
	return Math.min(doubled, RECONNECT_MS.most) * (0.5 + Math.random() / 2);
}

function unavailable(reason: string): RetryableError {
	return new RetryableError("redis_unavailable", {
		message: `Redis is not available: ${reason}`,
		hint: "reads come from Postgres meanwhile; check that Redis runs and that REDIS_URL is right",
	});
}
