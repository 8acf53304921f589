import { describe, expect, test } from "vitest";
import { LearnedSize } from "../../src/rpc/learned-size.ts";

/** Uses `size` against a provider that takes up to `taken`; answers how many were refused. */
function use(size: LearnedSize, taken: number, rounds: number): number {
	let refusals = 0;
	for (let round = 0; round < rounds; round += 1) {
		const used = size.size;
		if (used <= taken) size.worked(used);
		else {
			refusals += 1;
			size.refused(used);
		}
	}
	return refusals;
}

describe("a learned size", () => {
	test("comes down to what is taken in at most log2 refusals", () => {
		const size = new LearnedSize(10_000);
		expect(use(size, 7, 14)).toBeLessThanOrEqual(14);
		expect(size.size).toBeLessThanOrEqual(7);
		expect(size.size).toBeGreaterThanOrEqual(4);
	});

	test("grows to what is taken, and spends few requests on refusals", () => {
		const size = new LearnedSize(10_000);
		use(size, 1_000, 20);
		const refusals = use(size, 1_000, 1_000);
		expect(size.size).toBeGreaterThan(750);
		expect(refusals).toBeLessThanOrEqual(1_000 / 16);
	});

	test("grows to its maximum when the provider takes more again", () => {
		const size = new LearnedSize(100);
		use(size, 1, 20);
		use(size, 100, 1_000);
		expect(size.size).toBe(100);
	});

	test("shrinks below what had worked when that is refused", () => {
		const size = new LearnedSize(100);
		size.worked(100);
		expect(size.refused(100)).toBe(true);
		expect(size.size).toBe(50);
	});

	test("counts refusals that were under way together once", () => {
		const size = new LearnedSize(100);
		for (let call = 0; call < 5; call += 1) size.refused(100);
		expect(size.size).toBe(50);
	});

	test("says when nothing is smaller", () => {
		const size = new LearnedSize(1);
		expect(size.refused(1)).toBe(false);
		expect(size.size).toBe(1);
	});

	test("does not grow on uses below its size", () => {
		const size = new LearnedSize(100);
		size.refused(100);
		for (let call = 0; call < 100; call += 1) size.worked(10);
		expect(size.size).toBe(50);
	});
});
