import { expect, test } from "vitest";
import { RoundLoop } from "../../src/follower/round-loop.ts";
import { until } from "../support/until.ts";

/** Rounds that end as `outcomes` say, in order; then well. */
function loopOf(outcomes: ("ok" | "fatal" | "passing")[]) {
	let rounds = 0;
	const loop = new RoundLoop({
		round: async () => {
			rounds += 1;
			const outcome = outcomes.shift() ?? "ok";
			if (outcome !== "ok") throw new Error(outcome);
		},
		onFailure: (error) => (error as Error).message === "passing",
	});
	return { loop, rounds: () => rounds };
}

test("a loop that failed for good stands until something was done about it", async () => {
	const { loop, rounds } = loopOf(["fatal"]);
	loop.poke();
	await until("the first round has failed", async () => rounds() === 1);
	loop.poke();
	loop.poke();
	await new Promise((resolve) => setImmediate(resolve));
	expect(rounds(), "a new head changes nothing").toBe(1);
	loop.now();
	await until("it runs again", async () => rounds() === 2);
	loop.poke();
	await until("it goes on", async () => rounds() === 3);
	await loop.stop();
});

test("a loop that was stopped does not begin again", async () => {
	const { loop, rounds } = loopOf([]);
	loop.poke();
	await until("a round", async () => rounds() === 1);
	await loop.stop();
	loop.now();
	await new Promise((resolve) => setImmediate(resolve));
	expect(rounds()).toBe(1);
	expect(loop.isStopped).toBe(true);
});

test("a failure that may pass is tried again by itself", async () => {
	const { loop, rounds } = loopOf(["passing"]);
	loop.poke();
	await until("it is tried again", async () => rounds() === 2);
	expect(loop.isStopped).toBe(false);
	await loop.stop();
});
