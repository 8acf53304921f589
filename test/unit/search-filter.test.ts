import { describe, expect, it } from "vitest";
import { LINK_ID_PREFIX } from "../../src/domain/link.ts";
import type { Version } from "../../src/domain/memory.ts";
import { finalityOf, isAtLeast, marksUpTo } from "../../src/memory/grounds.ts";
import {
	passes,
	type SearchFilter,
	searchedNamespaces,
	type Where,
} from "../../src/service/searching/search-filter.ts";
import { row } from "../support/versions.ts";

const MARKS = { head: 100n, safe: 80n, finalized: 60n };
const NOTHING: SearchFilter = {
	where: undefined,
	minImportance: undefined,
	minConfidence: undefined,
};
const version = (parts: Partial<Version>) => row("a", 1n, parts);
const fits = (of: Version, filter: Partial<SearchFilter>, height = 100n) =>
	passes(of, { ...NOTHING, ...filter }, { height, marks: MARKS });

describe("where", () => {
	const paid = version({ content: { kind: "paid", amount: 10, to: null, tags: ["a"] } });
	it.each<[Where, boolean]>([
		[{ kind: "paid" }, true],
		[{ kind: "paid", amount: 11 }, false],
		[{ amount: "10" }, false],
		[{ to: null }, true],
		[{ from: null }, false],
		[{ amount: { gte: 10 } }, true],
		[{ amount: { gt: 10 } }, false],
		[{ amount: { gte: 1, lt: 10 } }, false],
		[{ amount: { lte: "9" } }, false],
		[{ kind: { gte: "p", lt: "q" } }, true],
		[{ kind: { in: ["owed", "paid"] } }, true],
		[{ amount: { in: ["10"] } }, false],
		[{ to: { in: [null] } }, true],
		[{ tags: { gte: "a" } }, false],
		[{ constructor: { in: [null] } }, false],
		[{ toString: "x" }, false],
	])("%j: %s", (where, expected) => {
		expect(fits(paid, { where })).toBe(expected);
	});
});

it("leaves links out", () => {
	expect(fits(version({ id: `${LINK_ID_PREFIX}00` }), {})).toBe(false);
});

it("compares confidence as it has faded", () => {
	const fading = version({
		layer: "long_term",
		fromBlock: 100n,
		confidence: 0.8,
		content: { halfLifeBlocks: 10 },
	});
	expect(fits(fading, { minConfidence: 0.5 }, 100n)).toBe(true);
	expect(fits(fading, { minConfidence: 0.5 }, 120n)).toBe(false);
});

it("takes heights as both inclusive", () => {
	const of = version({ fromBlock: 7n });
	expect(fits(of, { since: 7n, until: 7n })).toBe(true);
	expect(fits(of, { since: 8n })).toBe(false);
	expect(fits(of, { until: 6n })).toBe(false);
});

describe("finality", () => {
	it.each([
		[{ suspect: true, grounds: undefined }, "pending"],
		[{ suspect: false, grounds: undefined }, "finalized"],
		[{ suspect: false, grounds: 0n }, "finalized"],
		[{ suspect: false, grounds: 60n }, "finalized"],
		[{ suspect: false, grounds: 61n }, "safe"],
		[{ suspect: false, grounds: 81n }, "latest"],
		[{ suspect: false, grounds: 100n }, "latest"],
		[{ suspect: false, grounds: 101n }, "pending"],
	] as const)("of %o is %s", (of, expected) => {
		expect(finalityOf(of, MARKS)).toBe(expected);
	});

	it("says pending of a block that only a lost branch had, however high the marks are now", () => {
		const marks = marksUpTo(MARKS, 50n);
		expect(finalityOf({ suspect: false, grounds: 50n }, marks)).toBe("finalized");
		expect(finalityOf({ suspect: false, grounds: 51n }, marks)).toBe("pending");
		expect(marksUpTo({ head: undefined, safe: undefined, finalized: undefined }, 5n)).toEqual({
			head: undefined,
			safe: undefined,
			finalized: undefined,
		});
	});

	it("has an order", () => {
		expect(isAtLeast("safe", "latest")).toBe(true);
		expect(isAtLeast("safe", "finalized")).toBe(false);
		expect(fits(version({ grounds: 70n }), { minFinality: "safe" })).toBe(true);
		expect(fits(version({ grounds: 90n }), { minFinality: "safe" })).toBe(false);
	});
});

describe("namespaces", () => {
	it("are the one that is named, those that are named, or those that may be seen", () => {
		expect(searchedNamespaces({ namespace: "a", namespaces: ["a", "b"] })).toEqual(["a"]);
		expect(searchedNamespaces({ namespace: undefined, namespaceIn: ["b"] })).toEqual(["b"]);
		expect(searchedNamespaces({ namespace: undefined, namespaces: ["a"] })).toEqual(["a"]);
		expect(searchedNamespaces({ namespace: undefined })).toBeUndefined();
	});

	it("refuses one among several that may not be seen", () => {
		const asked = { namespace: undefined, namespaceIn: ["a", "c"], namespaces: ["a", "b"] };
		expect(() => searchedNamespaces(asked)).toThrow(/does not open namespace "c"/);
	});
});
