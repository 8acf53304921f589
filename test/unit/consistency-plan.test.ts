import { describe, expect, it } from "vitest";
import { checkPlan, clocksOf } from "../../src/consistency/check-plan.ts";
import { LEVELS } from "../../src/consistency/finding.ts";
import { RULE_NAMES, rulesOf } from "../../src/consistency/registry.ts";
import type { Rule } from "../../src/consistency/rule.ts";
import { FatalError } from "../../src/domain/errors.ts";

function own(name: string): Rule {
	return {
		kind: "scan",
		name,
		level: "full",
		severity: "info",
		compares: "nothing",
		async *check() {
			yield* [];
		},
	};
}

const refuse = (message: string) => new FatalError("chains_file_invalid", { message, hint: "-" });

describe("a chain's plan of checks", () => {
	it("is basic every minute if the file says nothing", () => {
		const plan = checkPlan({}, refuse);
		expect(clocksOf(plan)).toEqual([
			{ level: "basic", everyMs: 60_000 },
			{ level: "full", everyMs: undefined },
		]);
		expect(plan.rowsPerSecond).toBe(50_000);
	});

	it("takes 0 for never", () => {
		const plan = checkPlan({ basicEveryMs: 0, fullEveryMs: 3_600_000 }, refuse);
		expect(clocksOf(plan).map(({ everyMs }) => everyMs)).toEqual([undefined, 3_600_000]);
	});

	it("refuses rules of one name", () => {
		expect(() => checkPlan({ rules: [own("spans")] }, refuse)).toThrow('"spans" is taken');
		expect(() => checkPlan({ rules: [own("mine"), own("mine")] }, refuse)).toThrow("taken");
	});
});

describe("the rules of a level", () => {
	it("include those of the levels below, and the chain's own", () => {
		const names = LEVELS.map((level) => rulesOf(level, [own("mine")]).map(({ name }) => name));
		for (const [index, deeper] of names.slice(1).entries()) {
			expect(deeper).toEqual(expect.arrayContaining([...(names[index] ?? [])]));
			expect(deeper.length).toBeGreaterThan(names[index]?.length ?? 0);
		}
		expect(names.map((each) => each.includes("mine"))).toEqual([false, true, true, true]);
		expect(names.at(-1)?.length).toBe(RULE_NAMES.size + 1);
	});
});
