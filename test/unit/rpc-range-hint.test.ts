/** What providers say when they refuse a range of logs, in the words that were seen. */
import { describe, expect, test } from "vitest";
import { LearnedSize } from "../../src/rpc/learned-size.ts";
import { readRangeHint } from "../../src/rpc/range-hint.ts";

/** 10,000 blocks. */
const ASKED = { from: 0x100n, to: 0x100n + 9_999n };

describe("a limit of blocks", () => {
	test.each([
		["eth_getLogs is limited to a 5,000 range", 5_000],
		["limited to 2,000 blocks", 2_000],
		["query exceeds max block range 1000", 1_000],
		["exceed maximum block range: 5000", 5_000],
		["block range is too wide (maximum 1024)", 1_024],
		["You can make eth_getLogs requests with up to a 500 block range.", 500],
		["range 9999 exceeds limit of 800", 800],
		["range 10000 exceeds limit of 800", 800],
		["ranges over 9000 blocks are not supported on this plan", 9_000],
		["block range greater than 10 max", 10],
		["Maximum allowed number of requested blocks is 4096", 4_096],
		["up to a 2K block range and no limit on the response size, or a cap of 10K logs", 2_000],
		["Under the free tier you can make eth_getLogs requests with up to a 10 block range", 10],
	])("is read from: %s", (message, blocks) => {
		expect(readRangeHint(message, ASKED)).toEqual({ type: "limit", blocks });
	});

	test.each([
		"query returned more than 5000 results",
		"block range is bigger than maxBlockRange",
		"Log response size exceeded",
		"query timeout exceeded after 5000 ms",
		"response is larger than 150 MB",
		"exceeds the range: 10000 blocks",
		"block range extends beyond current head 0x100",
		"this range needs block hash 0xabcdef0123456789",
		"limited to 1 block",
	])("is not taken from: %s", (message) => {
		expect(readRangeHint(message, ASKED)).toBeUndefined();
	});
});

describe("a range that would do", () => {
	test.each([
		["query returned more than 10000 results. Try with this block range [0x100, 0x1ff].", 256],
		["Based on your parameters, this block range should work: [0x100, 0x100]", 1],
		["this block range should work: [256, 355]", 100],
	])("is read from: %s", (message, blocks) => {
		expect(readRangeHint(message, ASKED)).toEqual({ type: "upTo", blocks });
	});

	test.each(["[0x0, 0x1ff]", "[0x100, 0xff]", "[0x100, 0x9999]"])(
		"is not taken where it is not within what was asked: %s",
		(range) => {
			expect(readRangeHint(`try with this block range ${range}`, ASKED)).toBeUndefined();
		},
	);

	test("goes before a limit", () => {
		const both =
			"up to a 2K block range. Based on your parameters, this block range should work: [0x100, 0x103]";
		expect(readRangeHint(both, ASKED)).toEqual({ type: "upTo", blocks: 4 });
	});
});

describe("a learned size with hints", () => {
	test("is what was named, at once", () => {
		const size = new LearnedSize(10_000);
		size.refused(10_000, { type: "limit", blocks: 700 });
		expect(size.size).toBe(700);
	});

	test("asks for more than was named once in 257 times, and forgets a limit that is gone", () => {
		const size = new LearnedSize(10_000);
		size.refused(10_000, { type: "limit", blocks: 700 });
		for (let use = 0; use < 255; use += 1) size.worked(size.size);
		expect(size.size).toBe(700);
		size.worked(700);
		expect(size.size).toBe(875);
		for (let use = 0; use < 16; use += 1) size.worked(size.size);
		expect(size.size).toBe(1_094);
	});

	test("shrinks when a limit shrinks, and never grows over a new one in small steps", () => {
		const size = new LearnedSize(10_000);
		size.refused(10_000, { type: "limit", blocks: 2_000 });
		size.worked(2_000);
		size.refused(2_000, { type: "limit", blocks: 1_000 });
		expect(size.size).toBe(1_000);
		size.refused(1_000, { type: "upTo", blocks: 900 });
		for (let use = 0; use < 16; use += 1) size.worked(size.size);
		expect(size.size).toBe(1_000);
	});

	test("grows again after a range that was dense", () => {
		const size = new LearnedSize(10_000);
		size.refused(10_000, { type: "upTo", blocks: 100 });
		for (let use = 0; use < 16; use += 1) size.worked(size.size);
		expect(size.size).toBe(125);
	});

	test("does not believe a hint that is no smaller than what was refused", () => {
		const size = new LearnedSize(100);
		size.refused(100, { type: "limit", blocks: 500 });
		expect(size.size).toBe(50);
	});
});
