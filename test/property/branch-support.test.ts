/**
 * The decision over a fork, on every combination of small numbers: depths around the file's bound, every way
 * in which up to four providers can answer, looks, times and returns around what is demanded.
 */
import { expect, test } from "vitest";
import {
	type BranchSupport,
	type ForkLook,
	type ForkVerdict,
	forkDemands,
	isDenied,
	isQuorum,
	judgeFork,
	type ReorgRules,
} from "../../src/chain/branch-support.ts";
import { LIMITS } from "../../src/domain/limits.ts";

const MOST_PROVIDERS = 4;
const DEPTHS = [1, 5, 6, 900];
const RETURNS = [undefined, 0, 1, 3, 9];
const GROWN = [0, 3, 100];
const RULES: readonly ReorgRules[] = [
	{ confirmBeyondDepth: 5, quorum: 0.5, polls: 3 },
	{ confirmBeyondDepth: 0, quorum: 0.66, polls: 1 },
	{ confirmBeyondDepth: 5, quorum: 0.99, polls: 2 },
];

function* supports(): Generator<BranchSupport | undefined> {
	yield undefined;
	for (let confirming = 0; confirming <= MOST_PROVIDERS; confirming += 1)
		for (let denying = 0; confirming + denying <= MOST_PROVIDERS; denying += 1)
			for (const silent of [0, 1]) yield { confirming, denying, silent };
}

/** Every look, with looks and times just below, at and above what is demanded of it. */
function* looks(rules: ReorgRules): Generator<ForkLook> {
	for (const support of supports())
		for (const depth of DEPTHS)
			for (const returns of RETURNS)
				for (const grown of GROWN) {
					const demands = forkDemands({ depth, returns }, rules);
					for (const looks of new Set([0, 1, demands.looks - 1, demands.looks]))
						for (const heldMs of new Set([0, Math.max(0, demands.heldMs - 1), demands.heldMs]))
							yield { depth, support, returns, grown, looks, heldMs };
				}
}

/** Those for which `holds` is false; answers how many there were in all. */
function each(holds: (look: ForkLook, rules: ReorgRules, verdict: ForkVerdict) => boolean): number {
	let count = 0;
	const wrong: unknown[] = [];
	for (const rules of RULES) {
		for (const look of looks(rules)) {
			const verdict = judgeFork(look, rules);
			if (!holds(look, rules, verdict)) wrong.push({ look, rules, verdict });
			count += 1;
		}
	}
	expect(wrong.slice(0, 3)).toEqual([]);
	return count;
}

test("is as the rules say, for every combination", () => {
	const count = each((look, rules, verdict) => {
		const { depth, returns, support, looks, heldMs, grown } = look;
		const answered = (support?.confirming ?? 0) + (support?.denying ?? 0);
		const share = answered === 0 ? 0 : (support?.confirming ?? 0) / answered;
		const factor = returns === undefined ? 1 : 2 ** (1 + Math.min(returns, 3));
		const isEasy = returns === undefined && depth <= rules.confirmBeyondDepth;
		const neededLooks = isEasy ? 1 : rules.polls * factor;
		const neededMs = returns === undefined ? 0 : LIMITS.forkReturnMs * 2 ** Math.min(returns, 3);
		const expected = (): string => {
			if (answered >= 2 && share > rules.quorum) return "act quorum";
			if (support !== undefined && support.denying > support.confirming) return "wait denied";
			if (looks >= neededLooks && heldMs >= neededMs) return `act ${isEasy ? "shallow" : "polls"}`;
			if (grown >= neededLooks) return "act grown";
			return `wait ${returns === undefined ? "deep" : "returning"}`;
		};
		return `${verdict.type} ${verdict.because}` === expected();
	});
	expect(count).toBeGreaterThan(10_000);
});

test("follows a shallow fork that is new at its first look, unless most deny it", () => {
	each((look, rules, verdict) => {
		const isEasy = look.returns === undefined && look.depth <= rules.confirmBeyondDepth;
		if (!isEasy || look.looks < 1) return true;
		return verdict.type === (isDenied(look.support) ? "wait" : "act");
	});
});

test("never follows what most of those who answered deny", () => {
	each((look, rules, verdict) => {
		if (!isDenied(look.support)) return true;
		return verdict.because === "denied" && !isQuorum(look.support, rules.quorum);
	});
});

test("of two branches at most one can have a quorum", () => {
	for (const { quorum } of RULES) {
		for (const support of supports()) {
			if (support === undefined) continue;
			const other = { ...support, confirming: support.denying, denying: support.confirming };
			expect(isQuorum(support, quorum) && isQuorum(other, quorum)).toBe(false);
		}
	}
});

test("one more confirmation, one more look or more time never turns act into wait", () => {
	each((look, rules, verdict) => {
		if (verdict.type !== "act") return true;
		const more: ForkLook[] = [
			{ ...look, looks: look.looks + 1 },
			{ ...look, heldMs: look.heldMs + 1_000 },
			{ ...look, grown: look.grown + 1 },
		];
		if (look.support !== undefined) {
			const { support } = look;
			more.push({ ...look, support: { ...support, confirming: support.confirming + 1 } });
		}
		return more.every((better) => judgeFork(better, rules).type === "act");
	});
});

test("no wait is for good: what nobody denies is followed after bounded looks and time", () => {
	for (const rules of RULES) {
		for (const depth of DEPTHS) {
			for (const returns of RETURNS) {
				const demands = forkDemands({ depth, returns }, rules);
				expect(demands.looks).toBeLessThanOrEqual(rules.polls * 2 ** (LIMITS.forkDoublings + 1));
				expect(demands.heldMs).toBeLessThanOrEqual(LIMITS.forkReturnMs * 2 ** LIMITS.forkDoublings);
				const look = { depth, returns, support: undefined, grown: 0, ...demands };
				expect(judgeFork(look, rules).type).toBe("act");
			}
		}
	}
});

test("a return is harder than a new fork, and each return makes the next one no easier", () => {
	for (const rules of RULES) {
		for (const depth of DEPTHS) {
			const demands = RETURNS.map((returns) => forkDemands({ depth, returns }, rules));
			for (const [index, later] of demands.entries()) {
				const before = demands[index - 1];
				if (before === undefined) continue;
				expect(later.looks).toBeGreaterThanOrEqual(before.looks);
				expect(later.heldMs).toBeGreaterThanOrEqual(before.heldMs);
			}
		}
	}
});
