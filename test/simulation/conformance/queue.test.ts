/** The simulated queue; the same cases on BullMQ are in test/integration/conformance-queue.test.ts. */
import { test } from "vitest";
import type { RollbackId } from "../../../src/domain/ids.ts";
import { Random } from "../../support/random.ts";
import { FakeQueueServer } from "../fakes/fake-queue-server.ts";
import { VirtualTime } from "../sim-clock.ts";
import { QUEUE_CASES, type QueueUnderTest } from "./queue-cases.ts";
import { rollbackId } from "./scribe.ts";

/** Longer than a lock and all retries take. */
const DEADLINE_MS = 60_000;
const STEP_MS = 20;
const QUIET_MS = 400;

function fakeQueue(): QueueUnderTest {
	const time = new VirtualTime();
	const random = new Random(1);
	const server = new FakeQueueServer({
		in: (ms, work) => time.in(ms, work),
		random: () => random.next(),
		timing: { lockMs: 3_000, stalledCheckMs: 1_000, backoffMs: 20 },
	});
	let opened = 0;
	const nameNext = () => {
		opened += 1;
		return `process ${opened}`;
	};
	return {
		open: async () => server.queue(nameNext()),
		openHolder: async () => {
			const name = nameNext();
			const held: RollbackId[] = [];
			await server.queue(name).consume((job) => {
				held.push(job.rollbackId);
				return new Promise(() => undefined);
			});
			return { held: () => held, kill: async () => server.kill(name) };
		},
		flush: async () => server.flush(),
		until: async (what, isSo) => {
			const deadlineMs = time.nowMs + DEADLINE_MS;
			while (!isSo()) {
				if (time.nowMs > deadlineMs) throw new Error(`${what}: not within ${DEADLINE_MS} ms`);
				await time.run(time.nowMs + STEP_MS);
			}
		},
		quiet: () => time.run(time.nowMs + QUIET_MS),
		id: () => rollbackId(random.between(1, 2 ** 40)),
	};
}

test.each(QUEUE_CASES)("$name", ({ run }) => run(fakeQueue()));
