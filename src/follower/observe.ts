/**
 * One look at the node: its head, as much below it as the decision needs, and whether a fork is sure. Changes
 * nothing but what is remembered of such looks: how long the node has been behind, and which forks were seen.
 */
import { growBranch } from "../chain/branch.ts";
import type { Decision, ForkEvidence, Reorg, Shrink, Unconfirmed } from "../chain/decision.ts";
import { countHeadBelow, type HeadBelow, isAgreed, NOT_BELOW } from "../chain/head-below.ts";
import type { HeaderWindow } from "../chain/header-window.ts";
import { reconcile } from "../chain/reconcile.ts";
import type { BlockHeader, ChainBlock } from "../domain/block.ts";
import type { Clock } from "../domain/clock.ts";
import { RetryableError } from "../domain/errors.ts";
import type { Height } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { BlockCache } from "./block-cache.ts";
import type { ChainSource } from "./chain-source.ts";
import type { ChainSpec } from "./chain-spec.ts";
import { type ForkJudge, lookMs, supportInTime } from "./fork-judge.ts";

/** Every request lowers the branch, so a round ends by itself; this only bounds a defect. */
const MAX_REQUESTS = LIMITS.groupBlocks + LIMITS.windowMostBlocks;

/** A fork that is to be followed. */
type Confirmed = (Reorg | Shrink) & { readonly evidence: ForkEvidence };

export interface Observation {
	readonly head: ChainBlock;
	readonly decision:
		| Exclude<Decision, { readonly type: "need" | "reorg" | "shrink" }>
		| Confirmed
		| Unconfirmed;
}

export interface ObserverOptions {
	readonly spec: Pick<ChainSpec, "reorg" | "rpc">;
	readonly source: ChainSource;
	readonly blocks: BlockCache;
	readonly forks: ForkJudge;
	readonly clock: Clock;
}

export class Observer {
	readonly #options: ObserverOptions;
	#headBelow: HeadBelow = NOT_BELOW;

	constructor(options: ObserverOptions) {
		this.#options = options;
	}

	/** Asks for the head, or takes `head` for it. */
	async observe(
		window: HeaderWindow | undefined,
		finalized: Height,
		given?: ChainBlock,
	): Promise<Observation> {
		const head = given ?? (await this.#options.source.latest());
		const decision = await this.#decide(window, finalized, head);
		const below = this.#headBelow;
		await this.#countBehind(window, head, decision);
		return { head, decision: await this.#judged({ head, decision, below }) };
	}

	async #decide(
		window: HeaderWindow | undefined,
		finalized: Height,
		head: ChainBlock,
	): Promise<Exclude<Decision, { readonly type: "need" }>> {
		const { blocks, spec } = this.#options;
		blocks.keep([head]);
		const { polls, elapsedMs } = this.#headBelow;
		const agreed = isAgreed(this.#headBelow, { rules: spec.reorg, lookMs: lookMs(spec) });
		const headBelow = { polls, elapsedMs, isAgreed: agreed };
		let branch: readonly BlockHeader[] = [head];
		for (let request = 0; request < MAX_REQUESTS; request += 1) {
			const decision = reconcile(window, { head, branch, finalized, headBelow });
			// The looks that a halt is made of are each a look at the node, not at what one of them was told.
			if (decision.type === "halt") blocks.forget(branch);
			if (decision.type !== "need") return decision;
			branch = await this.#grow(branch, decision);
		}
		throw incomplete(`the walk back from ${head.hash} took more than ${MAX_REQUESTS} requests`);
	}

	/** A fork as far as it is sure; everything else as it is. */
	async #judged(seen: {
		readonly head: ChainBlock;
		readonly decision: Exclude<Decision, { readonly type: "need" }>;
		/** As it was for this decision. */
		readonly below: HeadBelow;
	}): Promise<Observation["decision"]> {
		const { decision, head, below } = seen;
		const { forks } = this.#options;
		if (decision.type === "shrink") return { ...decision, evidence: forks.shrunk(decision, below) };
		if (decision.type === "reorg") {
			const judged = await forks.judge(decision, head);
			return "type" in judged ? judged : { ...decision, evidence: judged };
		}
		forks.seesNone(decision);
		return decision;
	}

	/** What an earlier look has seen, else by number in one go; what does not link is asked for by hash. */
	async #grow(
		branch: readonly BlockHeader[],
		need: Extract<Decision, { readonly type: "need" }>,
	): Promise<readonly BlockHeader[]> {
		const seen = this.#seenBelow(need);
		if (seen.length > 0) return [...seen, ...branch];
		const heights = Array.from(
			{ length: Number(need.to - need.from) + 1 },
			(_, i) => need.from + BigInt(i),
		);
		const { blocks, source } = this.#options;
		const fetched = await source.blocksByNumber(heights);
		const grown = growBranch(branch, fetched);
		if (grown !== branch) {
			blocks.keep(fetched);
			return grown;
		}
		const parent = await source.blockByHash(need.hash);
		const linked = growBranch(branch, [parent]);
		if (parent === undefined || linked === branch) {
			// What was remembered may have led here: where headers are not checked, one answer in error would for good.
			blocks.forget(branch);
			throw incomplete(`the node does not have block ${need.to} (${need.hash})`);
		}
		blocks.keep([parent]);
		return linked;
	}

	/** Ascending, as far as they are remembered without a hole: a block's hash names all that is below it. */
	#seenBelow({ hash, from, to }: Extract<Decision, { readonly type: "need" }>) {
		const seen: ChainBlock[] = [];
		let block = this.#options.blocks.known({ hash, number: to });
		while (block !== undefined && block.number >= from) {
			seen.push(block);
			block = this.#options.blocks.known({ hash: block.parentHash, number: block.number - 1n });
		}
		return seen.reverse();
	}

	async #countBehind(
		window: HeaderWindow | undefined,
		head: BlockHeader,
		decision: Decision,
	): Promise<void> {
		const behind =
			decision.type === "wait" || (decision.type === "ignore" && decision.reason !== "same_head");
		if (window === undefined || !behind) {
			this.#headBelow = NOT_BELOW;
			return;
		}
		const { source, clock } = this.#options;
		const { tip } = window;
		const known = await source.blockByHash(tip.hash);
		const poll = { headHash: head.hash, nowMs: clock.now() };
		const counted = known === undefined ? countHeadBelow(this.#headBelow, poll) : NOT_BELOW;
		this.#headBelow = counted.polls > 1 ? await this.#heard(counted, tip, head) : counted;
	}

	/**
	 * What the other providers say of a head that has been below the tip for more than one look: one that has
	 * the tip shows that the node only lags.
	 */
	async #heard(counted: HeadBelow, tip: BlockHeader, head: BlockHeader): Promise<HeadBelow> {
		const { spec, source, clock } = this.#options;
		if (spec.rpc.urls.length < 2) return counted;
		const [ofTip, ofHead] = await Promise.all(
			[tip, head].map(({ number, hash }) => supportInTime(source.support({ number, hash }), clock)),
		);
		return ofTip !== undefined && ofTip.confirming > 0
			? NOT_BELOW
			: { ...counted, support: ofHead };
	}
}

function incomplete(why: string): RetryableError {
	return new RetryableError("rpc_failed", {
		message: `the chain could not be walked back: ${why}`,
		hint: "the node's head moved meanwhile, or it lacks blocks; it is asked again",
	});
}
