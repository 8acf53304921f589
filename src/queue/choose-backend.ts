/** The backend that the settings name. */
import { FatalError } from "../domain/errors.ts";
import type { BullBackend } from "./bull-backend.ts";
import { createPostgresBullBackend } from "./postgres-backend.ts";
import type { QueueTiming } from "./queue-timing.ts";
import { createRedisBullBackend } from "./redis-backend.ts";

export type QueueBackendConfig =
	| {
			readonly kind: "postgres";
			/** `postgres://`, over TCP or with `?host=/directory&port=` over a Unix socket. */
			readonly databaseUrl: string;
	  }
	| {
			readonly kind: "redis";
			/** `redis://` or `rediss://`. */
			readonly redisUrl: string;
	  };

/** Leaves room for `_queue` in Postgres' 63 bytes of a name. */
const PREFIX = /^[a-z][a-z0-9_]{0,56}$/;

/** Throws `FatalError("configuration_invalid")` for a prefix that is no plain lower-case identifier. */
export function createBullBackend(
	config: QueueBackendConfig,
	prefix: string,
	timing: QueueTiming,
): BullBackend {
	if (!PREFIX.test(prefix)) {
		throw new FatalError("configuration_invalid", {
			message: `the queue's prefix ${JSON.stringify(prefix)} does not match ${PREFIX.source}`,
			hint: "use a letter, then letters, digits and underscores, at most 57, all in lower case",
			fields: { prefix },
		});
	}
	return config.kind === "postgres"
		? createPostgresBullBackend(config.databaseUrl, `${prefix}_queue`, timing)
		: createRedisBullBackend(config.redisUrl, `${prefix}:queue`, timing);
}
