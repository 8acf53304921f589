/** How many requests, and how many calls a second, a provider is given. */
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import { type Pass, RequestGate } from "../../src/rpc/request-gate.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { Random } from "../support/random.ts";
import { announcedSeed } from "../support/seed.ts";

async function passOf(gate: RequestGate, calls = 1): Promise<Pass> {
	const answer = await gate.enter(calls);
	if (answer.type !== "pass") throw new RangeError(`the gate is ${answer.type}`);
	return answer.pass;
}

const WELL = { isTooMuch: false };
const TOO_MUCH = { isTooMuch: true };

/** A provider that bears so many requests at once, for `rounds` of as many as the gate gives. */
async function bear(gate: RequestGate, clock: ManualClock, most: number, rounds: number) {
	let refused = 0;
	for (let round = 0; round < rounds; round += 1) {
		const { atMost } = gate.figures;
		const passes = await Promise.all(Array.from({ length: atMost }, () => passOf(gate)));
		clock.pass(10);
		for (const [index, pass] of passes.entries()) {
			refused += index < most ? 0 : 1;
			gate.leave(pass, { isTooMuch: index >= most });
		}
	}
	return refused;
}

describe("requests at once", () => {
	test("are let through up to the limit, and in their order beyond it", async () => {
		const gate = new RequestGate(new ManualClock());
		const passes = await Promise.all(Array.from({ length: 32 }, () => passOf(gate)));
		const order: number[] = [];
		const waiting = [1, 2, 3].map((which) => passOf(gate).then(() => order.push(which)));
		await Promise.resolve();
		expect(gate.figures).toEqual({ atMost: 32, underWay: 32, waiting: 3 });
		for (const pass of passes.slice(0, 3)) gate.leave(pass, WELL);
		await Promise.all(waiting);
		expect(order).toEqual([1, 2, 3]);
	});

	test("come down to what is borne, and stay near it", async () => {
		const clock = new ManualClock();
		const gate = new RequestGate(clock);
		await bear(gate, clock, 10, 30);
		expect(gate.figures.atMost).toBeLessThanOrEqual(11);
		expect(gate.figures.atMost).toBeGreaterThanOrEqual(5);
		const refused = await bear(gate, clock, 10, 100);
		// Now and then one more is tried: far less than one of ten.
		expect(refused).toBeLessThan(30);
	});

	test("grow again, up to a limit, where more is borne", async () => {
		const clock = new ManualClock();
		const gate = new RequestGate(clock);
		await bear(gate, clock, 1, 10);
		await bear(gate, clock, 1_000, 200);
		expect(gate.figures.atMost).toBe(LIMITS.rpcRequests);
	});

	test("do not grow by requests that met no limit", async () => {
		const gate = new RequestGate(new ManualClock());
		for (let call = 0; call < 500; call += 1) gate.leave(await passOf(gate), WELL);
		expect(gate.figures.atMost).toBe(32);
	});

	test("that were too many together count once, and one always gets through", async () => {
		const clock = new ManualClock();
		const gate = new RequestGate(clock);
		const passes = await Promise.all(Array.from({ length: 32 }, () => passOf(gate)));
		clock.pass(10);
		for (const pass of passes) gate.leave(pass, TOO_MUCH);
		expect(gate.figures.atMost).toBe(16);
		for (let round = 0; round < 20; round += 1) {
			clock.pass(10);
			const pass = await passOf(gate);
			clock.pass(10);
			gate.leave(pass, TOO_MUCH);
		}
		expect(gate.figures.atMost).toBe(1);
	});

	test("wait up to a limit, and are told when the gate is closed", async () => {
		const gate = new RequestGate(new ManualClock());
		await Promise.all(Array.from({ length: 32 }, () => passOf(gate)));
		const waiting = Array.from({ length: LIMITS.rpcWaitingRequests }, () => gate.enter(1));
		expect(await gate.enter(1)).toEqual({ type: "full" });
		gate.close();
		expect(new Set((await Promise.all(waiting)).map(({ type }) => type))).toEqual(
			new Set(["closed"]),
		);
		expect(await gate.enter(1)).toEqual({ type: "closed" });
	});
});

describe("calls a second", () => {
	test("are not limited until a provider says that it does", async () => {
		const gate = new RequestGate(new ManualClock());
		for (let call = 0; call < 10_000; call += 1) gate.leave(await passOf(gate, 100), WELL);
		expect(gate.callsPerSecond).toBeUndefined();
		expect(gate.mostCalls).toBe(LIMITS.rpcBatchCalls);
	});

	test("come down to what is borne, are not exceeded, and lose nothing", async () => {
		const seed = announcedSeed("test/unit/rpc-request-gate.test.ts");
		const random = new Random(seed);
		const clock = new ManualClock();
		const gate = new RequestGate(clock);
		const server = new LimitedServer(clock, 50);
		let refused = 0;
		for (let sent = 0; sent < 3_000; ) {
			const calls = Math.min(gate.mostCalls, random.between(1, 20));
			const entering = gate.enter(calls);
			// What waits is let in by time alone.
			for (let ms = 0; gate.figures.waiting > 0 && ms < 5_000; ms += 5) clock.pass(5);
			const answer = await entering;
			if (answer.type !== "pass") throw new RangeError(`the gate is ${answer.type}`);
			clock.pass(1);
			if (server.takes(calls)) sent += calls;
			else {
				refused += 1;
				gate.limitRate(answer.pass);
				clock.pass(500);
			}
			gate.leave(answer.pass, WELL);
		}
		expect(refused, `seed ${seed}`).toBeLessThan(25);
		// A minute at 50 a second is the best there is.
		expect(clock.now()).toBeLessThan(120_000);
	});

	test("are given free again by a provider that bears more, soon where it refused once", async () => {
		for (const [refusals, mostSeconds] of [
			[1, 60],
			[2, 100],
		] as const) {
			const clock = new ManualClock();
			const gate = new RequestGate(clock);
			for (let refusal = 0; refusal < refusals; refusal += 1) {
				clock.pass(2_000);
				const entering = gate.enter(10);
				clock.pass(10_000);
				const answer = await entering;
				if (answer.type !== "pass") throw new RangeError(`the gate is ${answer.type}`);
				clock.pass(1);
				gate.limitRate(answer.pass);
				gate.leave(answer.pass, WELL);
			}
			expect(gate.callsPerSecond).toBeLessThanOrEqual(10);
			let seconds = 0;
			for (; gate.callsPerSecond !== undefined && seconds < 1_000; seconds += 1) {
				clock.pass(1_000);
				gate.leave(await passOf(gate), WELL);
			}
			expect(seconds).toBeLessThan(mostSeconds);
			expect(seconds).toBeGreaterThan(mostSeconds / 4);
		}
	});
});

/** Takes `rate` calls a second, and as many at once. */
class LimitedServer {
	readonly #clock: ManualClock;
	readonly #rate: number;
	#tokens: number;
	#atMs: number;

	constructor(clock: ManualClock, rate: number) {
		this.#clock = clock;
		this.#rate = rate;
		this.#tokens = rate;
		this.#atMs = clock.now();
	}

	takes(calls: number): boolean {
		const now = this.#clock.now();
		this.#tokens = Math.min(this.#rate, this.#tokens + ((now - this.#atMs) * this.#rate) / 1_000);
		this.#atMs = now;
		if (this.#tokens < calls) return false;
		this.#tokens -= calls;
		return true;
	}
}
