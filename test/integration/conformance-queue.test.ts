/** BullMQ on Redis and on Postgres keeps the rules that the simulated queue keeps. */
import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { describe, test } from "vitest";
import { startProcess } from "../../scripts/support/child-process.ts";
import type { RollbackId } from "../../src/domain/ids.ts";
import type { QueueBackendConfig } from "../../src/queue/choose-backend.ts";
import { QUEUE_TIMING } from "../../src/queue/queue-timing.ts";
import { createRollbackQueue } from "../../src/queue/rollback-queue.ts";
import { QUEUE_CASES, type QueueUnderTest } from "../simulation/conformance/queue-cases.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { redisUrl } from "../support/redis.ts";
import { atTestEnd } from "../support/test-end.ts";
import { until } from "../support/until.ts";

const QUIET_MS = 400;
const HOLDER = fileURLToPath(new URL("../support/queue-consumer.ts", import.meta.url));

async function realQueue(kind: QueueBackendConfig["kind"]): Promise<QueueUnderTest> {
	const prefix = `test_${randomBytes(6).toString("hex")}`;
	const databaseUrl = kind === "postgres" ? (await createTestDatabase("queue")).url : "";
	const backend: QueueBackendConfig =
		kind === "redis" ? { kind, redisUrl: redisUrl() } : { kind, databaseUrl };
	return {
		open: async () => {
			const timing = { ...QUEUE_TIMING, backoffMs: 20 };
			const queue = await createRollbackQueue({ backend, prefix, timing });
			atTestEnd(() => queue.close(0));
			return queue;
		},
		openHolder: () => openHolder(backend, prefix),
		flush: () => flushRedis(prefix),
		until: async (what, isSo) => {
			await until(what, isSo);
		},
		quiet: () => pause(QUIET_MS),
		id: () => randomUUID() as string as RollbackId,
	};
}

async function openHolder(backend: QueueBackendConfig, prefix: string) {
	const holder = await startProcess({
		name: "queue consumer",
		command: process.execPath,
		args: [HOLDER, JSON.stringify({ backend, prefix })],
		readyPattern: /ready/,
	});
	atTestEnd(() => holder.stop());
	const said = /holding (\S+)/g;
	return {
		held: () => [...holder.output().matchAll(said)].map(([, id]) => id as RollbackId),
		kill: async () => {
			process.kill(holder.pid, "SIGKILL");
		},
	};
}

/** As FLUSHALL, for this test's part of a server that others use too. */
async function flushRedis(prefix: string): Promise<void> {
	const redis = new Redis(redisUrl());
	try {
		const keys = await redis.keys(`*${prefix}*`);
		if (keys.length > 0) await redis.del(...keys);
	} finally {
		await redis.quit();
	}
}

describe.each(["redis", "postgres"] as const)("%s", (kind) => {
	// Nobody wipes a part of Postgres.
	const cases = QUEUE_CASES.filter(({ wipes }) => wipes !== true || kind === "redis");
	test.each(cases)("$name", async ({ run }) => run(await realQueue(kind)));
});
