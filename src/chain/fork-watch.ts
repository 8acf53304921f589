/**
 * What is remembered of forks from one look to the next: for how long the present one was seen, and which
 * branches were left lately. A branch is known by its lowest block, as everything on it stands on that.
 */
import type { Height, Hex } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { HeaderWindow } from "./header-window.ts";

interface Sighting {
	/** Lowest block of the branch, and the committed tip that it is against. */
	readonly branch: Hex;
	readonly tip: Hex;
	/** Head of the branch when it was first seen against this tip. */
	readonly firstHead: Height;
	/** Looks in a row, when the first of them was, and the last that counted. */
	readonly looks: number;
	readonly runMs: number;
	readonly countedMs: number;
}

export interface ForkWatch {
	readonly sighting: Sighting | undefined;
	/** Lowest blocks of branches that were left, the newest last. */
	readonly left: readonly { readonly branch: Hex; readonly atMs: number }[];
	/** When the chain went back to a branch that it had left, the newest last. */
	readonly returnedMs: readonly number[];
}

export const NO_FORKS: ForkWatch = { sighting: undefined, left: [], returnedMs: [] };

export interface SeenFork {
	readonly branch: Hex;
	readonly head: Height;
	readonly tip: Hex;
	/** Of a clock that never goes back, as all times here. */
	readonly nowMs: number;
	/** Looks that are closer together count as one: heads announced in a burst are one answer. */
	readonly spacingMs: number;
}

/** One more look that showed a fork, and nothing against it. */
export function sawFork(watch: ForkWatch, seen: SeenFork): ForkWatch {
	const { branch, tip, nowMs, spacingMs } = seen;
	const before = watch.sighting;
	if (before === undefined || before.branch !== branch || before.tip !== tip) {
		return { ...watch, sighting: firstSight(seen, seen.head) };
	}
	if (before.looks === 0) return { ...watch, sighting: firstSight(seen, before.firstHead) };
	if (nowMs - before.countedMs < spacingMs) return watch;
	return { ...watch, sighting: { ...before, looks: before.looks + 1, countedMs: nowMs } };
}

function firstSight({ branch, tip, nowMs }: SeenFork, firstHead: Height): Sighting {
	return { branch, tip, firstHead, looks: 1, runMs: nowMs, countedMs: nowMs };
}

/** A look that showed something else, or a provider that denied the fork: the row is broken. */
export function doubtFork(watch: ForkWatch): ForkWatch {
	const { sighting } = watch;
	if (sighting === undefined || sighting.looks === 0) return watch;
	return { ...watch, sighting: { ...sighting, looks: 0 } };
}

/** How long the fork was seen that the last look showed. */
export function heldFork(
	{ sighting }: ForkWatch,
	{ head, nowMs }: Pick<SeenFork, "head" | "nowMs">,
): { readonly looks: number; readonly heldMs: number; readonly grown: number } {
	if (sighting === undefined) return { looks: 0, heldMs: 0, grown: 0 };
	const { looks, runMs, firstHead } = sighting;
	const grown = head > firstHead ? Number(head - firstHead) : 0;
	return { looks, heldMs: looks === 0 ? 0 : nowMs - runMs, grown };
}

/** Returns of late, if that branch was left lately. */
export function returnsTo(watch: ForkWatch, branch: Hex, nowMs: number): number | undefined {
	const isLate = (atMs: number) => nowMs - atMs <= LIMITS.forkMemoryMs;
	const wasLeft = watch.left.some((each) => each.branch === branch && isLate(each.atMs));
	return wasLeft ? watch.returnedMs.filter(isLate).length : undefined;
}

/**
 * The chain went from one branch over to another; `to` undefined: it was only rolled back. Also for one that
 * it set out for and did not reach, as the node left it meanwhile: then `from` is that branch.
 */
export function leftBranch(
	watch: ForkWatch,
	{ from, to, nowMs }: { readonly from: Hex; readonly to: Hex | undefined; readonly nowMs: number },
): ForkWatch {
	const isReturn = to !== undefined && returnsTo(watch, to, nowMs) !== undefined;
	const left = watch.left.filter(({ branch }) => branch !== from && branch !== to);
	return {
		sighting: undefined,
		left: [...left, { branch: from, atMs: nowMs }].slice(-LIMITS.forksRemembered),
		returnedMs: isReturn
			? [...watch.returnedMs, nowMs].slice(-LIMITS.forkDoublings)
			: watch.returnedMs,
	};
}

/**
 * Lowest blocks of the branch that was left between two moments and of the one that took its place; undefined:
 * the chain has only grown.
 */
export function branchChange(
	before: HeaderWindow,
	after: HeaderWindow,
): { readonly from: Hex; readonly to: Hex | undefined } | undefined {
	const shared = before.headers.findLastIndex((block) => after.has(block));
	const left = before.headers[shared + 1];
	return left && { from: left.hash, to: after.at(left.number)?.hash };
}
