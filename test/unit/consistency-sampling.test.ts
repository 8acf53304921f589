import { describe, expect, it } from "vitest";
import {
	drawPrefixes,
	drawSample,
	prefixDepth,
	rangeOf,
	sampleSize,
	WHOLE_RANGE,
} from "../../src/consistency/sampling.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { announcedSeed } from "../support/seed.ts";

const SEED = announcedSeed("test/unit/consistency-sampling.test.ts");

describe("the size of a sample", () => {
	it.each([
		// The rule of three: 95 % confidence takes about 3 / tolerance.
		[0.95, 0.01, 299],
		[0.99, 0.01, 459],
		[0.99, 0.001, 4_603],
		[0.5, 0.5, 1],
	])("for confidence %d at a share of %d is %i", (confidence, tolerance, size) => {
		expect(sampleSize({ confidence, tolerance })).toBe(size);
		expect((1 - tolerance) ** size).toBeLessThanOrEqual(1 - confidence + 1e-12);
		if (size > 1) expect((1 - tolerance) ** (size - 1)).toBeGreaterThan(1 - confidence);
	});
});

describe("prefixes", () => {
	it("are drawn each once, all of them, and by the seed alone", () => {
		const drawn = [...drawPrefixes("a", 3)].map((digits) => digits.join(""));
		expect(new Set(drawn).size).toBe(64);
		expect([...drawPrefixes("a", 3)].map((digits) => digits.join(""))).toEqual(drawn);
		expect([...drawPrefixes("b", 3)].map((digits) => digits.join(""))).not.toEqual(drawn);
	});

	it("cut the key space as Postgres and the tree do", () => {
		expect(WHOLE_RANGE).toEqual({
			path: "",
			from: "00000000-0000-0000-0000-000000000000",
			to: "ffffffff-ffff-ffff-ffff-ffffffffffff",
		});
		expect(rangeOf([1, 2, 3])).toEqual({
			path: "123",
			from: "6c000000-0000-0000-0000-000000000000",
			to: "6fffffff-ffff-ffff-ffff-ffffffffffff",
		});
	});

	it("hold about one memory each", () => {
		expect(prefixDepth(0)).toBe(0);
		expect(prefixDepth(4)).toBe(1);
		expect(prefixDepth(5)).toBe(2);
		expect(prefixDepth(1_000_000)).toBe(10);
	});
});

describe("a sample", () => {
	const keys = Array.from({ length: 2_000 }, (_, index) => memoryKey("test", `memory ${index}`));
	const below = (path: string) => {
		const range = rangeOf([...path].map(Number));
		return keys.filter((key) => key >= range.from && key <= range.to).length;
	};

	it("holds as many memories as asked for, in ranges by rising key", () => {
		const request = { seed: "s", confidence: 0.95, tolerance: 0.05 };
		const sample = drawSample(request, keys.length, below);
		const held = sample.ranges.reduce((sum, { path }) => sum + below(path), 0);
		expect(sample.wanted).toBe(sampleSize(request));
		expect(held).toBeGreaterThanOrEqual(sample.wanted);
		expect(held).toBeLessThan(sample.wanted + 20);
		const froms = sample.ranges.map(({ from }) => from);
		expect(froms).toEqual([...froms].sort());
	});

	it("reads everything where everything is not enough", () => {
		const sample = drawSample(
			{ seed: "s", confidence: 0.999, tolerance: 0.0001 },
			keys.length,
			below,
		);
		expect(sample.ranges).toHaveLength(4 ** prefixDepth(keys.length));
	});

	it("misses the tolerated share no more often than it says", () => {
		const request = { confidence: 0.9, tolerance: 0.02 };
		const some = keys.slice(0, 1_000);
		const damaged = some.slice(0, some.length * request.tolerance);
		const below = countsBelow(some);
		const runs = 1_000;
		let missed = 0;
		for (let run = 0; run < runs; run += 1) {
			const drawn = drawSample({ ...request, seed: `${SEED}/${run}` }, some.length, below);
			const found = damaged.some((key) =>
				drawn.ranges.some(({ from, to }) => from <= key && key <= to),
			);
			if (!found) missed += 1;
		}
		const stated = 1 - request.confidence;
		console.info(`missed ${missed} of ${runs}, stated ${stated * runs}`);
		// Three standard deviations of a binomial over the stated rate.
		expect(missed / runs).toBeLessThan(stated + 3 * Math.sqrt((stated * (1 - stated)) / runs));
		// Drawing without repetition misses less often, but not never: a sample is no full check.
		expect(missed).toBeGreaterThan(0);
	});
});

/** Counts below prefixes of one depth, counted once. */
function countsBelow(keys: readonly string[]): (path: string) => number {
	const counts = new Map<string, number>();
	return (path) => {
		if (counts.size === 0) {
			for (const key of keys) {
				const bits = BigInt(`0x${key.replaceAll("-", "").slice(0, 16)}`);
				const digits = Array.from({ length: path.length }, (_, index) =>
					Number((bits >> BigInt(62 - 2 * index)) & 3n),
				).join("");
				counts.set(digits, (counts.get(digits) ?? 0) + 1);
			}
		}
		return counts.get(path) ?? 0;
	};
}
