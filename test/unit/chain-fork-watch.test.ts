import { describe, expect, test } from "vitest";
import {
	branchChange,
	doubtFork,
	type ForkWatch,
	heldFork,
	leftBranch,
	NO_FORKS,
	returnsTo,
	sawFork,
} from "../../src/chain/fork-watch.ts";
import { HeaderWindow } from "../../src/chain/header-window.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { headerChain, headerHash } from "../support/header-chain.ts";

const SPACING_MS = 100;
const [TIP, OTHER_TIP] = [headerHash("a", 9), headerHash("a", 10)];
const [B, C] = [headerHash("b", 5), headerHash("c", 5)];

function saw(
	watch: ForkWatch,
	nowMs: number,
	{ branch = B, tip = TIP, head = 10n }: { branch?: typeof B; tip?: typeof B; head?: bigint } = {},
): ForkWatch {
	return sawFork(watch, { branch, tip, head, nowMs, spacingMs: SPACING_MS });
}

const held = (watch: ForkWatch, nowMs: number, head = 10n) => heldFork(watch, { head, nowMs });

describe("looks at a fork", () => {
	test("are counted in a row, with the time from the first of them", () => {
		const watch = saw(saw(saw(NO_FORKS, 0), 100), 250);
		expect(held(watch, 250)).toEqual({ looks: 3, heldMs: 250, grown: 0 });
	});

	test("that follow one another at once are one", () => {
		const watch = saw(saw(saw(NO_FORKS, 0), 1), 99);
		expect(held(watch, 99)).toMatchObject({ looks: 1, heldMs: 99 });
		expect(held(saw(watch, 100), 100)).toMatchObject({ looks: 2 });
	});

	test("begin anew when something else was seen in between, and with another branch or another tip", () => {
		const twice = saw(saw(NO_FORKS, 0), 100);
		const doubted = doubtFork(twice);
		expect(held(doubted, 200)).toMatchObject({ looks: 0, heldMs: 0 });
		expect(held(saw(doubted, 300), 300)).toMatchObject({ looks: 1, heldMs: 0 });
		expect(held(saw(twice, 300, { branch: C }), 300)).toMatchObject({ looks: 1 });
		expect(held(saw(twice, 300, { tip: OTHER_TIP }), 300)).toMatchObject({ looks: 1 });
	});

	test("tell how far it grew since the first, also over looks that showed something else", () => {
		const first = saw(NO_FORKS, 0, { head: 10n });
		const later = saw(doubtFork(first), 500, { head: 14n });
		expect(held(later, 500, 14n)).toMatchObject({ looks: 1, grown: 4 });
		const onAnother = saw(later, 900, { head: 15n, tip: OTHER_TIP });
		expect(held(onAnother, 900, 15n)).toMatchObject({ grown: 0 });
	});
});

describe("a branch that was left", () => {
	test("is known for a while, and each return to one counts", () => {
		const onB = leftBranch(NO_FORKS, { from: C, to: B, nowMs: 0 });
		expect(returnsTo(onB, C, 1_000)).toBe(0);
		expect(returnsTo(onB, B, 1_000)).toBeUndefined();
		const onC = leftBranch(onB, { from: B, to: C, nowMs: 1_000 });
		expect(returnsTo(onC, B, 2_000)).toBe(1);
		expect(returnsTo(onC, C, 2_000)).toBeUndefined();
		expect(returnsTo(onC, B, 1_001 + LIMITS.forkMemoryMs)).toBeUndefined();
	});

	test("is remembered with a bound on how many", () => {
		let watch = NO_FORKS;
		for (let height = 1; height <= 1_000; height += 1) {
			const [from, to] = [headerHash("d", height), headerHash("d", height + 1)];
			watch = leftBranch(watch, { from, to, nowMs: height });
		}
		expect(watch.left).toHaveLength(LIMITS.forksRemembered);
		expect(returnsTo(watch, headerHash("d", 1_000), 1_001)).toBe(0);
		expect(returnsTo(watch, headerHash("d", 1), 1_001)).toBeUndefined();
	});

	test("counts as left when the chain was only rolled back, and when a fork was given up", () => {
		const watch = leftBranch(NO_FORKS, { from: B, to: undefined, nowMs: 0 });
		expect(returnsTo(watch, B, 1)).toBe(0);
	});
});

describe("branchChange", () => {
	const before = HeaderWindow.of(headerChain("a", { from: 0, to: 9 }));

	test("names the lowest blocks of both branches", () => {
		const after = before.rewindTo(4n).append(headerChain("b", { from: 5, to: 7, on: at(4n) }));
		expect(branchChange(before, after)).toEqual({ from: headerHash("a", 5), to: B });
	});

	test("is none where the chain only grew, and without another branch where it was rolled back", () => {
		const grown = before.append(headerChain("a", { from: 10, to: 12, on: before.tip }));
		expect(branchChange(before, grown)).toBeUndefined();
		expect(branchChange(before, before.rewindTo(4n))).toEqual({
			from: headerHash("a", 5),
			to: undefined,
		});
	});

	function at(height: bigint) {
		const header = before.at(height);
		if (header === undefined) throw new RangeError("no such header");
		return header;
	}
});
