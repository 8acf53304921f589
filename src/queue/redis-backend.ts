import { createRedisBackend } from "bullmq";
import type { BullBackend } from "./bull-backend.ts";
import type { QueueTiming } from "./queue-timing.ts";

/**
 * BullMQ on Redis. Redis must keep what it was told (append-only file, `maxmemory-policy
 * noeviction`); jobs that it loses are sent again from the outbox at the next start.
 */
export function createRedisBullBackend(
	redisUrl: string,
	keyPrefix: string,
	timing: QueueTiming,
): BullBackend {
	// Without keepalive, a server that vanished without a word would be waited for by the hour.
	const common = {
		url: redisUrl,
		keepAlive: timing.connectMs,
		retryStrategy: () => timing.reconnectMs,
	};
	return {
		kind: "redis",
		keyPrefix,
		// Without an offline queue a command fails at once while Redis is away, instead of being sent
		// long after its caller was told that it failed.
		producer: (name, options, how) => {
			const connection = { ...common, enableOfflineQueue: false };
			return createRedisBackend(name, { ...options, connection }, how);
		},
		// A consumer blocks in Redis for seconds, so a command of its must never be given up.
		consumer: (name, options, how) => {
			const connection = { ...common, maxRetriesPerRequest: null };
			return createRedisBackend(name, { ...options, connection }, how);
		},
		async prepare() {
			// Redis has no schema.
		},
	};
}
