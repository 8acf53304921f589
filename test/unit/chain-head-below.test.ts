import { describe, expect, test } from "vitest";
import { DEFAULT_REORG_RULES } from "../../src/chain/branch-support.ts";
import { countHeadBelow, type HeadBelow, isAgreed, NOT_BELOW } from "../../src/chain/head-below.ts";
import { headerHash } from "../support/header-chain.ts";

function polled(...polls: readonly (readonly [height: number, nowMs: number])[]): HeadBelow {
	return polls.reduce(
		(count, [height, nowMs]) => countHeadBelow(count, { headHash: headerHash("a", height), nowMs }),
		NOT_BELOW,
	);
}

describe("countHeadBelow", () => {
	test("counts polls, and milliseconds from the first of them", () => {
		expect(polled([5, 1_000])).toMatchObject({ polls: 1, elapsedMs: 0 });
		expect(polled([5, 1_000], [5, 1_250], [5, 1_900])).toMatchObject({
			polls: 3,
			elapsedMs: 900,
		});
	});

	test("begins anew with another head: a node that catches up is no rolled back chain", () => {
		expect(polled([5, 0], [5, 400], [6, 900])).toMatchObject({ polls: 1, elapsedMs: 0 });
		expect(polled([5, 0], [6, 400], [5, 900], [5, 1_000])).toMatchObject({
			polls: 2,
			elapsedMs: 100,
		});
	});

	test("counts from a clock that begins at 0", () => {
		expect(polled([0, 0], [0, 7])).toMatchObject({ polls: 2, elapsedMs: 7 });
	});
});

describe("isAgreed", () => {
	const how = { rules: DEFAULT_REORG_RULES, lookMs: 100 };
	const both = { confirming: 2, denying: 0, silent: 0 };
	const alone = { confirming: 1, denying: 0, silent: 1 };

	test("needs a quorum, and looks over some time", () => {
		const below = { polls: 3, elapsedMs: 200, support: both };
		expect(isAgreed(below, how)).toBe(true);
		expect(isAgreed({ ...below, polls: 2 }, how)).toBe(false);
		expect(isAgreed({ ...below, elapsedMs: 199 }, how)).toBe(false);
		expect(isAgreed({ ...below, support: alone }, how)).toBe(false);
		expect(isAgreed({ ...below, support: undefined }, how)).toBe(false);
	});
});
