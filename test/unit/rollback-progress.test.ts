/** Rate and time left of a rollback's stage, and the way out of one that failed. */
import { describe, expect, test } from "vitest";
import { rateOf } from "../../src/cli/rollback-progress.ts";
import { ERROR_CODES } from "../../src/http/problem.ts";
import { paceOf, progressOf } from "../../src/rollback/rollback-progress.ts";
import { wayOut } from "../../src/rollback/way-out.ts";
import { rollbackRecord } from "../support/rollback-record.ts";

describe("the pace of a stage", () => {
	test("is what was done in its time, and what is left at that rate", () => {
		expect(paceOf({ done: 250, total: 1_000, elapsedMs: 500 })).toEqual({
			ratePerSecond: 500,
			etaMs: 1_500,
		});
	});

	test.each([
		["nothing is done", { done: 0, total: 10, elapsedMs: 500 }],
		["no time has passed, or clocks disagree", { done: 5, total: 10, elapsedMs: -1 }],
	])("is not told when %s", (_when, stage) => {
		expect(paceOf(stage)).toEqual({ ratePerSecond: undefined, etaMs: undefined });
	});

	test("leaves no time below nothing", () => {
		expect(paceOf({ done: 12, total: 10, elapsedMs: 100 }).etaMs).toBe(0);
	});
});

describe("a rollback's progress", () => {
	test("follows from its row alone, by the database's clock", () => {
		const record = rollbackRecord({ done: 20, total: 100 });
		expect(progressOf(record)).toEqual({ done: 20, total: 100, ratePerSecond: 20, etaMs: 4_000 });
	});

	test.each([
		["it is paused", { paused: true }],
		["no stage is under way", { stageStartedAt: undefined }],
		["it is over", { state: "failed" as const }],
	])("has no pace when %s", (_when, given) => {
		expect(progressOf(rollbackRecord({ done: 20, total: 100, ...given }))).toEqual({
			done: 20,
			total: 100,
			ratePerSecond: undefined,
			etaMs: undefined,
		});
	});

	test.each([
		[0.1234, "0.123"],
		[12.345, "12.3"],
		[12_345.6, "12346"],
	])("of %d a second is shown as %s", (perSecond, shown) => {
		expect(rateOf(perSecond)).toBe(shown);
	});
});

describe("the way out of a rollback that failed", () => {
	const rollbackId = rollbackRecord().rollbackId;

	test.each(["manual", "reorg"] as const)("names a command whatever failed, %s", (cause) => {
		for (const code of ERROR_CODES) {
			const hint = wayOut(code, { rollbackId, cause });
			expect(hint, code).toMatch(/`recant (rollbacks (retry|abandon) 0{8}-|repair|recover)/);
		}
	});

	test("of a recovery is another recovery", () => {
		const recoveryId = "00000000-0000-4000-8000-000000000002";
		const hint = wayOut("handler_failed", { rollbackId, cause: "reorg", recoveryId });
		expect(hint).toBe("`recant recover` looks again at what is possible");
	});

	test.each([
		["handler_failed", "reorg", `\`recant rollbacks retry ${rollbackId}\` goes on with it`],
		["rollback_interrupted", "reorg", `\`recant rollbacks retry ${rollbackId}\` tries it again`],
		["verification_failed", "reorg", "`recant repair` mends what is damaged"],
		["below_finality", "reorg", "`recant recover` shows what is possible"],
		["below_finality", "manual", "choose a height at or above the finalized block"],
		["rollback_fenced", "manual", "ask for another one"],
		["rollback_failed", "manual", "another `--strategy`"],
		["rollback_interrupted", "reorg", "the follower looks at the fork anew"],
	] as const)("after %s, %s: %s", (code, cause, said) => {
		expect(wayOut(code, { rollbackId, cause })).toContain(said);
	});
});
