/** Tasks of a fanned-out preparation. */
import { expect } from "vitest";
import { NO_COUNTS } from "../../../src/rollback/rollback-record.ts";
import { unchangedBy } from "./commit-cases.ts";
import { claimed, recorded } from "./rollback-cases.ts";
import { rollbackId } from "./scribe.ts";
import type { ConformanceCase, StoresUnderTest } from "./stores-under-test.ts";

const OF = { rollbackId: rollbackId(1), attempt: 1 };
const TTL_MS = 10_000;
const MOST = 3;

function takeAs({ ports: { tasks } }: StoresUnderTest, holder: string) {
	return tasks.take(OF, { holder, ttlMs: TTL_MS, mostTakes: MOST });
}

export const TASK_CASES: readonly ConformanceCase[] = [
	{
		name: "tasks are taken in order, each by one",
		run: async (stores) => {
			await claimed(stores);
			await stores.ports.tasks.add(OF, ["first", "second"]);
			expect(await takeAs(stores, "one")).toEqual({
				...OF,
				task: 1,
				take: 1,
				body: "first",
				holder: "one",
			});
			expect(await takeAs(stores, "other")).toMatchObject({ task: 2, body: "second" });
			expect(await takeAs(stores, "third")).toBeUndefined();
		},
	},
	{
		name: "tasks are added to the newest attempt that prepares, and to none else",
		run: async (stores) => {
			await recorded(stores);
			const fenced = { code: "rollback_fenced" };
			await unchangedBy(stores, () => stores.ports.tasks.add(OF, ["a"]), fenced);
			await stores.ports.rollbacks.claim(OF.rollbackId, "one", TTL_MS);
			const next = { ...OF, attempt: 2 };
			await unchangedBy(stores, () => stores.ports.tasks.add(next, ["a"]), fenced);
		},
	},
	{
		name: "a claim that lapsed is another's, and the first one's word counts no more",
		run: async (stores) => {
			await claimed(stores);
			const { tasks } = stores.ports;
			await tasks.add(OF, ["first"]);
			const first = await takeAs(stores, "one");
			await stores.pass(TTL_MS + 1);
			expect(await takeAs(stores, "other")).toMatchObject({ task: 1, take: 2 });
			if (first === undefined) throw new RangeError("nothing was taken");
			await tasks.done(first);
			await tasks.renew(first, 99_000);
			await tasks.giveBack(first);
			expect(await tasks.open(OF, MOST)).toEqual({ open: 1, spent: 0 });
			expect(await takeAs(stores, "third")).toBeUndefined();
		},
	},
	{
		name: "of two takings by one holder only the later one's word counts",
		run: async (stores) => {
			await claimed(stores);
			const { tasks } = stores.ports;
			await tasks.add(OF, ["first"]);
			const first = await takeAs(stores, "one");
			await stores.pass(TTL_MS + 1);
			const second = await takeAs(stores, "one");
			if (first === undefined || second === undefined) throw new RangeError("nothing was taken");
			await tasks.done(first);
			expect(await tasks.open(OF, MOST)).toEqual({ open: 1, spent: 0 });
			await tasks.done(second);
			expect(await tasks.open(OF, MOST)).toEqual({ open: 0, spent: 0 });
		},
	},
	{
		name: "a claim that is renewed does not lapse",
		run: async (stores) => {
			await claimed(stores);
			const { tasks } = stores.ports;
			await tasks.add(OF, ["first"]);
			const taken = await takeAs(stores, "one");
			if (taken === undefined) throw new RangeError("nothing was taken");
			await stores.pass(TTL_MS - 1_000);
			await tasks.renew(taken, TTL_MS);
			await stores.pass(TTL_MS - 1_000);
			expect(await takeAs(stores, "other")).toBeUndefined();
		},
	},
	{
		name: "what is given back can be taken at once, and counts as a taking",
		run: async (stores) => {
			await claimed(stores);
			const { tasks } = stores.ports;
			await tasks.add(OF, ["first"]);
			for (const take of [1, 2, 3]) {
				const taken = await takeAs(stores, "one");
				expect(taken?.take).toBe(take);
				if (taken !== undefined) await tasks.giveBack(taken);
			}
			expect(await takeAs(stores, "one")).toBeUndefined();
			expect(await tasks.open(OF, MOST)).toEqual({ open: 1, spent: 1 });
		},
	},
	{
		name: "one that somebody works on is not spent before its claim lapses",
		run: async (stores) => {
			await claimed(stores);
			const { tasks } = stores.ports;
			await tasks.add(OF, ["first"]);
			await tasks.take(OF, { holder: "one", ttlMs: TTL_MS, mostTakes: 1 });
			expect(await tasks.open(OF, 1)).toEqual({ open: 1, spent: 0 });
			await stores.pass(TTL_MS + 1);
			expect(await tasks.open(OF, 1)).toEqual({ open: 1, spent: 1 });
		},
	},
	{
		name: "what is done is not open, and not taken again",
		run: async (stores) => {
			await claimed(stores);
			const { tasks } = stores.ports;
			await tasks.add(OF, ["first"]);
			const taken = await takeAs(stores, "one");
			if (taken !== undefined) await tasks.done(taken);
			await stores.pass(TTL_MS + 1);
			expect(await takeAs(stores, "other")).toBeUndefined();
			expect(await tasks.open(OF, MOST)).toEqual({ open: 0, spent: 0 });
			expect(await tasks.waiting(9)).toEqual([]);
		},
	},
	{
		name: "attempts with tasks to take are known, until they prepare no more",
		run: async (stores) => {
			await claimed(stores);
			const { tasks, rollbacks } = stores.ports;
			await tasks.add(OF, ["first", "second"]);
			expect(await tasks.waiting(9)).toEqual([OF]);
			await takeAs(stores, "one");
			await takeAs(stores, "other");
			expect(await tasks.waiting(9)).toEqual([]);
			await stores.pass(TTL_MS + 1);
			expect(await tasks.waiting(9)).toEqual([OF]);
			await rollbacks.prepared(OF.rollbackId, 1, { parts: [], counts: NO_COUNTS });
			expect(await tasks.waiting(9)).toEqual([]);
			expect((await stores.dump())["rollback_tasks"]).toEqual([]);
		},
	},
	{
		name: "tasks of an attempt that was overtaken are nobody's",
		run: async (stores) => {
			await claimed(stores);
			const { tasks, rollbacks } = stores.ports;
			await tasks.add(OF, ["first"]);
			await rollbacks.claim(OF.rollbackId, "one", TTL_MS);
			expect(await takeAs(stores, "one")).toBeUndefined();
			expect(await tasks.open(OF, MOST)).toEqual({ open: 0, spent: 0 });
		},
	},
];
