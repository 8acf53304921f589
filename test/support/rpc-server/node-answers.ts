/** What a node answers that sees the chain so: one function a method, over a view. */
import { keccak256 } from "viem";
import type { Hex } from "../../../src/domain/ids.ts";
import type { BlockTree, Branch } from "./block-tree.ts";
import { bloomOf, cumulativeGas, hexOf, quantity, type RawHeader } from "./header.ts";
import type { Shown } from "./served-chain.ts";

export interface RpcCall {
	readonly id: unknown;
	readonly method: string;
	readonly params: readonly unknown[];
}

/** Becomes the `error` of an answer. */
export class RpcFailure {
	readonly code: number;
	readonly message: string;
	readonly data: unknown;

	constructor(code: number, message: string, data?: unknown) {
		this.code = code;
		this.message = message;
		this.data = data;
	}
}

export interface RawLog {
	readonly address: Hex;
	readonly topics: readonly Hex[];
	readonly data: Hex;
	readonly blockNumber: Hex;
	readonly blockHash: Hex;
	readonly blockTimestamp: Hex;
	readonly transactionHash: Hex;
	readonly transactionIndex: Hex;
	readonly logIndex: Hex;
	readonly removed: boolean;
}

export type RawBlock = RawHeader & {
	readonly hash: Hex;
	readonly size: Hex;
	readonly totalDifficulty: Hex;
	readonly uncles: readonly Hex[];
	readonly transactions: readonly Hex[];
	readonly withdrawals: readonly unknown[];
};

/** What one provider differs in from a node that has and gives everything. */
export interface NodeTraits {
	readonly chainId: number;
	/** Whether blocks that are not canonical are served by hash. */
	readonly servesOrphans: boolean;
	/** First height that it still has; below it says so, or answers null. */
	readonly prunedBelow: number;
	readonly prunedAnswer: "error" | "null";
	/** Blocks and logs of one eth_getLogs. */
	readonly maxRangeBlocks: number;
	readonly maxLogs: number;
	/** Whether a refusal of a range names one that would do. */
	readonly rangeHint: boolean;
	/** Depth of the tags; undefined: it knows none. */
	readonly finalizedDepth: number | undefined;
	readonly safeDepth: number | undefined;
}

export const WHOLE_NODE: NodeTraits = {
	chainId: 31_337,
	servesOrphans: false,
	prunedBelow: 0,
	prunedAnswer: "error",
	maxRangeBlocks: Number.POSITIVE_INFINITY,
	maxLogs: Number.POSITIVE_INFINITY,
	rangeHint: false,
	finalizedDepth: 64,
	safeDepth: 32,
};

export interface NodeView extends Shown {
	readonly tree: BlockTree;
	readonly traits: NodeTraits;
}

/** A result, or `RpcFailure`. */
export function answerOf(view: NodeView, { method, params }: RpcCall): unknown {
	const answer = METHODS[method];
	if (answer === undefined)
		return new RpcFailure(-32601, `the method ${method} does not exist/is not available`);
	return answer(view, params);
}

const METHODS: Readonly<
	Record<string, ((view: NodeView, params: readonly unknown[]) => unknown) | undefined>
> = {
	eth_chainId: ({ traits }) => quantity(traits.chainId),
	net_version: ({ traits }) => `${traits.chainId}`,
	web3_clientVersion: () => "test-tree/1",
	eth_syncing: () => false,
	eth_blockNumber: ({ head }) => quantity(head),
	eth_getBlockByNumber: (view, [block]) => blockAt(view, heightOf(view, block)),
	eth_getBlockByHash: (view, [hash]) => {
		const place = placeOf(view, hash);
		return place === undefined ? null : blockAt({ ...view, ...place }, place.head);
	},
	eth_getLogs: (view, [filter]) => logsOf(view, filter as RawFilter),
	eth_getBlockReceipts: (view, [block]) => receiptsOf(view, block),
	eth_getTransactionReceipt: (view, [hash]) => receiptOf(view, hash),
	eth_getCode: (view, [address]) => (address === view.tree.token ? "0x00" : "0x"),
	eth_call: (view, [request, block]) => callAt(view, request, block),
};

