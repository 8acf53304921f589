import { describe, expect, test } from "vitest";
import type { RollbackId } from "../../src/domain/ids.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { QUEUE_TIMING } from "../../src/queue/queue-timing.ts";
import {
	parseRollbackPayload,
	redeliveryDelayMs,
	rollbackJobId,
	rollbackJobOptions,
} from "../../src/queue/rollback-job.ts";

const ID = "0b5f2c1e-9d0a-4c57-8a33-6f1d2e4b7c90" as string as RollbackId;

describe("a rollback's job", () => {
	test("has an id that BullMQ takes: no integer, no colon", () => {
		expect(rollbackJobId(ID)).toMatch(/^[a-z][^:]+$/);
	});

	test("gets no more attempts than a rollback has", () => {
		expect(rollbackJobOptions(ID, QUEUE_TIMING)).toMatchObject({
			jobId: rollbackJobId(ID),
			attempts: LIMITS.rollbackAttempts,
			removeOnComplete: { count: LIMITS.queueFinishedJobs },
			removeOnFail: true,
		});
	});

	test("is read back as it was written", () => {
		expect(parseRollbackPayload({ rollbackId: ID })).toEqual({ rollbackId: ID });
	});

	test.each([
		undefined,
		null,
		ID,
		{},
		{ rollbackId: 7 },
		{ rollbackId: "" },
		{ rollbackId: ID.toUpperCase() },
		{ rollbackId: `${ID}:0` },
	])("is refused for good when it holds %j", (data) => {
		expect(() => parseRollbackPayload(data)).toThrow(
			expect.objectContaining({ code: "internal", retryable: false }),
		);
	});
});

describe("the wait of a job that is put off", () => {
	test.each([
		[-1, LIMITS.redeliveryMinMs],
		[0, LIMITS.redeliveryMinMs],
		[250.2, 251],
		[Number.POSITIVE_INFINITY, LIMITS.redeliveryMaxMs],
	])("of %d ms becomes %d", (askedMs, delayMs) => {
		expect(redeliveryDelayMs(askedMs)).toBe(delayMs);
	});
});

test("a killed worker's job is free within five seconds: its lock and one check", () => {
	expect(QUEUE_TIMING.lockMs + QUEUE_TIMING.stalledCheckMs).toBeLessThan(5_000);
});
