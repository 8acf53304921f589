import { describe, expect, it } from "vitest";
import { ReadPace } from "../../src/consistency/read-pace.ts";
import { eachOf, mergeSorted } from "../../src/consistency/sorted-merge.ts";
import { Random } from "../support/random.ts";
import { announcedSeed } from "../support/seed.ts";

const SEED = announcedSeed("test/unit/consistency-merge.test.ts");

async function* stream(items: readonly number[]): AsyncGenerator<number, void> {
	yield* items;
}

const ORDER = {
	left: (item: number) => item,
	right: (item: number) => item,
	compare: (a: number, b: number) => a - b,
};

async function merged(left: readonly number[], right: readonly number[]): Promise<string[]> {
	const found: string[] = [];
	for await (const pair of mergeSorted(stream(left), stream(right), ORDER)) {
		if (pair.type === "both") found.push(`=${pair.left}`);
		else found.push(pair.type === "left" ? `<${pair.left}` : `>${pair.right}`);
	}
	return found;
}

describe("a merge of two sorted streams", () => {
	it("pairs equal keys and tells each side's own apart", async () => {
		expect(await merged([1, 2, 4, 7], [2, 3, 7, 8])).toEqual(["<1", "=2", ">3", "<4", "=7", ">8"]);
		expect(await merged([], [1])).toEqual([">1"]);
		expect(await merged([1], [])).toEqual(["<1"]);
		expect(await merged([], [])).toEqual([]);
	});

	it("shows what stands twice a second time, alone", async () => {
		expect(await merged([1, 1, 2], [1, 2])).toEqual(["=1", "<1", "=2"]);
	});

	it("gives what sets give, whatever the streams", async () => {
		const random = new Random(SEED);
		for (let round = 0; round < 200; round += 1) {
			const draw = () =>
				[
					...new Set(Array.from({ length: random.between(0, 30) }, () => random.between(0, 40))),
				].sort((a, b) => a - b);
			const [left, right] = [draw(), draw()];
			const expected = [...new Set([...left, ...right])]
				.sort((a, b) => a - b)
				.map((key) => `${left.includes(key) ? (right.includes(key) ? "=" : "<") : ">"}${key}`);
			expect(await merged(left, right)).toEqual(expected);
		}
	});

	it("refuses a stream that is not sorted", async () => {
		await expect(merged([2, 1], [5])).rejects.toMatchObject({ code: "internal" });
	});

	it("ends its streams when it is left early", async () => {
		let ended = 0;
		async function* endless(): AsyncGenerator<readonly number[], void> {
			try {
				for (let key = 0; ; key += 1) yield [key];
			} finally {
				ended += 1;
			}
		}
		for await (const _ of mergeSorted(eachOf(endless()), eachOf(endless()), ORDER)) break;
		expect(ended).toBe(2);
	});
});

describe("the read budget", () => {
	it("holds over every stretch of time, and saves nothing up", async () => {
		const pace = new ReadPace(10_000, new AbortController().signal);
		await new Promise((resolve) => setTimeout(resolve, 150));
		const began = performance.now();
		for (let page = 0; page < 10; page += 1) await pace.took(200);
		const ms = performance.now() - began;
		expect(pace.rows).toBe(2_000);
		// 2,000 rows at 10,000 a second; the last stretch below the timer's own error is not waited for.
		expect(ms).toBeGreaterThan(170);
		expect(ms).toBeLessThan(1_500);
	});

	it("ends with the run", async () => {
		const ending = new AbortController();
		const pace = new ReadPace(1, ending.signal);
		const waiting = pace.took(1_000);
		ending.abort();
		await expect(waiting).rejects.toMatchObject({ name: "AbortError" });
		await expect(pace.took(1)).rejects.toMatchObject({ name: "AbortError" });
	});
});