function heightOf({ head, traits }: NodeView, block: unknown): number | RpcFailure {
	switch (block) {
		case "latest":
		case "pending":
			return head;
		case "earliest":
			return 0;
		case "finalized":
			return tagged(head, traits.finalizedDepth);
		case "safe":
			return tagged(head, traits.safeDepth);
		default:
			return Number(block);
	}
}

function tagged(head: number, depth: number | undefined): number | RpcFailure {
	if (depth === undefined) return new RpcFailure(-32602, "invalid block tag");
	return Math.max(0, head - depth);
}

/** A block by hash as a view of its own, if the node gives it. */
function placeOf(view: NodeView, hash: unknown): Shown | undefined {
	const place = view.tree.place(hash as Hex);
	if (place === undefined) return undefined;
	const { branch, height } = place;
	const isCanonical = height <= view.head && view.branch.ownerOf(height) === branch;
	if (!isCanonical && !view.traits.servesOrphans) return undefined;
	return { branch, head: height };
}

function blockAt(view: NodeView, height: number | RpcFailure): RawBlock | null | RpcFailure {
	if (height instanceof RpcFailure) return height;
	if (!(height >= 0 && height <= view.head)) return null;
	const pruned = prunedAt(view, height);
	if (pruned !== undefined) return view.traits.prunedAnswer === "null" ? null : pruned;
	const { hash, header, transactions } = view.tree.block(view.branch, height);
	return {
		...header,
		hash,
		size: "0x400",
		totalDifficulty: "0x0",
		uncles: [],
		transactions: transactions.map((transaction) => transaction.hash),
		withdrawals: [],
	};
}

function prunedAt({ traits }: NodeView, height: number): RpcFailure | undefined {
	if (height >= traits.prunedBelow) return undefined;
	return new RpcFailure(4444, "pruned history unavailable");
}

interface RawFilter {
	readonly blockHash?: Hex;
	readonly fromBlock?: unknown;
	readonly toBlock?: unknown;
	readonly address?: Hex | readonly Hex[];
	readonly topics?: readonly (Hex | readonly Hex[] | null)[];
}

function logsOf(view: NodeView, filter: RawFilter): readonly RawLog[] | RpcFailure {
	if (filter.blockHash !== undefined) {
		const place = placeOf(view, filter.blockHash);
		if (place === undefined) return new RpcFailure(-32_000, "unknown block");
		return (
			prunedAt(view, place.head) ?? logsIn(view.tree, place.branch, place.head).filter(fits(filter))
		);
	}
	const from = heightOf(view, filter.fromBlock ?? "latest");
	const to = heightOf(view, filter.toBlock ?? "latest");
	if (from instanceof RpcFailure) return from;
	if (to instanceof RpcFailure) return to;
	return prunedAt(view, from) ?? rangeLogs(view, { from, to }, filter);
}

function rangeLogs(
	{ tree, branch, head, traits }: NodeView,
	{ from, to }: { readonly from: number; readonly to: number },
	filter: RawFilter,
): readonly RawLog[] | RpcFailure {
	if (to - from >= traits.maxRangeBlocks) {
		const fitting = `[${quantity(from)}, ${quantity(from + traits.maxRangeBlocks - 1)}]`;
		const hint = traits.rangeHint ? `. Try with this block range ${fitting}.` : "";
		return new RpcFailure(-32_602, `block range is limited to ${traits.maxRangeBlocks}${hint}`);
	}
	const logs: RawLog[] = [];
	const isWanted = fits(filter);
	for (let height = from; height <= Math.min(to, head); height += 1) {
		for (const log of logsIn(tree, branch, height)) if (isWanted(log)) logs.push(log);
		if (logs.length > traits.maxLogs)
			return new RpcFailure(-32_005, `query returned more than ${traits.maxLogs} results`);
	}
	return logs;
}

