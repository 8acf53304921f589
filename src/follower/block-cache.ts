/** Blocks that the node answered lately, by hash, so that a round asks for each only once. */
import { LRUCache } from "lru-cache";
import type { BlockHeader, ChainBlock } from "../domain/block.ts";
import { RetryableError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { ChainSource } from "./chain-source.ts";

export class BlockCache {
	readonly #source: ChainSource;
	/** A whole window of the least length, and a branch as long beside it; of longer ones blocks are asked for again. */
	readonly #blocks = new LRUCache<string, ChainBlock>({ max: 2 * LIMITS.windowBlocks });

	constructor(source: ChainSource) {
		this.#source = source;
	}

	keep(blocks: readonly (ChainBlock | undefined)[]): void {
		for (const block of blocks) if (block !== undefined) this.#blocks.set(block.hash, block);
	}

	forget(blocks: readonly BlockHeader[]): void {
		for (const { hash } of blocks) this.#blocks.delete(hash);
	}

	/** Without asking. */
	known({ hash, number }: Pick<BlockHeader, "hash" | "number">): ChainBlock | undefined {
		const block = this.#blocks.get(hash);
		return block?.number === number ? block : undefined;
	}

	/** Throws `RetryableError("rpc_failed")` when the node has dropped the block. */
	async whole(header: BlockHeader): Promise<ChainBlock> {
		const known = this.#blocks.get(header.hash) ?? (await this.#source.blockByHash(header.hash));
		if (known === undefined) {
			throw new RetryableError("rpc_failed", {
				message: `the node does not have block ${header.number} (${header.hash}) any more`,
				hint: "its head moved meanwhile; it is looked at again",
			});
		}
		this.#blocks.set(known.hash, known);
		return known;
	}
}
