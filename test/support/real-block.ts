/** Blocks of public chains with their receipts, and a node that serves the one with logs, which a test may forge. */
import { readFileSync } from "node:fs";
import type { Hex } from "../../src/domain/ids.ts";
import type { LogFilter } from "../../src/follower/chain-source.ts";
import { rpcError, type ScriptedCall } from "./scripted-node.ts";

export interface RealReceipt {
	readonly transactionHash: Hex;
	readonly logs: readonly RealLog[];
	readonly [field: string]: unknown;
}

export interface RealLog {
	readonly address: Hex;
	readonly topics: readonly Hex[];
	readonly [field: string]: unknown;
}

export interface RealBlock {
	readonly network: string;
	readonly what: string;
	readonly block: {
		readonly hash: Hex;
		readonly number: Hex;
		readonly receiptsRoot: Hex;
		readonly logsBloom: Hex;
		readonly transactions: readonly Hex[];
		readonly [field: string]: unknown;
	};
	readonly receipts: readonly RealReceipt[];
	/** Of those that are served. */
	readonly wholeTransactions?: readonly RealTransaction[];
}

export interface RealTransaction {
	readonly hash: Hex;
	readonly [field: string]: unknown;
}

export interface RealHeader {
	readonly network: string;
	readonly fork: string;
	readonly header: { readonly hash: Hex; readonly [field: string]: unknown };
}

function read(name: string): unknown {
	const url = new URL(`../vectors/${name}.json`, import.meta.url);
	return JSON.parse(readFileSync(url, "utf8"));
}

export const REAL_HEADERS = (read("block-headers") as { headers: readonly RealHeader[] }).headers;
export const REAL_BLOCKS = (read("block-receipts") as { blocks: readonly RealBlock[] }).blocks;

const withLogs = REAL_BLOCKS.find(({ receipts }) => receipts.some(({ logs }) => logs.length > 0));
if (withLogs === undefined) throw new RangeError("a block of the vectors has logs");

/** Six transactions, of which the last four have one log each of one contract. */
export const SERVED = withLogs;
export const SERVED_NUMBER = BigInt(SERVED.block.number);
export const SERVED_LOGS = SERVED.receipts.flatMap(({ logs }) => logs);

const [firstLog] = SERVED_LOGS;
export const SERVED_FILTER: LogFilter = {
	addresses: firstLog === undefined ? [] : [firstLog.address],
	topics: firstLog?.topics ?? [],
};

/** The block with its transactions as a whole. */
export const SERVED_TRANSACTIONS = SERVED.wholeTransactions ?? [];
export const SERVED_WHOLE = { ...SERVED.block, transactions: SERVED_TRANSACTIONS };

/** What an honest node that has this block alone answers. */
export function servedAnswer({ method, params: [first, isWhole] }: ScriptedCall): unknown {
	const { block, receipts } = SERVED;
	switch (method) {
		case "eth_chainId":
			return "0x515";
		case "eth_getBlockByNumber":
			return first === block.number || first === "latest" ? block : null;
		case "eth_getBlockByHash":
			if (first !== block.hash) return null;
			return isWhole === true ? SERVED_WHOLE : block;
		case "eth_getBlockReceipts":
			return first === block.hash ? receipts : null;
		case "eth_getTransactionReceipt":
			return receipts.find(({ transactionHash }) => transactionHash === first) ?? null;
		case "eth_getLogs":
			return SERVED_LOGS;
		default:
			return rpcError(-32601, `the method ${method} does not exist`);
	}
}
