/**
 * Where the node holds the chain for safe and final, and when it is asked for that.
 *
 * 1. By time, not by block: with a block only when `finalityEveryMs` has passed since the last look. What was
 *    marked meanwhile is not known, so it is not final for this chain either, and a fork below it is followed.
 *    What was once taken over is never taken back for that.
 * 2. A look counts for the tip that it was made for, and is not kept for another.
 * 3. Where the node has no tags, depth decides with each block.
 */
import { type Finality, finality } from "../chain/finality.ts";
import type { HeaderWindow } from "../chain/header-window.ts";
import type { BlockHeader, ChainBlock } from "../domain/block.ts";
import type { Clock } from "../domain/clock.ts";
import { RetryableError } from "../domain/errors.ts";
import type { ChainSource } from "./chain-source.ts";
import type { ChainSpec } from "./chain-spec.ts";
import type { NodeTags } from "./incidents.ts";

export interface FinalityMarksOptions {
	readonly spec: Pick<ChainSpec, "finalityDepthBlocks" | "finalityEveryMs">;
	readonly source: Pick<ChainSource, "blockByNumber" | "tagged">;
	readonly clock: Clock;
	/** Told of what the node answers for its marks. */
	readonly onTags: (tags: NodeTags) => void;
}

export class FinalityMarks {
	readonly #options: FinalityMarksOptions;
	/** When the node was asked last, and whether it has any tag. Undefined: they are due. */
	#looked: { readonly atMs: number; readonly hasTags: boolean } | undefined;

	constructor(options: FinalityMarksOptions) {
		this.#options = options;
	}

	/** Whether the time has come to look at them again. */
	get areDue(): boolean {
		const { clock, spec } = this.#options;
		const looked = this.#looked;
		return looked === undefined || clock.now() - looked.atMs >= spec.finalityEveryMs;
	}

	/** They are due, however short ago they were looked at. */
	lookAgain(): void {
		this.#looked = undefined;
	}

	/** Asks the node, for this tip. */
	async look(tip: BlockHeader): Promise<NodeTags> {
		const { clock, source, onTags } = this.#options;
		const atMs = clock.now();
		const [safe, finalized] = await Promise.all([
			source.tagged("safe"),
			source.tagged("finalized"),
		]);
		onTags({ safe, finalized });
		const tags = {
			safe: await this.#atMost(safe, tip),
			finalized: await this.#atMost(finalized, tip),
		};
		this.#looked = { atMs, hasTags: safe !== undefined || finalized !== undefined };
		return tags;
	}

	/** Where the chain that `window` holds stands; `tags` undefined: they were not looked at for its tip. */
	finalityOf(window: HeaderWindow, tags: NodeTags | undefined, previous: Finality): Finality {
		if (tags === undefined && this.#looked?.hasTags === true) return previous;
		return finality({
			window,
			tagged: tags ?? { safe: undefined, finalized: undefined },
			depthBlocks: this.#options.spec.finalityDepthBlocks,
			previous,
		});
	}

	/**
	 * A tag above the tip counts for the node's block at the tip's height, which is asked for after it: the
	 * tip may have lost its place since it was seen, and an orphan that is marked as final halts the chain
	 * for good.
	 */
	async #atMost(tag: ChainBlock | undefined, tip: BlockHeader): Promise<ChainBlock | undefined> {
		if (tag === undefined || tag.number <= tip.number) return tag;
		const there = await this.#options.source.blockByNumber(tip.number);
		if (there !== undefined) return there;
		throw new RetryableError("rpc_failed", {
			message: `the node tags block ${tag.number} and does not have block ${tip.number}`,
			hint: "it is asked again; if this goes on, check the node",
		});
	}
}
