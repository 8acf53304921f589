/**
 * What the follower, the rollback and the anchors ask of a node. The adapter is rpc/.
 *
 * Every method throws `RetryableError("rpc_unavailable" | "rpc_failed")` when no provider answers
 * well in time; `undefined` always means that the node answered that it does not have the thing.
 * Answers are well-formed: hashes and addresses are lower case, heights are bigints.
 */
import type { BranchSupport } from "../chain/branch-support.ts";
import type { ForkSignal } from "../chain/decision.ts";
import type { ChainBlock, ChainLog, TransactionReceipt } from "../domain/block.ts";
import type { ChainId, Height, Hex } from "../domain/ids.ts";
import type { BreakerState } from "../domain/store-health.ts";

/** Which logs are wanted; lower case. See log-filter.ts for whether a log is one of them. */
export interface LogFilter {
	/** Undefined: of whichever contract. Empty: no logs at all, and the node is not asked. */
	readonly addresses: readonly Hex[] | undefined;
	/** Event signatures, topic 0: any of these. Empty: every event, and `args` is not looked at. */
	readonly topics: readonly Hex[];
	/** Topics 1 to 3, each any of these; undefined, or left out: whatever stands there. */
	readonly args?: TopicArgs;
}

/** Topics 1 to 3, 32 bytes each; undefined: whatever stands there. */
export type TopicArgs = readonly (readonly Hex[] | undefined)[];

/** Which of a node's answers are held against what proves them; see rpc/answer-checks.ts. */
export interface Trust {
	/** A block's hash is made again from its header's fields. */
	readonly headerHash: boolean;
	/**
	 * Logs are held against the bloom of their block, and not asked for where it excludes them. Has no effect
	 * without `headerHash`. Not for chains whose blocks have logs that their bloom leaves out.
	 */
	readonly logsBloom: boolean;
	/** Logs and receipts are taken from all receipts of their block, whose root is made again. */
	readonly receipts: boolean;
	/** With `receipts`: transactions are read as a whole, so that their hashes are proved as well. */
	readonly transactions?: boolean;
}

/** A block whose logs are asked for, with as much of it as is known. `ChainBlock` has all of it. */
export interface LogBlock {
	readonly number: Height;
	readonly hash: Hex;
	readonly logsBloom?: Hex | undefined;
	readonly transactions?: readonly Hex[] | undefined;
}

export interface RangeLogs {
	/** In order. */
	readonly logs: readonly ChainLog[];
	/** The blocks that the logs are of, in order, each once; each log was held against its block. */
	readonly blocks: readonly ChainBlock[];
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
	 * whether it has the block in the same request, but for logs that prove it themselves. It is not asked at
	 * all where the block's bloom excludes every log that the filter takes.
	 */
	logsOfBlock(block: LogBlock, filter: LogFilter): Promise<readonly ChainLog[]>;
	/**
	 * The same of several blocks that follow one another, ascending: each one's logs, in the order of the blocks.
	 * Where most may hold some, the node is asked for the range that they make, and what that leaves open block
	 * by block: so logs of another branch, or an answer that was cut off, cost time and no more.
	 */
	logsOfBlocks(
		blocks: readonly LogBlock[],
		filter: LogFilter,
	): Promise<readonly (readonly ChainLog[])[]>;
	/**
	 * Logs of both bounds inclusive, in order; none for `from` above `to`. Splits ranges that the node
	 * finds too large. Throws `RetryableError("rpc_failed")` when the node does not have block `to`:
	 * nodes answer a range above their head with an empty list. Logs and `blocks` belong together; chunks of
	 * one range may be of two branches, so compare the blocks with what they must stand on.
	 */
	logsOfRange(
		range: { readonly from: Height; readonly to: Height },
		filter: LogFilter,
	): Promise<RangeLogs>;
	receipt(transactionHash: Hex): Promise<TransactionReceipt | undefined>;
	/** Asks every provider, all at once, for LIMITS.supportMs at most. Never throws for one. */
	support(block: { readonly number: Height; readonly hash: Hex }): Promise<BranchSupport>;
	/**
	 * Puts the providers aside that confirmed this block when they were last asked for its support: the others
	 * deny it. Does nothing where that was too long ago to be known.
	 */
	distrust(block: { readonly number: Height; readonly hash: Hex }, why: string): void;
	/** eth_call on the state after exactly that block, from nobody, with all the gas that the node gives. */
	call(request: ChainCall): Promise<CallResult>;
	/**
	 * Calls `onHead` when there may be a new head: at each poll interval, and with WebSocket at each
	 * announced head as well, and once when a subscription begins. Carries no data: the follower asks;
	 * `onHead` must not throw. Called with removed_logs when an answer held logs that were taken back: the answer
	 * is not used, and a fork is likely. Returns the stop function.
	 */
	watch(onHead: (signal?: Extract<ForkSignal, "removed_logs">) => void): () => void;
	/** For the status page: what the providers did lately. */
	health(): readonly ProviderHealth[];
	/** Ends what is under way and every watch; later calls are refused with `rpc_unavailable`. */
	close(): Promise<void>;
}

/**
 * failing: at fault lately. limited: it said that it is asked too often. lagging, ahead: its head is far off the
 * others'. astray: it is on another branch than most of the others. wrong_chain: it serves another one. untrue: an answer of it was proved wrong. Each but ok is put
 * aside: lagging as long as another can be asked, all others for a time.
 */
export type ProviderState =
	| "ok"
	| "failing"
	| "limited"
	| "lagging"
	| "ahead"
	| "astray"
	| "wrong_chain"
	| "untrue";

export interface ProviderHealth {
	/** Without credentials, path secrets or query. */
	readonly url: string;
	readonly state: ProviderState;
	/** Milliseconds of its small answers, the newer the more they count; undefined before the first. */
	readonly latencyMs: number | undefined;
	/** Share of its requests that failed by its fault lately, in [0, 1]. */
	readonly errorRate: number;
	readonly consecutiveFailures: number;
	/** Stays after the provider is well again; without secrets. */
	readonly lastError: string | undefined;
	/** open: put aside for now. half_open: it failed, and may be asked again. */
	readonly breaker: BreakerState;
	/** Since when it is failing, or not. */
	readonly since: Date;
	/** Height of the head that it showed last. */
	readonly head: Height | undefined;
	/** How many blocks it lags, or is ahead; undefined in every other state. */
	readonly blocksOff: bigint | undefined;
	/** What it is given, which adapts to what it bears. */
	readonly requests: {
		readonly atMost: number;
		readonly underWay: number;
		readonly waiting: number;
		/** Undefined: as many as come. */
		readonly callsPerSecond: number | undefined;
	};
	/** Most calls of one request, and most blocks of one question for logs, as learned so far. */
	readonly batchCalls: number;
	readonly logRangeBlocks: number;
}
