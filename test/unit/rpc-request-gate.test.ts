/** How many requests, and how many calls a second, a provider is given. */
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import { type Pass, RequestGate, type Weight } from "../../src/rpc/request-gate.ts";
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

/** Enters while the gate is full, and tells when it came through. */
function queue(gate: RequestGate, weight: Weight, done: (pass: Pass) => void, calls = 1): void {
	void gate.enter(calls, weight).then((answer) => {
		if (answer.type === "pass") done(answer.pass);
	});
}

describe("light requests", () => {
	test("go past heavy ones that wait, and either come in their order", async () => {
		const gate = new RequestGate(new ManualClock());
		const passes = await Promise.all(Array.from({ length: 32 }, () => passOf(gate)));
		const order: string[] = [];
		for (const name of ["h1", "h2", "l1", "h3", "l2"])
			queue(gate, name.startsWith("l") ? "light" : "heavy", () => order.push(name));
		await new Promise(setImmediate);
		for (const pass of passes.slice(0, 5)) gate.leave(pass, WELL);
		await new Promise(setImmediate);
		expect(order).toEqual(["l1", "l2", "h1", "h2", "h3"]);
	});

	test("go past a heavy one eight times at most, and past the next one as often again", async () => {
		const gate = new RequestGate(new ManualClock());
		const passes = await Promise.all(Array.from({ length: 32 }, () => passOf(gate)));
		const order: string[] = [];
		for (const weight of ["heavy", "heavy"] as const) queue(gate, weight, () => order.push("H"));
		for (let count = 0; count < 30; count += 1) queue(gate, "light", () => order.push("l"));
		await new Promise(setImmediate);
		for (const pass of passes.slice(0, 25)) gate.leave(pass, WELL);
		await new Promise(setImmediate);
		expect(order.join("")).toBe("llllllllHllllllllHlllllll");
	});

	test("are let through by a limited rate before a heavy one has gathered what it needs", async () => {
		const clock = new ManualClock();
		const gate = new RequestGate(clock);
		const pass = await passOf(gate, 100);
		clock.pass(1);
		gate.limitRate(pass);
		gate.leave(pass, WELL);
		const order: string[] = [];
		for (let count = 0; count < 50; count += 1) queue(gate, "heavy", () => order.push("heavy"), 70);
		queue(gate, "light", () => order.push("light"));
		clock.pass(20);
		await new Promise(setImmediate);
		expect(order).toEqual(["light"]);
		clock.pass(1_100);
		await new Promise(setImmediate);
		expect(order).toEqual(["light", "heavy"]);
	});

	test("may wait where heavy ones have filled the line", async () => {
		const gate = new RequestGate(new ManualClock());
		const [first] = await Promise.all(Array.from({ length: 32 }, () => passOf(gate)));
		for (let count = 0; count < LIMITS.rpcWaitingRequests; count += 1)
			queue(gate, "heavy", () => undefined);
		expect(await gate.enter(1, "heavy")).toEqual({ type: "full" });
		const light = gate.enter(1, "light");
		if (first !== undefined) gate.leave(first, WELL);
		expect((await light).type).toBe("pass");
		gate.close();
	});

	test("never starve heavy ones, lose their order, or exceed the limits, whatever comes", async () => {
		const seed = announcedSeed("test/unit/rpc-request-gate.test.ts");
		for (let round = 0; round < 20; round += 1) {
			const random = new Random(seed + round);
			const where = `seed ${seed}, round ${round}`;
			const clock = new ManualClock();
			const gate = new RequestGate(clock);
			const first = await passOf(gate);
			clock.pass(1);
			if (random.chance(0.5)) gate.limitRate(first);
			gate.leave(first, { isTooMuch: true });
			const underWay: Pass[] = [];
			const came: Record<Weight, number[]> = { light: [], heavy: [] };
			let passing = 0;
			let mostPassing = 0;
			let entered = { light: 0, heavy: 0 };
			const step = async (most: number) => {
				clock.pass(random.between(1, 50));
				const leaving = random.between(0, Math.min(most, underWay.length));
				for (const pass of underWay.splice(0, leaving))
					gate.leave(pass, { isTooMuch: random.chance(0.02) });
				await new Promise(setImmediate);
			};
			for (let turn = 0; turn < 300; turn += 1) {
				// Always more light ones than can be let through.
				for (let count = random.between(0, 6); count > 0; count -= 1) {
					const weight = random.chance(0.8) ? "light" : "heavy";
					const which = entered[weight];
					entered = { ...entered, [weight]: which + 1 };
					const calls = weight === "light" ? 1 : random.between(1, 5);
					queue(
						gate,
						weight,
						(pass) => {
							underWay.push(pass);
							came[weight].push(which);
							passing = weight === "light" && came.heavy.length < entered.heavy ? passing + 1 : 0;
							mostPassing = Math.max(mostPassing, passing);
						},
						calls,
					);
					// Who came through before the next one enters is told before.
					await new Promise(setImmediate);
				}
				await step(2);
			}
			for (let turn = 0; turn < 30_000 && gate.figures.waiting > 0; turn += 1) await step(32);
			await step(32);
			expect(mostPassing, where).toBeLessThanOrEqual(8);
			for (const weight of ["light", "heavy"] as const)
				expect(came[weight], where).toEqual(
					Array.from({ length: entered[weight] }, (_, index) => index),
				);
		}
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
