/**
 * From a node's JSON to the domain's types, strictly: what is missing, of another type, out of
 * bounds or not the thing that was asked for makes the whole answer malformed.
 */
import type { ChainBlock, ChainLog, TransactionReceipt } from "../domain/block.ts";
import type { ChainId, Height, Hex } from "../domain/ids.ts";
import { FOREVER } from "../domain/ids.ts";
import { isObject } from "./json-rpc.ts";
import type { Asked } from "./provider-error.ts";
import { malformed } from "./provider-error.ts";

const HASH = /^0x[0-9a-f]{64}$/i;
const ADDRESS = /^0x[0-9a-f]{40}$/i;
const BLOOM = /^0x[0-9a-f]{512}$/i;
const BYTES = /^0x(?:[0-9a-f]{2})*$/i;
/** 64 bits; some nodes pad with zeros. */
const QUANTITY = /^0x[0-9a-f]{1,16}$/i;
/** LOG0 to LOG4. */
const MAX_TOPICS = 4;

type Raw<Names extends string> = { readonly [Name in Names]?: unknown };
type RawBlock = Raw<"number" | "hash" | "parentHash" | "timestamp" | "logsBloom" | "transactions">;
type RawLog = Raw<
	| "address"
	| "topics"
	| "data"
	| "blockNumber"
	| "blockHash"
	| "transactionHash"
	| "transactionIndex"
	| "logIndex"
	| "removed"
>;
type RawReceipt = Raw<"transactionHash" | "blockHash" | "blockNumber" | "status" | "logs">;

/** Throws a malformed `ProviderError`, as every function here does. */
export function parseChainId(value: unknown, asked: Asked): ChainId {
	const chainId = parseIndex(value, "chain id", asked);
	if (chainId === 0) throw malformed(asked, "chain id 0");
	return chainId;
}

/** A block with transaction hashes; undefined for null, which says that the node lacks it. */
export function parseBlock(value: unknown, asked: Asked): ChainBlock | undefined {
	if (value === null) return undefined;
	if (!isObject(value)) throw malformed(asked, "a block that is no object");
	const raw: RawBlock = value;
	return {
		number: parseHeight(raw.number, asked),
		hash: parseHex(raw.hash, HASH, "block hash", asked),
		parentHash: parseHex(raw.parentHash, HASH, "parent hash", asked),
		timestamp: parseQuantity(raw.timestamp, "timestamp", asked),
		logsBloom: parseBloom(raw.logsBloom, asked),
		transactions: parseHashes(raw.transactions, "transactions", asked),
	};
}

/** A log that is part of the chain: one with `removed` is not. */
export function parseLog(value: unknown, asked: Asked): ChainLog {
	if (!isObject(value)) throw malformed(asked, "a log that is no object");
	const raw: RawLog = value;
	if (raw.removed === true) throw malformed(asked, "a removed log");
	const topics = parseHashes(raw.topics, "topics", asked);
	if (topics.length > MAX_TOPICS) throw malformed(asked, `${topics.length} topics`);
	return {
		address: parseHex(raw.address, ADDRESS, "address", asked),
		topics,
		data: parseHex(raw.data, BYTES, "data", asked),
		blockNumber: parseHeight(raw.blockNumber, asked),
		blockHash: parseHex(raw.blockHash, HASH, "block hash of a log", asked),
		transactionHash: parseHex(raw.transactionHash, HASH, "transaction hash of a log", asked),
		transactionIndex: parseIndex(raw.transactionIndex, "transaction index", asked),
		logIndex: parseIndex(raw.logIndex, "log index", asked),
	};
}

/**
 * Logs in the order of the chain. Two logs at one place, or of two blocks at one height, come from
 * an answer that was put together while the head moved, and are malformed.
 */
export function parseLogs(value: unknown, asked: Asked): readonly ChainLog[] {
	if (!Array.isArray(value)) throw malformed(asked, "logs that are no list");
	const logs = value.map((entry) => parseLog(entry, asked)).sort(byPlace);
	for (const [index, log] of logs.entries()) {
		const before = logs[index - 1];
		if (before?.blockNumber !== log.blockNumber) continue;
		if (before.blockHash !== log.blockHash)
			throw malformed(asked, `logs of two blocks at height ${log.blockNumber}`);
		if (before.logIndex === log.logIndex)
			throw malformed(asked, `two logs ${log.logIndex} in block ${log.blockNumber}`);
	}
	return logs;
}

/** Undefined for null: not included in the node's canonical chain. */
export function parseReceipt(value: unknown, asked: Asked): TransactionReceipt | undefined {
	if (value === null) return undefined;
	if (!isObject(value)) throw malformed(asked, "a receipt that is no object");
	const raw: RawReceipt = value;
	const receipt: TransactionReceipt = {
		transactionHash: parseHex(raw.transactionHash, HASH, "transaction hash", asked),
		blockHash: parseHex(raw.blockHash, HASH, "block hash", asked),
		blockNumber: parseHeight(raw.blockNumber, asked),
		status: parseStatus(raw.status, asked),
		logs: parseLogs(raw.logs, asked),
	};
	if (receipt.logs.some((log) => !isOf(receipt, log)))
		throw malformed(asked, "a log of another transaction or block");
	return receipt;
}

function isOf(receipt: TransactionReceipt, log: ChainLog): boolean {
	return log.blockHash === receipt.blockHash && log.transactionHash === receipt.transactionHash;
}

function byPlace(a: ChainLog, b: ChainLog): number {
	if (a.blockNumber !== b.blockNumber) return a.blockNumber < b.blockNumber ? -1 : 1;
	return a.logIndex - b.logIndex;
}

function parseStatus(value: unknown, asked: Asked): "success" | "reverted" {
	if (value === "0x1") return "success";
	if (value === "0x0") return "reverted";
	throw malformed(asked, "a receipt without status");
}

function parseBloom(value: unknown, asked: Asked): Hex | undefined {
	if (value === undefined || value === null) return undefined;
	return parseHex(value, BLOOM, "logs bloom", asked);
}

function parseHashes(value: unknown, what: string, asked: Asked): readonly Hex[] {
	if (!Array.isArray(value)) throw malformed(asked, `${what} that are no list`);
	return value.map((entry) => parseHex(entry, HASH, what, asked));
}

function parseHex(value: unknown, pattern: RegExp, what: string, asked: Asked): Hex {
	if (typeof value !== "string" || !pattern.test(value)) throw malformed(asked, `no ${what}`);
	return `0x${value.slice(2).toLowerCase()}`;
}

function parseQuantity(value: unknown, what: string, asked: Asked): bigint {
	if (typeof value !== "string" || !QUANTITY.test(value)) throw malformed(asked, `no ${what}`);
	return BigInt(value);
}

function parseHeight(value: unknown, asked: Asked): Height {
	const height = parseQuantity(value, "block number", asked);
	if (height >= FOREVER) throw malformed(asked, `block number ${height}`);
	return height;
}

function parseIndex(value: unknown, what: string, asked: Asked): number {
	const index = Number(parseQuantity(value, what, asked));
	if (!Number.isSafeInteger(index)) throw malformed(asked, `${what} ${index}`);
	return index;
}
