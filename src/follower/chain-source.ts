/**
 * What the follower, the rollback and the anchors ask of a node. The adapter is rpc/.
 *
 * Every method throws `RetryableError("rpc_unavailable" | "rpc_failed")` when no provider answers
 * well in time; `undefined` always means that the node answered that it does not have the thing.
 * Answers are well-formed: hashes and addresses are lower case, heights are bigints.
 */
import type { ChainBlock, ChainLog, TransactionReceipt } from "../domain/block.ts";
import type { ChainId, Height, Hex } from "../domain/ids.ts";
import type { BreakerState } from "../domain/store-health.ts";

/**
 * Addresses and event signatures that the chain's contracts name. Empty `addresses`: no logs at
 * all, and the node is not asked. Empty `topics`: every event of these addresses.
 */
export interface LogFilter {
	readonly addresses: readonly Hex[];
	readonly topics: readonly Hex[];
}

/** What the providers of a chain say of one block, each asked by itself; the three add up to all of them. */
export interface BranchSupport {
	/** Have exactly this block at its height. */
	readonly confirming: number;
	/** Have another block there, or none although their head is as high. */
	readonly denying: number;
	/** Gave no answer in time, are put aside, or lag below that height. */
	readonly silent: number;
}

export interface ChainCall {
	readonly to: Hex;
	readonly data: Hex;
	readonly block: { readonly number: Height; readonly hash: Hex };
}

/** reverted: the contract refused, with this data; it does so whoever is asked. */
export type CallResult =
	| { readonly type: "ok"; readonly data: Hex }
	| { readonly type: "reverted"; readonly data: Hex };

export interface ChainSource {
	chainId(): Promise<ChainId>;
	latest(): Promise<ChainBlock>;
	/** Undefined where the node has no such tag. */
	tagged(tag: "safe" | "finalized"): Promise<ChainBlock | undefined>;
	blockByNumber(height: Height): Promise<ChainBlock | undefined>;
	blockByHash(hash: Hex): Promise<ChainBlock | undefined>;
	/** Blocks `heights` in the same order; requested together where the node takes batches. */
	blocksByNumber(heights: readonly Height[]): Promise<readonly (ChainBlock | undefined)[]>;
	/**
	 * Logs of exactly that block, in order. Throws `RetryableError("rpc_failed")` when the node does
	 * not know the block: an orphaned block must never look like one without logs. The node is asked
	 * whether it has the block in the same request.
	 */
	logsOfBlock(blockHash: Hex, filter: LogFilter): Promise<readonly ChainLog[]>;
	/**
	 * Logs of both bounds inclusive, in order; none for `from` above `to`. Splits ranges that the node
	 * finds too large. Throws `RetryableError("rpc_failed")` when the node does not have block `to`:
	 * nodes answer a range above their head with an empty list. Says nothing about which branch the
	 * logs are of, and chunks of one range may be of two: compare `blockHash` with the headers.
	 */
	logsOfRange(
		range: { readonly from: Height; readonly to: Height },
		filter: LogFilter,
	): Promise<readonly ChainLog[]>;
	receipt(transactionHash: Hex): Promise<TransactionReceipt | undefined>;
	/** Asks every provider, all at once and each within the time limit of one request. Never throws for one. */
	support(block: { readonly number: Height; readonly hash: Hex }): Promise<BranchSupport>;
	/** eth_call on the state after exactly that block, from nobody, with all the gas that the node gives. */
	call(request: ChainCall): Promise<CallResult>;
	/**
	 * Calls `onHead` when there may be a new head: at each poll interval, and with WebSocket at each
	 * announced head as well, and once when a subscription begins. Carries no data: the follower asks;
	 * `onHead` must not throw. Returns the stop function.
	 */
	watch(onHead: () => void): () => void;
	/** For the status page: what the providers did lately. */
	health(): readonly ProviderHealth[];
	/** Ends what is under way and every watch; later calls are refused with `rpc_unavailable`. */
	close(): Promise<void>;
}

export interface ProviderHealth {
	/** Without credentials, path secrets or query. */
	readonly url: string;
	readonly state: "ok" | "failing";
	/** Milliseconds of the last good answer; undefined before the first. */
	readonly latencyMs: number | undefined;
	readonly consecutiveFailures: number;
	/** Stays after the provider is well again; without secrets. */
	readonly lastError: string | undefined;
	/** open: put aside for now. half_open: it failed, and may be asked again. */
	readonly breaker: BreakerState;
	/** Since when it is in this state. */
	readonly since: Date;
}
