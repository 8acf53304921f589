import { describe, expect, test } from "vitest";
import type { RollbackId } from "../../src/domain/ids.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { QUEUE_TIMING } from "../../src/queue/queue-timing.ts";
import {
	parseRollbackPayload,
	redeliveryDelayMs,
	rollbackJobId,
	rollbackJobOptions,
	rollbackPayload,
} from "../../src/queue/rollback-job.ts";
import type { RollbackJob } from "../../src/rollback/rollback-queue.ts";

const ID = "0b5f2c1e-9d0a-4c57-8a33-6f1d2e4b7c90" as string as RollbackId;
const JOB: RollbackJob = { rollbackId: ID, retries: 0 };

describe("a rollback's job", () => {
	test("has an id that BullMQ takes: no integer, no colon", () => {
		expect(rollbackJobId(JOB)).toMatch(/^[a-z][^:]+$/);
	});

	test("is another one for each retry, so that one that is done does not swallow it", () => {
		expect(rollbackJobId({ ...JOB, retries: 1 })).not.toBe(rollbackJobId(JOB));
	});

	test("gets no more attempts than a rollback has", () => {
		expect(rollbackJobOptions(JOB, QUEUE_TIMING)).toMatchObject({
			jobId: rollbackJobId(JOB),
			attempts: LIMITS.rollbackAttempts,
			removeOnComplete: true,
			removeOnFail: true,
		});
	});

	test("is read back as it was written", () => {
		expect(parseRollbackPayload({ ...JOB, retries: 3 })).toEqual({ ...JOB, retries: 3 });
	});

	test("may be a reminder of tasks, which is another job and is not tried again", () => {
		const reminder = { ...JOB, help: { attempt: 2, nth: 1 } };
		expect(parseRollbackPayload(rollbackPayload(reminder))).toEqual(reminder);
		expect(rollbackJobId(reminder)).not.toBe(rollbackJobId(JOB));
		expect(rollbackJobId(reminder)).toMatch(/^[a-z][^:]+$/);
		expect(rollbackJobOptions(reminder, QUEUE_TIMING).attempts).toBe(1);
	});

	test("of before there were retries is that of the first time", () => {
		expect(parseRollbackPayload({ rollbackId: ID })).toEqual(JOB);
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
		{ ...JOB, retries: -1 },
		{ ...JOB, retries: "1" },
		{ ...JOB, help: { attempt: 1 } },
		{ ...JOB, help: "1" },
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
