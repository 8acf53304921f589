import { describe, expect, test } from "vitest";
import { chooseStrategy, isDamage, type StrategyFacts } from "../../src/rollback/strategy.ts";

const PLAIN: StrategyFacts = {
	wanted: undefined,
	before: undefined,
	checkpoint: true,
	touched: 10,
	limit: 10,
	snapshotHeight: undefined,
	logWhole: true,
};

function choose(facts: Partial<StrategyFacts>) {
	return chooseStrategy({ ...PLAIN, ...facts });
}

function failed(strategy: "rewind" | "snapshot" | "rebuild", code = "verification_failed") {
	const failure = { code, message: "it is another state", hint: "" };
	return { strategy, reason: "", failure };
}

describe("without a reason against it a rollback rewinds", () => {
	test.each([{}, { snapshotHeight: 3n }, { logWhole: false }])("%o", (facts) => {
		expect(choose(facts)).toMatchObject({ strategy: "rewind" });
	});
});

describe("what a rewind needs", () => {
	test.each([
		["a checkpoint", { checkpoint: false }, /no checkpoint/],
		["changes within the limit", { touched: 11 }, /more than 10 memories/],
		["rows as they were written", { before: failed("rewind") }, /rewind failed: it is another/],
	])("%s: else a snapshot is taken, and the log where there is none", (_what, facts, why) => {
		const snapshot = choose({ ...facts, snapshotHeight: 7n });
		expect(snapshot).toMatchObject({ strategy: "snapshot", reason: expect.stringMatching(why) });
		expect(snapshot.reason).toContain("at 7");
		expect(choose(facts)).toMatchObject({
			strategy: "rebuild",
			reason: expect.stringMatching(why),
		});
		expect(choose({ ...facts, logWhole: false })).toMatchObject({ type: "stuck" });
	});
});

describe("a strategy that failed is not taken again", () => {
	test("a snapshot that is damaged gives way to the next one", () => {
		const facts = { before: failed("snapshot", "snapshot_damaged"), checkpoint: false };
		expect(choose({ ...facts, snapshotHeight: 2n })).toMatchObject({ strategy: "snapshot" });
		expect(choose(facts)).toMatchObject({ strategy: "rebuild" });
	});

	test("a snapshot that gives another state gives way to a rebuild", () => {
		const facts = { before: failed("snapshot"), snapshotHeight: 2n };
		expect(choose(facts)).toMatchObject({ strategy: "rebuild" });
	});

	test("after a rebuild there is nothing left", () => {
		const facts = { before: failed("rebuild"), snapshotHeight: 2n };
		expect(choose(facts)).toMatchObject({ type: "stuck" });
	});
});

test("an attempt that ended for another reason goes on with the same strategy", () => {
	const before = { strategy: "snapshot", reason: "too much", failure: undefined } as const;
	expect(choose({ before, snapshotHeight: 2n })).toEqual({
		type: "go",
		strategy: "snapshot",
		reason: "too much",
	});
});

describe("a strategy that cannot be taken any more, though it did not fail, gives way", () => {
	const took = (strategy: "rewind" | "snapshot" | "rebuild") => {
		return { strategy, reason: "", failure: undefined } as const;
	};

	test.each([
		["a snapshot that is gone", { before: took("snapshot") }, "rebuild"],
		["more changes than before", { before: took("rewind"), touched: 11 }, "rebuild"],
		[
			"a log that was cut",
			{ before: took("rebuild"), logWhole: false, snapshotHeight: 2n },
			"snapshot",
		],
	] as const)("%s", (_what, facts, strategy) => {
		expect(choose(facts)).toMatchObject({
			strategy,
			reason: expect.stringContaining(`${facts.before.strategy} cannot be taken`),
		});
		expect(choose({ ...facts, wanted: facts.before.strategy })).toMatchObject({ type: "stuck" });
	});

	test("where nothing else is left it is said", () => {
		const facts = { before: took("snapshot"), logWhole: false };
		expect(choose(facts)).toMatchObject({ type: "stuck" });
	});
});

describe("an operator's word", () => {
	test.each(["rewind", "snapshot", "rebuild"] as const)("%s is taken", (wanted) => {
		expect(choose({ wanted, snapshotHeight: 1n })).toMatchObject({ strategy: wanted });
	});

	test.each([
		["rewind", { touched: 11, snapshotHeight: 1n }],
		["snapshot", {}],
		["rebuild", { logWhole: false, snapshotHeight: 1n }],
	] as const)("%s is not replaced by another", (wanted, facts) => {
		expect(choose({ wanted, ...facts })).toMatchObject({
			type: "stuck",
			reason: expect.stringContaining(`${wanted} cannot be taken`),
		});
		const before = failed(wanted);
		expect(choose({ wanted, before, snapshotHeight: 1n })).toMatchObject({ type: "stuck" });
	});
});

test("contradicting spans speak against a rewind, and else are a defect", () => {
	expect(isDamage({ code: "internal" }, "rewind")).toBe(true);
	expect(isDamage({ code: "internal" }, "rebuild")).toBe(false);
	expect(isDamage({ code: "below_finality" }, "rewind")).toBe(false);
});
