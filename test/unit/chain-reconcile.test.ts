import { describe, expect, test } from "vitest";
import { HeaderWindow } from "../../src/chain/header-window.ts";
import { type Observed, reconcile } from "../../src/chain/reconcile.ts";
import type { BlockHeader } from "../../src/domain/block.ts";
import { FatalError } from "../../src/domain/errors.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { headerChain, headerHash } from "../support/header-chain.ts";

/** Committed: heights 10 to 20 of branch a, of which 12 is finalized unless said. */
const window = HeaderWindow.of(headerChain("a", { from: 10, to: 20 }));

function see(branch: readonly BlockHeader[], options: Partial<Observed> = {}): Observed {
	const head = branch.at(-1);
	if (head === undefined) throw new TypeError("a branch needs a head");
	return {
		head,
		branch,
		finalized: 12n,
		headBelow: { polls: 0, elapsedMs: 0 },
		...options,
	};
}

/** Heights `on + 1` to `to` of branch b, forked off branch a after height `on`. */
function fork(on: number, to: number): readonly BlockHeader[] {
	const [parent] = headerChain("a", { from: on, to: on });
	if (parent === undefined) throw new TypeError("no parent");
	return headerChain("b", { from: on + 1, to, on: parent });
}

const heights = (headers: readonly BlockHeader[]) => headers.map((header) => Number(header.number));
const decide = (branch: readonly BlockHeader[], options: Partial<Observed> = {}) =>
	reconcile(window, see(branch, options));

describe("a chain without a window", () => {
	test("starts", () => {
		const genesis = headerChain("a", { from: 0, to: 0 });
		expect(reconcile(undefined, see(genesis))).toEqual({ type: "start", head: genesis[0] });
	});
});

describe("a head that is committed already", () => {
	test("is ignored at the tip", () => {
		expect(decide(headerChain("a", { from: 20, to: 20 }))).toEqual({
			type: "ignore",
			reason: "same_head",
		});
	});

	test.each([19, 15, 12, 11, 10])("is ignored at height %i, however low", (height) => {
		expect(decide(headerChain("a", { from: height, to: height }))).toEqual({
			type: "ignore",
			reason: "canonical_below",
		});
	});

	test("is ignored whatever the branch below it says", () => {
		expect(decide(headerChain("a", { from: 13, to: 18 })).type).toBe("ignore");
	});
});

describe("a head below the window", () => {
	const low = headerChain("b", { from: 4, to: 4 });

	test("is ignored, since nothing says that it is of another chain", () => {
		expect(decide(low)).toEqual({ type: "ignore", reason: "below_window" });
	});

	test("is waited for when it stays", () => {
		expect(decide(low, { headBelow: { polls: 1, elapsedMs: 0 } })).toMatchObject({
			type: "wait",
			reason: "unconfirmed_shrink",
		});
		expect(decide(low, { headBelow: { polls: 500, elapsedMs: 900_000 } })).toEqual({
			type: "wait",
			reason: "head_below_window",
			polls: 500,
			elapsedMs: 900_000,
		});
	});
});

describe("a node whose head stays below the tip that it denies", () => {
	const polls = LIMITS.shrinkPolls;
	const elapsedMs = LIMITS.shrinkMs;
	const head = headerChain("a", { from: 17, to: 17 });

	test.each([
		{ polls: 1, elapsedMs: 0 },
		{ polls: polls - 1, elapsedMs: elapsedMs * 9 },
		{ polls: polls * 9, elapsedMs: elapsedMs - 1 },
	])("is waited for at $polls polls and $elapsedMs ms", (headBelow) => {
		expect(decide(head, { headBelow })).toEqual({
			type: "wait",
			reason: "unconfirmed_shrink",
			...headBelow,
		});
	});

	test("shows a chain that was rolled back once polls and time are reached", () => {
		const decision = decide(head, { headBelow: { polls, elapsedMs } });
		expect(decision).toMatchObject({ type: "shrink", ancestor: { number: 17n } });
		expect(decision.type === "shrink" && heights(decision.orphaned)).toEqual([18, 19, 20]);
	});

	test("shrinks the chain down to the finalized block and waits below it", () => {
		const options = { headBelow: { polls, elapsedMs } };
		const at12 = headerChain("a", { from: 12, to: 12 });
		const at11 = headerChain("a", { from: 11, to: 11 });
		expect(decide(at12, options)).toMatchObject({ type: "shrink", ancestor: { number: 12n } });
		expect(decide(at11, options)).toMatchObject({ type: "wait", reason: "head_below_finality" });
	});

	test("never takes the tip itself from the chain", () => {
		const tip = headerChain("a", { from: 20, to: 20 });
		expect(decide(tip, { headBelow: { polls, elapsedMs } }).type).toBe("ignore");
	});
});

