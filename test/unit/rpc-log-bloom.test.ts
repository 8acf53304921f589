import { randomBytes } from "node:crypto";
import { keccak256 } from "viem";
import { describe, expect, test } from "vitest";
import type { Hex } from "../../src/domain/ids.ts";
import {
	bloomOf,
	chanceByOthers,
	holdsLog,
	isEmptyBloom,
	mayHold,
} from "../../src/rpc/log-bloom.ts";
import { REAL_BLOCKS, SERVED, SERVED_LOGS } from "../support/real-block.ts";

const EMPTY: Hex = `0x${"00".repeat(256)}`;
const FULL: Hex = `0x${"ff".repeat(256)}`;
const ADDRESS: Hex = `0x${"aa".repeat(20)}`;
const TOPIC: Hex = `0x${"ee".repeat(32)}`;
const HOLDER: Hex = `0x${"0b".repeat(32)}`;
const OTHER: Hex = `0x${"99".repeat(32)}`;
const BLOOM = bloomOf([{ address: ADDRESS, topics: [TOPIC, HOLDER] }]);

function random(bytes: number): Hex {
	return `0x${randomBytes(bytes).toString("hex")}`;
}

/** By the Yellow Paper's words, with one large number and another keccak. */
function naiveBloom(values: readonly Hex[]): Hex {
	let bloom = 0n;
	for (const value of values) {
		const hash = BigInt(keccak256(value));
		for (const pair of [0n, 1n, 2n]) bloom |= 1n << ((hash >> (240n - 16n * pair)) & 2_047n);
	}
	return `0x${bloom.toString(16).padStart(512, "0")}`;
}

describe("a bloom", () => {
	test("of logs is that of a plain implementation", () => {
		for (let round = 0; round < 50; round += 1) {
			const logs = Array.from({ length: round % 7 }, () => ({
				address: random(20),
				topics: Array.from({ length: round % 5 }, () => random(32)),
			}));
			const values = logs.flatMap(({ address, topics }) => [address, ...topics]);
			expect(bloomOf(logs), JSON.stringify(logs)).toBe(naiveBloom(values));
			expect(logs.every((log) => holdsLog(bloomOf(logs), log))).toBe(true);
		}
	});

	test("of a real block's logs is the one in its header", () => {
		expect(bloomOf(SERVED_LOGS as never)).toBe(SERVED.block.logsBloom);
		expect(REAL_BLOCKS.length).toBeGreaterThan(1);
	});

	test("of no logs is empty, and only that", () => {
		expect(bloomOf([])).toBe(EMPTY);
		expect(isEmptyBloom(EMPTY)).toBe(true);
		expect(isEmptyBloom(BLOOM)).toBe(false);
	});

	test.each([
		["another contract", { address: `0x${"ab".repeat(20)}`, topics: [TOPIC] }],
		["another event", { address: ADDRESS, topics: [OTHER] }],
		["another argument", { address: ADDRESS, topics: [TOPIC, OTHER] }],
	] as const)("does not hold a log of %s", (_, log) => {
		expect(holdsLog(BLOOM, log)).toBe(false);
	});
});

describe("a filter", () => {
	const filter = { addresses: [ADDRESS], topics: [TOPIC] };

	test("may be held where one value of each place is in the bloom", () => {
		expect(mayHold(BLOOM, filter)).toBe(true);
		expect(mayHold(BLOOM, { addresses: [random(20), ADDRESS], topics: [OTHER, TOPIC] })).toBe(true);
		expect(mayHold(BLOOM, { ...filter, args: [[OTHER, HOLDER], undefined] })).toBe(true);
		expect(mayHold(FULL, { addresses: [random(20)], topics: [OTHER] })).toBe(true);
	});

	test.each([
		["its contracts", { ...filter, addresses: [`0x${"ab".repeat(20)}`] }],
		["its events", { ...filter, topics: [OTHER] }],
		["its arguments", { ...filter, args: [undefined, [OTHER]] }],
	] as const)("is excluded where none of %s is in the bloom", (_, excluded) => {
		expect(mayHold(BLOOM, excluded)).toBe(false);
	});

	test("is excluded by a bloom of no logs, unless it takes every log", () => {
		expect(mayHold(EMPTY, filter)).toBe(false);
		expect(mayHold(EMPTY, { addresses: undefined, topics: [TOPIC] })).toBe(false);
		expect(mayHold(EMPTY, { addresses: undefined, topics: [] })).toBe(true);
	});

	test("seems to be held by chance the more often, the fuller the bloom and the more values it has", () => {
		expect(chanceByOthers(EMPTY, filter)).toBe(0);
		expect(chanceByOthers(FULL, filter)).toBe(1);
		expect(chanceByOthers(BLOOM, filter)).toBeLessThan(1e-12);
		const half: Hex = `0x${"0f".repeat(256)}`;
		expect(chanceByOthers(half, filter)).toBeCloseTo(0.5 ** 6, 10);
		const two = { ...filter, topics: [TOPIC, OTHER] };
		expect(chanceByOthers(half, two)).toBeCloseTo(0.5 ** 3 * (1 - (1 - 0.5 ** 3) ** 2), 10);
		expect(chanceByOthers(half, { addresses: undefined, topics: [TOPIC] })).toBeCloseTo(0.5 ** 3);
	});

	test("of a great many contracts is not looked for", () => {
		const addresses = Array.from(
			{ length: 1_025 },
			(_, index): Hex => `0x${index.toString(16).padStart(40, "0")}`,
		);
		expect(mayHold(EMPTY, { addresses, topics: [] })).toBe(true);
		expect(mayHold(EMPTY, { addresses, topics: [TOPIC] })).toBe(false);
	});

	test("never excludes a log that it takes", () => {
		for (let round = 0; round < 200; round += 1) {
			const logs = Array.from({ length: 1 + (round % 40) }, () => ({
				address: random(20),
				topics: [random(32), random(32)],
			}));
			const [log] = logs;
			if (log === undefined) continue;
			const wanted = { addresses: [random(20), log.address], topics: [log.topics[0] ?? TOPIC] };
			expect(mayHold(bloomOf(logs), wanted), JSON.stringify(log)).toBe(true);
		}
	});
});
