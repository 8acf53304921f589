/**
 * Stands between a fork that was seen and the rollback that follows it: counts the looks, asks the providers
 * who has the branch, and lets it pass or not, as chain/branch-support.ts says.
 *
 * Where a chain has one provider, a shallow fork that is new costs no request and no time. Else one question
 * goes to all providers at once, and is waited for SUPPORT_MOST_MS at most.
 */
import {
	type BranchSupport,
	type ForkLook,
	isDenied,
	isQuorum,
	judgeFork,
} from "../chain/branch-support.ts";
import type {
	Decision,
	ForkEvidence,
	ForkSignal,
	Reorg,
	Shrink,
	Unconfirmed,
} from "../chain/decision.ts";
import { forkSignals } from "../chain/fork-signals.ts";
import {
	doubtFork,
	heldFork,
	leftBranch,
	NO_FORKS,
	returnsTo,
	sawFork,
} from "../chain/fork-watch.ts";
import type { HeadBelow } from "../chain/head-below.ts";
import type { BlockHeader } from "../domain/block.ts";
import type { Clock } from "../domain/clock.ts";
import { RecantError } from "../domain/errors.ts";
import type { Hex } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { ChainSource } from "./chain-source.ts";
import type { ChainSpec } from "./chain-spec.ts";

export interface ForkJudgeOptions {
	readonly spec: Pick<ChainSpec, "reorg" | "rpc">;
	readonly source: Pick<ChainSource, "distrust" | "support">;
	readonly clock: Clock;
}

export class ForkJudge {
	readonly #options: ForkJudgeOptions;
	#watch = NO_FORKS;
	/** The branch that most deny, and since when. */
	#denied: { readonly branch: Hex; readonly sinceMs: number } | undefined;
	/** What was noticed beside the branch itself since the last look that showed no fork. */
	readonly #noticed = new Set<ForkSignal>();

	constructor(options: ForkJudgeOptions) {
		this.#options = options;
	}

	/** Something else than the head speaks of a fork: it stands in the evidence if there is one. */
	notice(signal: ForkSignal): void {
		this.#noticed.add(signal);
	}

	/** A look that showed no fork. */
	seesNone({ type }: Pick<Decision, "type">): void {
		this.#watch = doubtFork(this.#watch);
		if (type === "extend" || type === "ignore") this.#noticed.clear();
	}

	/** Whether a fork that a look showed is followed. Throws nothing: who does not answer is silent. */
	async judge(fork: Reorg, head: BlockHeader): Promise<ForkEvidence | Unconfirmed> {
		const { spec, clock } = this.#options;
		const lowest = fork.blocks[0] ?? head;
		const branch = lowest.hash;
		const before = returnsTo(this.#watch, branch, clock.now());
		const isNew = before === undefined && fork.orphaned.length <= spec.reorg.confirmBeyondDepth;
		const isAsked = spec.rpc.urls.length > 1 || !isNew;
		const support = isAsked ? await this.#support(lowest) : undefined;
		const look = this.#look(fork, { branch, head, support });
		const verdict = judgeFork(look, spec.reorg);
		const evidence = {
			signals: [...forkSignals(fork), ...this.#noticed],
			depth: look.depth,
			support,
			polls: look.looks,
			heldMs: Math.round(look.heldMs),
		};
		if (verdict.type === "act") return { ...evidence, because: verdict.because };
		const { because, demands } = verdict;
		if (because === "denied") this.#deny(lowest, support);
		return { type: "unconfirmed", ancestor: fork.ancestor, because, evidence, demands };
	}

	/** What a shrink is followed on that head-below.ts has let pass. */
	shrunk(fork: Shrink, { polls, elapsedMs, support }: HeadBelow): ForkEvidence {
		return {
			signals: ["head_below", ...this.#noticed],
			depth: fork.orphaned.length,
			support,
			polls,
			heldMs: Math.round(elapsedMs),
			because: isQuorum(support, this.#options.spec.reorg.quorum) ? "quorum" : "polls",
		};
	}

	/** The chain went from one branch to another, each named by its lowest block; see fork-watch.ts. */
	left(from: Hex, to: Hex | undefined): void {
		this.#watch = leftBranch(this.#watch, { from, to, nowMs: this.#options.clock.now() });
		this.#noticed.clear();
	}

	/** Whoever is the first to hear of a fork is denied by the others, and right: only time tells. */
	#deny(lowest: BlockHeader, support: BranchSupport | undefined): void {
		const { source, clock } = this.#options;
		const nowMs = clock.now();
		const branch = lowest.hash;
		if (this.#denied?.branch !== branch) this.#denied = { branch, sinceMs: nowMs };
		if (!isMinority(support) || nowMs - this.#denied.sinceMs < LIMITS.forkDeniedMs) return;
		source.distrust(lowest, "it is on a branch that most of the other providers deny");
	}

	/**
	 * Who has the branch, by its lowest block: there everybody can tell, also who has not come up to its head.
	 * Undefined: nobody answered in time.
	 */
	async #support({ number, hash }: BlockHeader): Promise<BranchSupport | undefined> {
		const { source, clock } = this.#options;
		return supportInTime(source.support({ number, hash }), clock);
	}

	#look(
		{ ancestor, orphaned }: Reorg,
		seen: {
			readonly branch: Hex;
			readonly head: BlockHeader;
			readonly support: BranchSupport | undefined;
		},
	): ForkLook {
		const { spec, clock } = this.#options;
		const { branch, support } = seen;
		const head = seen.head.number;
		const nowMs = clock.now();
		// Timers are not exact: two polls that follow one another must both count.
		const spacingMs = lookMs(spec) * 0.75;
		const tip = (orphaned.at(-1) ?? ancestor).hash;
		const saw = sawFork(this.#watch, { branch, head, tip, nowMs, spacingMs });
		this.#watch = isDenied(support) ? doubtFork(saw) : saw;
		const held = heldFork(this.#watch, { head, nowMs });
		const depth = orphaned.length;
		return { depth, support, ...held, returns: returnsTo(this.#watch, branch, nowMs) };
	}
}

/** How soon a fork that is not confirmed is looked at again. */
export function lookMs({ rpc }: Pick<ChainSpec, "rpc">): number {
	return Math.min(rpc.pollIntervalMs, LIMITS.forkLookMs);
}

/** A source bounds each answer itself, and counts who is late as silent: this is for one that hangs as a whole. */
export const SUPPORT_MOST_MS = LIMITS.supportMs * 1.25;

/** Undefined: it took too long, or failed as only a closed source does. */
export async function supportInTime(
	asked: Promise<BranchSupport>,
	clock: Clock,
): Promise<BranchSupport | undefined> {
	const inTime = new AbortController();
	try {
		return await Promise.race([
			asked,
			clock.sleep(SUPPORT_MOST_MS, inTime.signal).then(() => undefined),
		]);
	} catch (error) {
		if (error instanceof RecantError) return undefined;
		throw error;
	} finally {
		inTime.abort();
	}
}

/** Somebody has it, and others who are more do not. */
function isMinority(support: BranchSupport | undefined): boolean {
	return support !== undefined && support.confirming > 0 && support.denying >= 2;
}
