/**
 * What is possible for a chain that is halted, and why the rest is not. Pure: whoever asks has found out the
 * facts, as far as they can be had.
 */
import { LIMITS } from "../domain/limits.ts";
import type { Problem } from "../writer/writer-store.ts";
import { RECOVERY_KINDS, type RecoveryKind, type RecoveryPlan } from "./recovery.ts";

/** One way, as far as it could be looked down. */
export type Route =
	| { readonly type: "open"; readonly plan: RecoveryPlan }
	| { readonly type: "closed"; readonly reason: string };

export interface RecoveryFacts {
	/** Undefined: the chain is not halted. */
	readonly halt: Problem | undefined;
	/** Recoveries that were begun for this halt. */
	readonly attempts: number;
	/** What is under way and has to end first. */
	readonly underWay: string | undefined;
	/** Undefined: it was not looked at, as something else rules everything out. */
	readonly routes: Readonly<Record<RecoveryKind, Route>> | undefined;
}

export interface RecoveryOption {
	readonly kind: RecoveryKind;
	readonly possible: boolean;
	/** Why not; undefined: it is possible. */
	readonly reason: string | undefined;
	/** What it would do; undefined: it is not possible. */
	readonly plan: RecoveryPlan | undefined;
}

/** Why none is possible, whatever the chain holds; undefined: the routes decide. */
export function ruledOut({
	halt,
	attempts,
	underWay,
}: Omit<RecoveryFacts, "routes">): string | undefined {
	if (halt === undefined) return "the chain is not halted";
	if (underWay !== undefined) return underWay;
	if (attempts >= LIMITS.recoveryAttempts) return exhausted(attempts);
	return undefined;
}

/** One for each kind. */
export function recoveryOptions(facts: RecoveryFacts): readonly RecoveryOption[] {
	const nothing = ruledOut(facts);
	return RECOVERY_KINDS.map((kind) => {
		const route = facts.routes?.[kind];
		if (nothing === undefined && route?.type === "open") {
			return { kind, possible: true, reason: undefined, plan: route.plan };
		}
		const closed = route?.type === "closed" ? route.reason : "it was not looked at";
		return { kind, possible: false, reason: nothing ?? closed, plan: undefined };
	});
}

export function exhausted(attempts: number): string {
	return `${attempts} recoveries were begun for this halt, and ${LIMITS.recoveryAttempts} is the limit: find out why they failed, import a snapshot with \`recant snapshot import --apply --replace\`, or begin anew`;
}

/** Codes of halts that speak of rows, not of a fork. */
const OF_ROWS: ReadonlySet<string> = new Set(["verification_failed"]);

/** Why a halt is not to be met by a rollback; undefined: it may be. */
export function noForkOf(halt: Problem): string | undefined {
	if (!OF_ROWS.has(halt.code)) return undefined;
	return "the halt speaks of damaged rows, not of a fork: `recant repair` makes them again, or import a snapshot";
}
