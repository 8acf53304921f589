/**
 * What would halt a chain, and in how many looks in a row it was seen. A halt waits for an operator, so it is
 * made of nothing that one answer said.
 */
import { type BranchSupport, isDenied, isQuorum, type ReorgRules } from "./branch-support.ts";

export interface Suspicion {
	/** What is suspected: the same key is the same suspicion. */
	readonly key: string;
	readonly looks: number;
	/** The last look that counted. */
	readonly countedMs: number;
}

export interface SuspectLook {
	readonly key: string;
	/** Of the block that speaks for it; undefined: nobody answered in time. */
	readonly support: BranchSupport | undefined;
	/** Of a clock that never goes back. */
	readonly nowMs: number;
	/** Looks that are closer together count as one. */
	readonly spacingMs: number;
}

/** denied: most providers contradict it; `suspicion` is then undefined, and counting begins anew. */
export interface Weighed {
	readonly type: "confirmed" | "denied" | "suspected";
	readonly suspicion: Suspicion | undefined;
}

/** Looks in a row without a quorum, whatever the chain's file says: never one alone. */
const LEAST_LOOKS = 2;

/**
 * One more look at what is suspected. With a quorum a second look is enough, where nobody contradicts it takes all
 * of them. What as many deny as confirm stays suspected: a halt is not made of one provider's word against another's.
 */
export function weighSuspicion(
	before: Suspicion | undefined,
	{ key, support, nowMs, spacingMs }: SuspectLook,
	rules: ReorgRules,
): Weighed {
	if (isDenied(support)) return { type: "denied", suspicion: undefined };
	const suspicion = counted(before, { key, nowMs, spacingMs });
	const isAgreed = isQuorum(support, rules.quorum);
	if (!isAgreed && support !== undefined && support.denying > 0)
		return { type: "suspected", suspicion };
	const needed = isAgreed ? LEAST_LOOKS : Math.max(LEAST_LOOKS, rules.polls);
	return { type: suspicion.looks >= needed ? "confirmed" : "suspected", suspicion };
}

function counted(
	before: Suspicion | undefined,
	{ key, nowMs, spacingMs }: Omit<SuspectLook, "support">,
): Suspicion {
	if (before?.key !== key) return { key, looks: 1, countedMs: nowMs };
	if (nowMs - before.countedMs < spacingMs) return before;
	return { key, looks: before.looks + 1, countedMs: nowMs };
}
