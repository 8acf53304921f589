/** The run's Redis server, shared by all tests; each keeps to a prefix of its own. */
import { randomBytes } from "node:crypto";
import { inject } from "vitest";

export function redisUrl(): string {
	return inject("redisUrl");
}

/** For the keys of one test, as BullMQ's `prefix`. The keys stay: the server ends with the run. */
export function testPrefix(): string {
	return `recant-test-${randomBytes(6).toString("hex")}`;
}
