/** How soon retention goes on where one step was not enough. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Logger } from "../../src/domain/logger.ts";
import type { ChainState } from "../../src/writer/chain-state.ts";
import { Retention } from "../../src/writer/retention.ts";

beforeEach(() => {
	vi.useFakeTimers();
});

afterEach(() => {
	vi.useRealTimers();
});

/** Retention with so many steps to do. */
function waiting(steps: number) {
	const done = { steps: 0 };
	const retention = new Retention({
		store: {
			prune: async () => {
				done.steps += 1;
				return done.steps < steps;
			},
		},
		logCutter: undefined,
		state: () =>
			({
				...{ chainId: 1, fence: 1n, head: { number: 9n }, finalized: 1n },
				...{ windowBlocks: 1_024, windowFrom: 0n },
			}) as ChainState,
		log: { warn: () => undefined } as unknown as Logger,
	});
	return { done, retention };
}

test("what is left is not put off to the next round", async () => {
	const { done, retention } = waiting(20);
	retention.start();
	await vi.advanceTimersByTimeAsync(4_000);
	expect(done.steps).toBe(0);
	await vi.advanceTimersByTimeAsync(6_000);
	expect(done.steps).toBe(20);
	await vi.advanceTimersByTimeAsync(30_000);
	expect(done.steps).toBe(21);
	await retention.stop();
	await vi.advanceTimersByTimeAsync(90_000);
	expect(done.steps).toBe(21);
});
