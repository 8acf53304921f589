import type { Trust } from "../../src/follower/chain-source.ts";
import { answering, rpcError, type Script, type ScriptedCall } from "./scripted-node.ts";

/** A chain whose answers can be computed: block n has hash word(n) and one log, of index 0. */
export const SCRIPTED_ADDRESS = `0x${"aa".repeat(20)}` as const;
/** Its blocks have no headers that would give their hashes. */
export const SCRIPTED_TRUST: Trust = { headerHash: false, logsBloom: false, receipts: false };
export const SCRIPTED_TOPIC = `0x${"ee".repeat(32)}` as const;

export function word(value: bigint | number): `0x${string}` {
	return `0x${value.toString(16).padStart(64, "0")}`;
}

export function scriptedBlock(height: number) {
	return {
		number: `0x${height.toString(16)}`,
		hash: word(height),
		parentHash: word(Math.max(0, height - 1)),
		timestamp: "0x1",
		transactions: [word(1_000_000 + height)],
	};
}

export function scriptedLog(height: number) {
	return {
		address: SCRIPTED_ADDRESS,
		topics: [SCRIPTED_TOPIC],
		data: "0x",
		blockNumber: `0x${height.toString(16)}`,
		blockHash: word(height),
		transactionHash: word(1_000_000 + height),
		transactionIndex: "0x0",
		logIndex: "0x0",
		removed: false,
	};
}

export interface ScriptedChain {
	/** Highest block that the node has. */
	readonly head: number;
	/** Most blocks of one eth_getLogs. */
	readonly maxRangeBlocks?: number;
	/** Most logs of one eth_getLogs. */
	readonly maxLogs?: number;
}

/** Answers as a node with that chain does; `instead` may answer otherwise, undefined: it does not. */
export function chainScript(
	chain: ScriptedChain,
	instead: (call: ScriptedCall) => unknown = () => undefined,
): Script {
	return answering((call) => {
		const other = instead(call);
		return other === undefined ? chainAnswer(chain, call) : other;
	});
}

function chainAnswer(chain: ScriptedChain, { method, params: [first] }: ScriptedCall): unknown {
	switch (method) {
		case "eth_chainId":
			return "0x7a69";
		case "eth_getBlockByNumber": {
			const height = first === "latest" ? chain.head : Number(first);
			return height <= chain.head ? scriptedBlock(height) : null;
		}
		case "eth_getBlockByHash":
			return Number(first) <= chain.head ? scriptedBlock(Number(first)) : null;
		case "eth_getLogs":
			return logsAnswer(chain, first as RawFilter);
		default:
			return rpcError(-32601, `the method ${method} does not exist`);
	}
}

interface RawFilter {
	readonly blockHash?: string;
	readonly fromBlock?: string;
	readonly toBlock?: string;
}

function logsAnswer(chain: ScriptedChain, filter: RawFilter): unknown {
	const from = Number(filter.blockHash ?? filter.fromBlock);
	const to = Number(filter.blockHash ?? filter.toBlock);
	const { maxRangeBlocks = 1e9, maxLogs = 1e9 } = chain;
	if (to - from >= maxRangeBlocks)
		return rpcError(-32602, `eth_getLogs is limited to a ${maxRangeBlocks} range`);
	const heights = Array.from({ length: to - from + 1 }, (_, index) => from + index);
	const logs = heights.filter((height) => height <= chain.head).map(scriptedLog);
	if (logs.length > maxLogs) return rpcError(-32005, `query returned more than ${maxLogs} results`);
	// Newest first: the order is the adapter's business.
	return logs.reverse();
}