describe("a head above the tip", () => {
	test("extends by one block", () => {
		const branch = headerChain("a", { from: 21, to: 21 });
		expect(decide(branch)).toEqual({ type: "extend", blocks: branch });
	});

	test("extends by all blocks above the tip, though the branch reaches below it", () => {
		const decision = decide(headerChain("a", { from: 8, to: 23 }));
		expect(decision.type === "extend" && heights(decision.blocks)).toEqual([21, 22, 23]);
	});

	test("needs the headers between", () => {
		expect(decide(headerChain("a", { from: 24, to: 25 }))).toEqual({
			type: "need",
			what: "gap",
			hash: headerHash("a", 23),
			from: 21n,
			to: 23n,
		});
	});

	test("is filled up to a whole group, and backfilled above it", () => {
		const group = LIMITS.groupBlocks;
		const near = 21 + group;
		expect(decide(headerChain("a", { from: near, to: near }))).toMatchObject({
			type: "need",
			what: "gap",
			to: BigInt(20 + group),
		});
		expect(decide(headerChain("a", { from: near + 1, to: near + 1 }))).toEqual({
			type: "backfill",
			from: 21n,
			to: BigInt(21 + group),
			parentHash: headerHash("a", 20),
		});
	});

	test("finds the fork below a gap once it is filled", () => {
		const decision = decide(fork(19, 30));
		expect(decision).toMatchObject({ type: "reorg", ancestor: { number: 19n } });
		expect(decide(fork(19, 30).slice(1))).toMatchObject({ type: "need", what: "parent" });
	});
});

describe("a fork", () => {
	test("at the same height is a reorg at once, from the head alone", () => {
		const branch = fork(19, 20);
		expect(decide(branch)).toEqual({
			type: "reorg",
			ancestor: window.at(19n),
			orphaned: [window.tip],
			blocks: branch,
		});
	});

	test.each([
		{ to: 16, name: "shorter" },
		{ to: 20, name: "as long" },
		{ to: 26, name: "longer" },
	])("that is $name is a reorg which ends in its head", ({ to }) => {
		const decision = decide(fork(15, to));
		expect(decision).toMatchObject({ type: "reorg", ancestor: { number: 15n } });
		if (decision.type !== "reorg") return;
		expect(heights(decision.orphaned)).toEqual([16, 17, 18, 19, 20]);
		expect(decision.blocks.at(-1)?.hash).toBe(headerHash("b", to));
		expect(decision.blocks[0]?.number).toBe(16n);
	});

	test("has the highest shared block as its ancestor, though the branch reaches below it", () => {
		const branch = [...headerChain("a", { from: 9, to: 15 }), ...fork(15, 18)];
		const decision = decide(branch);
		expect(decision).toMatchObject({ type: "reorg", ancestor: { number: 15n } });
		expect(decision.type === "reorg" && heights(decision.blocks)).toEqual([16, 17, 18]);
	});

	test("is walked back by hash, twice as far each time, and not below what decides", () => {
		const whole = fork(12, 21);
		const ask = (from: number) => {
			const decision = decide(whole.filter((block) => block.number >= from));
			return decision.type === "need" ? [decision.what, decision.from, decision.to] : decision.type;
		};
		expect(ask(21)).toEqual(["parent", 20n, 20n]);
		expect(ask(20)).toEqual(["parent", 18n, 19n]);
		expect(ask(19)).toEqual(["parent", 16n, 18n]);
		expect(ask(18)).toEqual(["parent", 14n, 17n]);
		expect(ask(17)).toEqual(["parent", 13n, 16n]);
		expect(ask(14)).toEqual(["parent", 13n, 13n]);
		expect(ask(13)).toBe("reorg");
		expect(decide(whole.slice(-1))).toMatchObject({ hash: headerHash("b", 20) });
	});

	test("at block 0 can be an ancestor", () => {
		const young = HeaderWindow.of(headerChain("a", { from: 0, to: 2 }));
		const decision = reconcile(young, see(fork(0, 1), { finalized: 0n }));
		expect(decision).toMatchObject({ type: "reorg", ancestor: { number: 0n } });
	});
});

