import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Logger } from "../../src/domain/logger.ts";
import type { ConsolidationRule } from "../../src/domain/namespace-settings.ts";
import { ConsolidationRunner } from "../../src/service/layers/consolidation-runner.ts";

const RULE: ConsolidationRule = {
	name: "patterns",
	layers: ["short_term"],
	groupBy: undefined,
	take: { kind: "function", name: "find" },
	everyBlocks: 1,
	halfLifeBlocks: undefined,
};

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

function open(find: () => Promise<readonly []>) {
	let asked = 0;
	const log = { warn: () => undefined, info: () => undefined } as unknown as Logger;
	const runner = new ConsolidationRunner({
		functions: () => ({
			patterns: () => {
				asked += 1;
				return find();
			},
		}),
		derivations: { sourcesOf: async () => new Map() },
		log,
	});
	const turn = () =>
		runner.consolidate({
			chainId: 1,
			namespace: "default",
			rule: RULE,
			height: 5n,
			members: [],
			existing: [],
		});
	return { turn, asked: () => asked };
}

test("a function that fails is left alone for a while, and longer each time", async () => {
	const { turn, asked } = open(() => Promise.reject(new RangeError("it broke")));
	expect(await turn()).toEqual([]);
	expect(await turn()).toEqual([]);
	expect(asked()).toBe(1);
	vi.advanceTimersByTime(30_000);
	await turn();
	expect(asked()).toBe(2);
	vi.advanceTimersByTime(30_000);
	await turn();
	expect(asked()).toBe(2);
	vi.advanceTimersByTime(30_000);
	await turn();
	expect(asked()).toBe(3);
});

test("one that answers again is asked at every turn", async () => {
	let works = false;
	const { turn, asked } = open(async () => {
		if (!works) throw new RangeError("it broke");
		return [];
	});
	await turn();
	works = true;
	vi.advanceTimersByTime(30_000);
	await turn();
	await turn();
	expect(asked()).toBe(3);
});
