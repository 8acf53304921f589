import { describe, expect, it } from "vitest";
import { NO_FINDINGS, SEVERITIES } from "../../src/consistency/finding.ts";
import { scoreOf } from "../../src/consistency/score.ts";

describe("the score of a check", () => {
	it("is 1 exactly when nothing above info was found", () => {
		expect(scoreOf(NO_FINDINGS, 0)).toBe(1);
		expect(scoreOf({ ...NO_FINDINGS, info: 1_000 }, 10)).toBe(1);
		for (const severity of SEVERITIES.slice(1)) {
			expect(scoreOf({ ...NO_FINDINGS, [severity]: 1 }, 1_000_000)).toBeLessThan(1);
		}
	});

	it("names a first finding at once, however many records there are", () => {
		expect(scoreOf({ ...NO_FINDINGS, warning: 1 }, 1_000_000)).toBeCloseTo(0.99, 4);
		expect(scoreOf({ ...NO_FINDINGS, error: 1 }, 1_000_000)).toBeCloseTo(0.95, 4);
		expect(scoreOf({ ...NO_FINDINGS, critical: 1 }, 1_000_000)).toBeCloseTo(0.9, 4);
	});

	it("is 0 when every record is critical, and never below", () => {
		expect(scoreOf({ ...NO_FINDINGS, critical: 10 }, 10)).toBeCloseTo(0, 12);
		expect(scoreOf({ ...NO_FINDINGS, critical: 500 }, 10)).toBeGreaterThanOrEqual(0);
	});

	it("never rises with another finding, and a graver one costs more", () => {
		for (const [index, severity] of SEVERITIES.entries()) {
			const one = { info: 2, warning: 3, error: 4, critical: 5 };
			const more = { ...one, [severity]: one[severity] + 1 };
			expect(scoreOf(more, 100)).toBeLessThanOrEqual(scoreOf(one, 100));
			const next = SEVERITIES[index + 1];
			if (next === undefined) continue;
			const lighter = scoreOf({ ...NO_FINDINGS, [severity]: 1 }, 100);
			expect(scoreOf({ ...NO_FINDINGS, [next]: 1 }, 100)).toBeLessThan(lighter);
		}
	});
});