export function logsIn(tree: BlockTree, branch: Branch, height: number): readonly RawLog[] {
	const transactions = tree.transactions(branch, height);
	if (transactions.length === 0) return [];
	const block = {
		blockNumber: quantity(height),
		blockHash: branch.hashAt(height),
		blockTimestamp: quantity(tree.timestamp(branch, height)),
	};
	const logs: RawLog[] = [];
	for (const [index, { hash, logs: own }] of transactions.entries()) {
		for (const log of own) {
			logs.push({
				...log,
				...block,
				transactionHash: hash,
				transactionIndex: quantity(index),
				logIndex: quantity(logs.length),
				removed: false,
			});
		}
	}
	return logs;
}

function fits({ address, topics = [] }: RawFilter): (log: RawLog) => boolean {
	const addresses = address === undefined ? undefined : listOf(address);
	const wanted = topics.map((topic) => (topic === null ? undefined : listOf(topic)));
	return (log) =>
		(addresses === undefined || addresses.includes(log.address)) &&
		wanted.every((any, index) => {
			const topic = log.topics[index];
			return any === undefined || any.length === 0 || (topic !== undefined && any.includes(topic));
		});
}

function listOf(value: Hex | readonly Hex[]): readonly Hex[] {
	return typeof value === "string" ? [value] : value;
}

function receiptsOf(view: NodeView, block: unknown): unknown {
	const isHash = typeof block === "string" && block.length === 66;
	const height = isHash ? undefined : heightOf(view, block);
	if (height instanceof RpcFailure) return height;
	const place = height === undefined ? placeOf(view, block) : { branch: view.branch, head: height };
	if (place === undefined || (height !== undefined && height > view.head)) return null;
	return prunedAt(view, place.head) ?? receiptsIn(view.tree, place.branch, place.head);
}

function receiptsIn(tree: BlockTree, branch: Branch, height: number) {
	const logs = logsIn(tree, branch, height);
	return tree.transactions(branch, height).map(({ hash, logs: own }, index) => ({
		transactionHash: hash,
		transactionIndex: quantity(index),
		blockHash: branch.hashAt(height),
		blockNumber: quantity(height),
		type: "0x2",
		status: "0x1",
		cumulativeGasUsed: cumulativeGas(index),
		gasUsed: cumulativeGas(0),
		effectiveGasPrice: "0x1",
		from: `0x${"00".repeat(20)}`,
		to: tree.token,
		contractAddress: null,
		logsBloom: hexOf(bloomOf(own)),
		logs: logs.filter(({ transactionIndex }) => transactionIndex === quantity(index)),
	}));
}

/** How far below the head a transaction is looked for: nobody asks for older ones. */
const RECEIPT_BLOCKS = 1_024;

function receiptOf({ tree, branch, head }: NodeView, hash: unknown): unknown {
	for (let height = head; height > Math.max(0, head - RECEIPT_BLOCKS); height -= 1) {
		const index = tree.transactions(branch, height).findIndex((each) => each.hash === hash);
		if (index >= 0) return receiptsIn(tree, branch, height)[index];
	}
	return null;
}

/** What a call gives is as good as any, and different at each block. */
function callAt(view: NodeView, request: unknown, block: unknown): unknown {
	const named = typeof block === "object" && block !== null && "blockHash" in block;
	const height = named ? undefined : heightOf(view, block);
	if (height instanceof RpcFailure) return height;
	const place = named
		? placeOf(view, block.blockHash)
		: height === undefined || height > view.head
			? undefined
			: { branch: view.branch, head: height };
	if (place === undefined) return new RpcFailure(-32_000, "header not found");
	const said = JSON.stringify([place.branch.hashAt(place.head), request]);
	return keccak256(Buffer.from(said));
}
