/** What a rollback's job does when something fails under it: its attempts are for failures of its own. */
import { expect, test } from "vitest";
import type { Clock } from "../../src/domain/clock.ts";
import { FatalError, RetryableError } from "../../src/domain/errors.ts";
import type { RollbackId } from "../../src/domain/ids.ts";
import type { BranchDeriver } from "../../src/rollback/branch-deriver.ts";
import type { RollbackCoordinator } from "../../src/rollback/coordinator.ts";
import { RollbackDispatch } from "../../src/rollback/dispatch.ts";
import type { RollbackJob, RollbackJobOutcome } from "../../src/rollback/rollback-queue.ts";
import { SILENT } from "../support/silent-log.ts";

const JOB: RollbackJob = {
	rollbackId: "11111111-1111-4111-8111-111111111111" as RollbackId,
	retries: 0,
};
/** Delivers one job whose record cannot be read. */
async function delivered(error: Error): Promise<RollbackJobOutcome> {
	const handlers: ((job: RollbackJob) => Promise<RollbackJobOutcome>)[] = [];
	const dispatch = new RollbackDispatch({
		queue: {
			backend: "redis",
			enqueue: async () => undefined,
			consume: async (handler) => void handlers.push(handler),
			close: async () => undefined,
		},
		outbox: {
			waiting: async () => [],
			unattended: async () => [],
			forget: async () => undefined,
		},
		coordinator: {
			store: { load: () => Promise.reject(error) },
		} as unknown as RollbackCoordinator,
		chain: () => undefined,
		inlineRollbacks: true,
		log: SILENT,
	});
	await dispatch.start();
	try {
		const [handler] = handlers;
		if (handler === undefined) throw new RangeError("nothing consumes");
		return await handler(JOB);
	} finally {
		await dispatch.stop();
	}
}

test("a database that is away puts the job off", async () => {
	const away = new RetryableError("database_unavailable", { message: "write EPIPE", hint: "wait" });
	expect(await delivered(away)).toEqual({ type: "later", delayMs: expect.any(Number) });
});

test("a defect ends the job", async () => {
	const defect = new FatalError("internal", { message: "no such column", hint: "report it" });
	await expect(delivered(defect)).rejects.toBe(defect);
});

test("whoever leads a chain hears of a rollback that nobody works on, also while the queue is away", async () => {
	const away = new RetryableError("queue_unavailable", { message: "refused", hint: "wait" });
	const warnings: string[] = [];
	const due: number[] = [];
	const dispatch = new RollbackDispatch({
		queue: {
			backend: "redis",
			enqueue: () => Promise.reject(away),
			consume: async () => undefined,
			close: async () => undefined,
		},
		outbox: {
			waiting: async () => [],
			unattended: async () => [1, 2, 3].map((chainId) => ({ ...JOB, chainId })),
			forget: async () => undefined,
		},
		coordinator: {} as RollbackCoordinator,
		chain: (chainId) => ({
			leads: chainId !== 2,
			deriver: {} as BranchDeriver,
			rollbackDue: () => void due.push(chainId),
		}),
		inlineRollbacks: true,
		log: { ...SILENT, warn: (_fields, message) => void warnings.push(message) },
	});
	await dispatch.start();
	for (let round = 0; round < 3; round += 1) {
		dispatch.relay();
		dispatch.sweep(0);
		await new Promise((resolve) => setTimeout(resolve, 1));
	}
	await dispatch.stop();
	expect(new Set(due)).toEqual(new Set([1, 3]));
	// Once, although the outbox is read in between and nothing fails there.
	expect(warnings).toHaveLength(1);
});

test("a stop waits for the tasks that were taken", async () => {
	const task = Promise.withResolvers<void>();
	const looks: (() => void)[] = [];
	const dispatch = new RollbackDispatch({
		queue: {
			backend: "redis",
			enqueue: async () => undefined,
			consume: async () => undefined,
			close: async () => undefined,
		},
		outbox: {
			waiting: async () => [],
			unattended: async () => [],
			forget: async () => undefined,
		},
		coordinator: {} as RollbackCoordinator,
		chain: () => undefined,
		inlineRollbacks: true,
		fanOut: { help: async () => "done", helpAll: () => task.promise },
		log: SILENT,
		clock: {
			every: (_ms: number, work: () => void) => {
				looks.push(work);
				return () => undefined;
			},
		} as unknown as Clock,
	});
	await dispatch.start();
	looks[0]?.();
	let isStopped = false;
	const stopping = dispatch.stop().then(() => {
		isStopped = true;
	});
	await new Promise((resolve) => setTimeout(resolve, 5));
	expect(isStopped).toBe(false);
	task.resolve();
	await stopping;
});
