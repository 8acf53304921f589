/** What a progress bar hears of a preparation that is fanned out, and what is heard when the process stops. */
import { expect, test } from "vitest";
import { type Clock, systemClock } from "../../src/domain/clock.ts";
import type { RollbackId } from "../../src/domain/ids.ts";
import { TASK_SIZES } from "../../src/rollback/embedding-task.ts";
import { FanOut } from "../../src/rollback/fan-out.ts";
import type { TakenTask, TaskStore } from "../../src/rollback/task-store.ts";
import type { Embedder } from "../../src/vectors/embedder.ts";
import { SILENT } from "../support/silent-log.ts";

const OF = { rollbackId: "11111111-1111-4111-8111-111111111111" as RollbackId, attempt: 1 };
test("the share of the texts that are done, here and elsewhere", async () => {
	const waiting: TakenTask[] = [];
	let tasks = 0;
	let done = 0;
	let tell: () => void = () => undefined;
	const store: Partial<TaskStore> = {
		add: async (of, bodies) => {
			tasks = bodies.length;
			for (const [task, body] of bodies.entries()) {
				waiting.push({ ...of, task, body, take: 1, holder: "here" });
			}
		},
		take: async () => waiting.shift(),
		done: async () => {
			done += 1;
		},
		open: async () => ({ open: tasks - done, spent: 0 }),
	};
	const clock: Clock = {
		...systemClock,
		every: (ms, work) => {
			// The claims' heartbeats are the slower ones.
			if (ms < 500) tell = work;
			return () => undefined;
		},
	};
	const shares: number[] = [];
	const texts = Array.from({ length: TASK_SIZES.leastTexts }, (_, index) => `text ${index}`);
	const embedder: Partial<Embedder> = {
		unknown: async (asked) => [...asked],
		embed: async (asked) => {
			tell();
			return asked.map(() => new Float32Array(1));
		},
	};
	const fanOut = new FanOut({
		store: store as TaskStore,
		embedder: embedder as Embedder,
		queue: { enqueue: async () => undefined },
		holder: "here",
		log: SILENT,
		clock,
	});
	await fanOut.embed(OF, texts, (share) => shares.push(share));
	expect(tasks).toBeGreaterThan(1);
	expect(done).toBe(tasks);
	expect(shares.length).toBeGreaterThan(1);
	expect(shares[0]).toBe(0);
	expect(shares).toEqual([...shares].sort());
	expect(shares.at(-1)).toBeLessThan(1);
});

test("a process that stops leaves the texts without saying that it was overtaken", async () => {
	const fanOut = new FanOut({
		store: { add: async () => undefined } as Partial<TaskStore> as TaskStore,
		embedder: { unknown: async (asked) => [...asked] } as Partial<Embedder> as Embedder,
		queue: { enqueue: async () => undefined },
		holder: "here",
		log: SILENT,
	});
	fanOut.stop();
	const texts = Array.from({ length: TASK_SIZES.leastTexts }, (_, index) => `text ${index}`);
	const refusal = { code: "not_ready", retryable: true };
	await expect(fanOut.embed(OF, texts)).rejects.toMatchObject(refusal);
});
