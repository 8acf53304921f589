/** The breaker, the one more try, and what is told of them. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { RetryableError } from "../../src/domain/errors.ts";
import { Gate } from "../../src/resilience/gate.ts";
import { StoreGuard } from "../../src/resilience/store-guard.ts";
import { withinTime } from "../../src/resilience/time-limit.ts";

class Away extends Error {}

function makeGuard() {
	const said: string[] = [];
	const log = {
		info: (_fields: object, message: string) => said.push(message),
		warn: (_fields: object, message: string) => said.push(message),
	};
	const guard = new StoreGuard({
		name: "store",
		isAway: (error) => error instanceof Away,
		refusal: (why) => unavailable(`refused: ${why}`),
		log,
	});
	return { guard, said };
}

function unavailable(message: string): RetryableError {
	return new RetryableError("database_unavailable", { message, hint: "wait" });
}

async function fails(guard: StoreGuard, times: number): Promise<void> {
	for (let count = 0; count < times; count += 1) {
		await expect(guard.run(() => Promise.reject(new Away("no answer")))).rejects.toThrow();
	}
}

test("a store that fails five times in a row is not asked, and is asked again soon after", async () => {
	const { guard, said } = makeGuard();
	await fails(guard, 4);
	expect(guard.health()).toMatchObject({ state: "failing", breaker: "closed", failures: 4 });
	await fails(guard, 1);
	expect(guard.health()).toMatchObject({ state: "down", breaker: "open", lastError: "no answer" });
	let asked = 0;
	const ask = () =>
		guard.run(async () => {
			asked += 1;
			return "answer";
		});
	await expect(ask()).rejects.toMatchObject({ message: "refused: no answer" });
	expect(asked).toBe(0);
	await sleep(150);
	expect(await ask()).toBe("answer");
	expect(guard.health()).toMatchObject({ state: "up", breaker: "closed", failures: 0 });
	expect(guard.health().lastError).toBe("no answer");
	expect(said).toEqual(["a store is failing", "a store answers again"]);
});

test("while one request tries whether the store is back, the others wait for what it finds", async () => {
	const { guard } = makeGuard();
	await fails(guard, 5);
	await sleep(150);
	const tried = Promise.withResolvers<string>();
	let asked = 0;
	const work = () => {
		asked += 1;
		return tried.promise;
	};
	const answers = [guard.run(work), guard.run(work), guard.run(work)];
	await sleep(1);
	expect([asked, guard.health().breaker]).toEqual([1, "half_open"]);
	tried.resolve("answer");
	expect(await Promise.all(answers)).toEqual(["answer", "answer", "answer"]);
});

test("what the store itself refuses is an answer, and ends a row of failures", async () => {
	const { guard } = makeGuard();
	for (let round = 0; round < 3; round += 1) {
		await fails(guard, 4);
		const refusal = new RangeError("no such row");
		await expect(guard.run(() => Promise.reject(refusal))).rejects.toBe(refusal);
		expect(guard.health()).toMatchObject({ state: "up", breaker: "closed", failures: 0 });
	}
});

test("a read is tried again, a bounded number of times; anything else is sent once", async () => {
	const { guard } = makeGuard();
	let asked = 0;
	const work = async () => {
		asked += 1;
		if (asked < 3) throw new Away("no answer");
		return asked;
	};
	expect(await guard.read(work)).toBe(3);
	expect(guard.health().retries).toBe(2);
	asked = 0;
	await expect(guard.run(work)).rejects.toThrow(Away);
	expect(asked).toBe(1);
	asked = -10;
	await expect(guard.read(work)).rejects.toThrow(Away);
	expect(asked).toBe(-7);
});

test("a read that the breaker refuses is not tried again", async () => {
	const { guard } = makeGuard();
	await fails(guard, 5);
	const before = guard.health().retries;
	await expect(guard.read(async () => "answer")).rejects.toMatchObject({
		code: "database_unavailable",
	});
	expect(guard.health().retries).toBe(before);
});

test("a work that takes too long is given up, and told so", async () => {
	let told = false;
	const work = withinTime(
		20,
		(signal) =>
			new Promise((resolve) => {
				signal.addEventListener("abort", () => {
					told = true;
				});
				setTimeout(resolve, 5_000).unref();
			}),
		() => unavailable("too late"),
	);
	await expect(work).rejects.toMatchObject({ message: "too late" });
	expect(told).toBe(true);
});

test("a gate lets so many through, keeps so many waiting, and refuses the rest", async () => {
	const gate = new Gate({ running: 2, waiting: 1, full: () => unavailable("full") });
	const open = Promise.withResolvers<void>();
	const works = [1, 2, 3].map((n) => gate.run(() => open.promise.then(() => n)));
	expect(gate.health()).toEqual({ size: 2, busy: 2, waiting: 1 });
	await expect(gate.run(async () => 4)).rejects.toMatchObject({ message: "full" });
	open.resolve();
	expect(await Promise.all(works)).toEqual([1, 2, 3]);
	expect(gate.health()).toEqual({ size: 2, busy: 0, waiting: 0 });
});
