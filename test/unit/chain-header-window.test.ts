import { describe, expect, test } from "vitest";
import { HeaderWindow } from "../../src/chain/header-window.ts";
import { FatalError } from "../../src/domain/errors.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { headerChain, headerHash } from "../support/header-chain.ts";

const heights = (window: HeaderWindow) => window.headers.map((header) => Number(header.number));

describe("a header window", () => {
	const window = HeaderWindow.of(headerChain("a", { from: 10, to: 14 }));

	test("knows its ends and its blocks by height", () => {
		expect([window.oldest.number, window.tip.number, window.size]).toEqual([10n, 14n, 5]);
		expect(window.at(10n)?.hash).toBe(headerHash("a", 10));
		expect(window.at(14n)?.hash).toBe(headerHash("a", 14));
		expect(window.at(9n)).toBeUndefined();
		expect(window.at(15n)).toBeUndefined();
	});

	test("has a block only at its own height and with its own hash", () => {
		expect(window.has({ number: 12n, hash: headerHash("a", 12) })).toBe(true);
		expect(window.has({ number: 12n, hash: headerHash("b", 12) })).toBe(false);
		expect(window.has({ number: 13n, hash: headerHash("a", 12) })).toBe(false);
		expect(window.has({ number: 9n, hash: headerHash("a", 9) })).toBe(false);
	});

	test("gives the headers strictly above a height", () => {
		expect(window.above(12n).map((header) => header.number)).toEqual([13n, 14n]);
		expect(window.above(14n)).toEqual([]);
		expect(window.above(20n)).toEqual([]);
		expect(window.above(3n)).toEqual(window.headers);
	});

	test("appends without changing the window before", () => {
		const longer = window.append(headerChain("a", { from: 15, to: 16 }));
		expect(heights(longer)).toEqual([10, 11, 12, 13, 14, 15, 16]);
		expect(heights(window)).toEqual([10, 11, 12, 13, 14]);
		expect(window.append([])).toBe(window);
	});

	test("rewinds to any of its blocks, the oldest included, and takes another branch from there", () => {
		expect(heights(window.rewindTo(10n))).toEqual([10]);
		expect(heights(window.rewindTo(14n))).toEqual([10, 11, 12, 13, 14]);
		const back = window.rewindTo(12n);
		const other = back.append(headerChain("b", { from: 13, to: 13, on: back.tip }));
		expect(other.tip.hash).toBe(headerHash("b", 13));
	});

	test("trims below a height, and never the tip", () => {
		expect(heights(window.trimBelow(12n))).toEqual([12, 13, 14]);
		expect(heights(window.trimBelow(99n))).toEqual([14]);
		expect(window.trimBelow(10n)).toBe(window);
		expect(window.trimBelow(0n)).toBe(window);
	});

	test("begins at block 0", () => {
		const genesis = HeaderWindow.of(headerChain("a", { from: 0, to: 0 }));
		expect(genesis.at(0n)?.hash).toBe(headerHash("a", 0));
		expect(genesis.at(-1n)).toBeUndefined();
		expect(genesis.append(headerChain("a", { from: 1, to: 1 })).tip.number).toBe(1n);
	});

	test("keeps the newest of more headers than its limit", () => {
		const limit = LIMITS.windowBlocks;
		const full = HeaderWindow.of(headerChain("a", { from: 0, to: limit + 2 }));
		expect([full.size, full.oldest.number]).toEqual([limit, 3n]);
		const next = full.append(headerChain("a", { from: limit + 3, to: limit + 3 }));
		expect([next.size, next.oldest.number]).toEqual([limit, 4n]);
	});
});

test("a header window keeps the cap of its chain, whatever is done to it", () => {
	const window = HeaderWindow.of(headerChain("a", { from: 0, to: 9 }), 4);
	expect([window.size, window.oldest.number]).toEqual([4, 6n]);
	const next = headerChain("a", { from: 10, to: 12 });
	for (const each of [window.append(next), window.trimBelow(9n).append(next)]) {
		expect([each.size, each.oldest.number]).toEqual([4, 9n]);
	}
	const back = window.rewindTo(7n).append(headerChain("a", { from: 8, to: 12 }));
	expect([back.size, back.oldest.number]).toEqual([4, 9n]);
});

describe("a header window refuses", () => {
	const window = HeaderWindow.of(headerChain("a", { from: 10, to: 14 }));

	test("to be empty", () => {
		expect(() => HeaderWindow.of([])).toThrow(FatalError);
	});

	test("headers that skip a height", () => {
		expect(() => HeaderWindow.of(headerChain("a", { from: 1, to: 3 }).toSpliced(1, 1))).toThrow(
			/does not link: block 3 .* stands after block 1/,
		);
	});

	test("headers of another branch, at construction and at append", () => {
		const other = headerChain("b", { from: 15, to: 16 });
		expect(() => HeaderWindow.of([...window.headers, ...other])).toThrow(/does not link/);
		expect(() => window.append(other)).toThrow(/does not link/);
	});

	test("to rewind to where it has no block", () => {
		expect(() => window.rewindTo(9n)).toThrow(/holds 10 to 14 and cannot go back to 9/);
		expect(() => window.rewindTo(15n)).toThrow(FatalError);
	});
});
