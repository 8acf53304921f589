/**
 * One look at the node: its head, and as much below it as the decision needs. Changes nothing but the
 * count of how long the node has been behind.
 */
import { growBranch } from "../chain/branch.ts";
import type { Decision } from "../chain/decision.ts";
import { countHeadBelow, type HeadBelow, NOT_BELOW } from "../chain/head-below.ts";
import type { HeaderWindow } from "../chain/header-window.ts";
import { reconcile } from "../chain/reconcile.ts";
import type { BlockHeader, ChainBlock } from "../domain/block.ts";
import type { Clock } from "../domain/clock.ts";
import { RetryableError } from "../domain/errors.ts";
import type { Height } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { BlockCache } from "./block-cache.ts";
import type { ChainSource } from "./chain-source.ts";

/** Every request lowers the branch, so a round ends by itself; this only bounds a defect. */
const MAX_REQUESTS = LIMITS.groupBlocks + LIMITS.windowBlocks;

export interface Observation {
	readonly head: ChainBlock;
	readonly decision: Exclude<Decision, { readonly type: "need" }>;
}

export class Observer {
	readonly #source: ChainSource;
	readonly #blocks: BlockCache;
	readonly #clock: Clock;
	#headBelow: HeadBelow = NOT_BELOW;

	constructor(source: ChainSource, blocks: BlockCache, clock: Clock) {
		this.#source = source;
		this.#blocks = blocks;
		this.#clock = clock;
	}

	/** Asks for the head, or takes `head` for it. */
	async observe(
		window: HeaderWindow | undefined,
		finalized: Height,
		given?: ChainBlock,
	): Promise<Observation> {
		const head = given ?? (await this.#source.latest());
		this.#blocks.keep([head]);
		let branch: readonly BlockHeader[] = [head];
		for (let request = 0; request < MAX_REQUESTS; request += 1) {
			const decision = reconcile(window, { head, branch, finalized, headBelow: this.#headBelow });
			if (decision.type !== "need") {
				await this.#countBehind(window, head, decision);
				return { head, decision };
			}
			branch = await this.#grow(branch, decision);
		}
		throw incomplete(`the walk back from ${head.hash} took more than ${MAX_REQUESTS} requests`);
	}

	/** By number in one go; what does not link is asked for by hash. */
	async #grow(
		branch: readonly BlockHeader[],
		need: Extract<Decision, { readonly type: "need" }>,
	): Promise<readonly BlockHeader[]> {
		const heights = Array.from(
			{ length: Number(need.to - need.from) + 1 },
			(_, i) => need.from + BigInt(i),
		);
		const fetched = await this.#source.blocksByNumber(heights);
		const grown = growBranch(branch, fetched);
		if (grown !== branch) {
			this.#blocks.keep(fetched);
			return grown;
		}
		const parent = await this.#source.blockByHash(need.hash);
		const linked = growBranch(branch, [parent]);
		if (parent === undefined || linked === branch) {
			throw incomplete(`the node does not have block ${need.to} (${need.hash})`);
		}
		this.#blocks.keep([parent]);
		return linked;
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
		const known = await this.#source.blockByHash(window.tip.hash);
		this.#headBelow =
			known === undefined
				? countHeadBelow(this.#headBelow, { headHash: head.hash, nowMs: this.#clock.now() })
				: NOT_BELOW;
	}
}

function incomplete(why: string): RetryableError {
	return new RetryableError("rpc_failed", {
		message: `the chain could not be walked back: ${why}`,
		hint: "the node's head moved meanwhile, or it lacks blocks; it is asked again",
	});
}
