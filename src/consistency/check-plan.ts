/** When a chain is checked by itself, and how fast a check may read. From the chain's file. */
import type { RecantError } from "../domain/errors.ts";
import type { Level } from "./finding.ts";
import { RULE_NAMES } from "./registry.ts";
import type { Rule } from "./rule.ts";

export interface CheckPlan {
	/** Undefined: not by the clock. */
	readonly basicEveryMs: number | undefined;
	readonly fullEveryMs: number | undefined;
	/** Records that a check reads in a second at most. */
	readonly rowsPerSecond: number;
	/** The chain's own, beside Recant's. */
	readonly rules: readonly Rule[];
}

/**
 * Basic costs a few index look-ups, so it may come every minute: a wrong pointer or a lost checkpoint
 * is then found before a fork needs it. Full reads every record; on a small machine it takes the
 * database's cache from its users, so who wants it by the clock says so.
 */
const DEFAULT_PLAN: CheckPlan = {
	basicEveryMs: 60_000,
	fullEveryMs: undefined,
	rowsPerSecond: 50_000,
	rules: [],
};

/** Levels that come by the clock. */
export function clocksOf(
	plan: CheckPlan,
): readonly { readonly level: Level; readonly everyMs: number | undefined }[] {
	return [
		{ level: "basic", everyMs: plan.basicEveryMs },
		{ level: "full", everyMs: plan.fullEveryMs },
	];
}

/** What a chain's file says of its checks; 0 milliseconds: not by the clock. */
export interface CheckSettings {
	readonly basicEveryMs?: number | undefined;
	readonly fullEveryMs?: number | undefined;
	readonly readBudgetRowsPerSecond?: number | undefined;
	readonly rules?: readonly Rule[] | undefined;
}

/** Throws what `refuse` makes when two rules have one name: a run's results go by name. */
export function checkPlan(
	settings: CheckSettings,
	refuse: (problem: string) => RecantError,
): CheckPlan {
	const rules = settings.rules ?? DEFAULT_PLAN.rules;
	const taken = new Set(RULE_NAMES);
	for (const { name } of rules) {
		if (taken.has(name)) throw refuse(`consistency.rules: the name "${name}" is taken`);
		taken.add(name);
	}
	return {
		basicEveryMs: every(settings.basicEveryMs, DEFAULT_PLAN.basicEveryMs),
		fullEveryMs: every(settings.fullEveryMs, DEFAULT_PLAN.fullEveryMs),
		rowsPerSecond: settings.readBudgetRowsPerSecond ?? DEFAULT_PLAN.rowsPerSecond,
		rules,
	};
}

function every(given: number | undefined, otherwise: number | undefined): number | undefined {
	if (given === undefined) return otherwise;
	return given === 0 ? undefined : given;
}
