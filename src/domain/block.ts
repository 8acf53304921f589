import type { Height, Hex } from "./ids.ts";

/** What the header window keeps of a block. `timestamp` is in seconds since the epoch. */
export interface BlockHeader {
	readonly number: Height;
	readonly hash: Hex;
	readonly parentHash: Hex;
	readonly timestamp: bigint;
}

/** A header as a node answers it, with what is needed to look for logs and anchors. */
export interface ChainBlock extends BlockHeader {
	/** 256 bytes, under the hash; undefined where nothing follows from it: not every chain keeps blooms. */
	readonly logsBloom: Hex | undefined;
	/** Hashes of the block's transactions, in order. */
	readonly transactions: readonly Hex[];
}

/** One event log. `address`, `topics` and `data` are lower case. */
export interface ChainLog {
	readonly address: Hex;
	readonly topics: readonly Hex[];
	readonly data: Hex;
	readonly blockNumber: Height;
	readonly blockHash: Hex;
	readonly transactionHash: Hex;
	readonly transactionIndex: number;
	/** Index in the block. */
	readonly logIndex: number;
}

/** What a transaction did, as far as anchors care. */
export interface TransactionReceipt {
	readonly transactionHash: Hex;
	readonly blockHash: Hex;
	readonly blockNumber: Height;
	readonly status: "success" | "reverted";
	readonly logs: readonly ChainLog[];
}