describe("a fork that is too deep", () => {
	test("may begin at the finalized block and not below it", () => {
		expect(decide(fork(12, 22)).type).toBe("reorg");
		expect(decide(fork(11, 22))).toMatchObject({
			type: "halt",
			code: "fork_below_finality",
			fields: { differsAt: "12", finalized: "12", headHash: headerHash("b", 22) },
		});
	});

	test("is seen before its ancestor is, from the first block that differs too low", () => {
		const branch = headerChain("b", { from: 13, to: 22 });
		expect(decide(branch)).toMatchObject({
			type: "halt",
			code: "fork_below_finality",
			fields: { differsAt: "12" },
		});
	});

	test("may begin at the oldest retained block and not below it", () => {
		const stalled = { finalized: 3n };
		expect(decide(fork(10, 22), stalled)).toMatchObject({
			type: "reorg",
			ancestor: { number: 10n },
		});
		expect(decide(fork(9, 22), stalled)).toMatchObject({
			type: "halt",
			code: "fork_below_window",
			fields: { differsAt: "10", oldestRetained: "10", committedHash: headerHash("a", 10) },
		});
		expect(decide(headerChain("b", { from: 4, to: 22 }), stalled).type).toBe("halt");
	});

	test("halts on another genesis", () => {
		const young = HeaderWindow.of(headerChain("a", { from: 0, to: 2 }));
		const other = headerChain("b", { from: 0, to: 3 });
		for (const from of [0, 1]) {
			const decision = reconcile(young, see(other.slice(from), { finalized: 0n }));
			expect(decision).toMatchObject({ type: "halt", code: "fork_below_finality" });
		}
		const [genesis] = other;
		if (genesis === undefined) throw new TypeError("no genesis");
		expect(reconcile(young, see([genesis], { finalized: 0n })).type).toBe("halt");
	});

	test("halts on a lone head at the finalized height with another hash", () => {
		expect(decide(headerChain("b", { from: 12, to: 12 }))).toMatchObject({ type: "halt" });
	});

	test("has what an error of its code takes", () => {
		const decision = decide(fork(11, 22));
		if (decision.type !== "halt") throw new TypeError(decision.type);
		const error = new FatalError(decision.code, decision);
		expect(error.message).toMatch(/head 22 0xb0+22 .* at height 12, at or below .* height 12/);
		expect(error.hint).not.toBe("");
	});
});

describe("an observation that contradicts itself", () => {
	const linked = headerChain("a", { from: 21, to: 23 });

	test.each([
		{ name: "an empty branch", branch: [] },
		{ name: "a branch that ends below its head", branch: linked.slice(0, 2) },
		{ name: "a hole", branch: linked.toSpliced(1, 1) },
		{
			name: "a block of another branch",
			branch: [...headerChain("b", { from: 21, to: 22 }), ...linked.slice(2)],
		},
	])("is inconsistent and never throws: $name", ({ branch }) => {
		expect(decide(linked, { branch }).type).toBe("inconsistent");
		expect(reconcile(undefined, see(linked, { branch })).type).toBe("inconsistent");
	});
});
