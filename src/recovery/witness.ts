/** Each provider of a chain asked by itself, unlike `ChainSource`, which takes the first that answers. */
import type { BlockHeader } from "../domain/block.ts";
import type { ChainId, Height } from "../domain/ids.ts";

/** The adapter is rpc/witnesses.ts. Every method throws RecantErrors only. */
export interface Witness {
	/** Its URL without secrets. */
	readonly provider: string;
	chainId(): Promise<ChainId>;
	latest(): Promise<BlockHeader>;
	/** Undefined: the node knows no such tag. */
	finalized(): Promise<BlockHeader | undefined>;
	/** In the order of the heights; undefined: it has none there. */
	blocks(heights: readonly Height[]): Promise<readonly (BlockHeader | undefined)[]>;
}

/** Connections for one hearing. */
export interface Hearing {
	/** One for each different URL of the chain's file, at least one. */
	readonly witnesses: readonly Witness[];
	close(): void;
}
