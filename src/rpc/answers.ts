/**
 * From a node's JSON to the domain's types, strictly: what is missing, of another type, out of
 * bounds or not the thing that was asked for makes the whole answer malformed.
 */
import type { ChainBlock, ChainLog, TransactionReceipt } from "../domain/block.ts";
import type { ChainId, Height, Hex } from "../domain/ids.ts";
import { FOREVER } from "../domain/ids.ts";
import type { Question } from "./answer-checks.ts";
import { isObject } from "./json-rpc.ts";
import { bloomOf } from "./log-bloom.ts";
import { BLOOM, HASH, QUANTITY } from "./patterns.ts";
import type { Asked } from "./provider-error.ts";
import { malformed, ProviderError, untrue } from "./provider-error.ts";
import type { ProvedReceipt } from "./receipts-root.ts";

const ADDRESS = /^0x[0-9a-f]{40}$/i;
const BYTES = /^0x(?:[0-9a-f]{2})*$/i;
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
type RawReceipt = Raw<
	| "transactionHash"
	| "transactionIndex"
	| "blockHash"
	| "blockNumber"
	| "status"
	| "root"
	| "type"
	| "cumulativeGasUsed"
	| "logsBloom"
	| "logs"
	| "depositNonce"
	| "depositReceiptVersion"
>;

/** Throws a malformed `ProviderError`, as every function here does. */
export function parseChainId(value: unknown, asked: Asked): ChainId {
	const chainId = parseIndex(value, "chain id", asked);
	if (chainId === 0) throw malformed(asked, "chain id 0");
	return chainId;
}

/** A block with transaction hashes; undefined for null, which says that the node lacks it. */
export function parseBlock(value: unknown, asked: Question): ChainBlock | undefined {
	if (value === null) return undefined;
	if (!isObject(value)) throw malformed(asked, "a block that is no object");
	const raw: RawBlock = value;
	const block: ChainBlock = {
		number: parseHeight(raw.number, asked),
		hash: parseHex(raw.hash, HASH, "block hash", asked),
		parentHash: parseHex(raw.parentHash, HASH, "parent hash", asked),
		timestamp: parseQuantity(raw.timestamp, "timestamp", asked),
		logsBloom: parseBloom(raw.logsBloom, asked),
		transactions: parseHashes(raw.transactions, "transactions", asked),
	};
	return asked.checks.block(value, block, asked);
}

/** A log that is part of the chain: one with `removed` is not. */
export function parseLog(value: unknown, asked: Asked): ChainLog {
	if (!isObject(value)) throw malformed(asked, "a log that is no object");
	const raw: RawLog = value;
	if (raw.removed === true)
		throw new ProviderError(asked, { kind: "removed_logs" }, "got logs that were removed");
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
 * an answer that was put together while the head moved, and are malformed; so are logs whose transactions do
 * not come in the order of the logs.
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
		if (!areInOrder(before, log))
			throw malformed(asked, `transactions out of order in the logs of block ${log.blockNumber}`);
	}
	return logs;
}

/** Whether `log` may follow on `before` in their block: in the same transaction, or in a later one. */
function areInOrder(before: ChainLog, log: ChainLog): boolean {
	return before.transactionIndex === log.transactionIndex
		? before.transactionHash === log.transactionHash
		: before.transactionIndex < log.transactionIndex &&
				before.transactionHash !== log.transactionHash;
}

/** Undefined for null: not included in the node's canonical chain. */
export function parseReceipt(value: unknown, asked: Question): TransactionReceipt | undefined {
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
	requireOwnLogs(receipt, asked);
	asked.checks.receiptBloom(parseBloom(raw.logsBloom, asked), receipt.logs, asked);
	return receipt;
}

/** A receipt as it is under its block's root, and where it says that it is. */
export interface BlockReceipt {
	readonly transactionHash: Hex;
	readonly transactionIndex: number;
	readonly blockHash: Hex;
	readonly blockNumber: Height;
	readonly proved: ProvedReceipt;
}

/** One of all receipts of a block. Before Byzantium it has the state's root in place of a status. */
export function parseBlockReceipt(value: unknown, asked: Asked): BlockReceipt {
	if (!isObject(value)) throw malformed(asked, "a receipt that is no object");
	const raw: RawReceipt = value;
	const receipt = {
		transactionHash: parseHex(raw.transactionHash, HASH, "transaction hash", asked),
		transactionIndex: parseIndex(raw.transactionIndex, "transaction index", asked),
		blockHash: parseHex(raw.blockHash, HASH, "block hash", asked),
		blockNumber: parseHeight(raw.blockNumber, asked),
		logs: parseLogs(raw.logs, asked),
	};
	requireOwnLogs(receipt, asked);
	const { logs, ...place } = receipt;
	const logsBloom = parseBloom(raw.logsBloom, asked) ?? bloomOf(logs);
	return {
		...place,
		proved: {
			type: parseHex(raw.type ?? "0x0", QUANTITY, "type of a receipt", asked),
			outcome: parseOutcome(raw, asked),
			cumulativeGasUsed: parseHex(raw.cumulativeGasUsed, QUANTITY, "gas used", asked),
			logsBloom,
			logs,
			extra: parseDeposit(raw, asked),
		},
	};
}

/** Of a block as a node answers it. */
export function parseRoot(
	block: unknown,
	name: "receiptsRoot" | "transactionsRoot",
	asked: Asked,
): Hex {
	const raw: Raw<typeof name> = isObject(block) ? block : {};
	return parseHex(raw[name], HASH, name, asked);
}

/** Of a transaction: what it is, and where it says that it is. */
export function parsePlace(value: unknown, asked: Asked) {
	if (!isObject(value)) throw malformed(asked, "a transaction that is no object");
	const raw: Raw<"hash" | "blockHash" | "blockNumber" | "transactionIndex" | "type"> = value;
	return {
		hash: parseHex(raw.hash, HASH, "transaction hash", asked),
		blockHash: parseHex(raw.blockHash, HASH, "block hash of a transaction", asked),
		blockNumber: parseHeight(raw.blockNumber, asked),
		index: parseIndex(raw.transactionIndex, "transaction index", asked),
		type: parseIndex(raw.type ?? "0x0", "type of a transaction", asked),
	};
}

/** A state's root where there is one: some nodes make up a status beside it. */
function parseOutcome({ status, root }: RawReceipt, asked: Asked): Hex {
	return typeof root === "string" && HASH.test(root)
		? parseHex(root, HASH, "root", asked)
		: parseHex(status, QUANTITY, "status or root of a receipt", asked);
}

/** What deposits of the OP stack have from Canyon on, which is when their version is answered. */
function parseDeposit(raw: RawReceipt, asked: Asked): readonly Hex[] {
	const { depositNonce, depositReceiptVersion: version } = raw;
	if (version === undefined || version === null) return [];
	return [
		parseHex(depositNonce, QUANTITY, "deposit nonce", asked),
		parseHex(version, QUANTITY, "deposit receipt version", asked),
	];
}

/** The logs of a receipt are all logs of its transaction, so they stand one behind the other. */
function requireOwnLogs(
	receipt: Pick<TransactionReceipt, "transactionHash" | "blockHash" | "blockNumber" | "logs">,
	asked: Asked,
): void {
	const [first] = receipt.logs;
	const isOwn = (log: ChainLog, index: number) =>
		log.blockHash === receipt.blockHash &&
		log.blockNumber === receipt.blockNumber &&
		log.transactionHash === receipt.transactionHash &&
		log.logIndex === (first?.logIndex ?? 0) + index;
	if (!receipt.logs.every(isOwn))
		throw untrue(asked, "a receipt with a log of another transaction or block, or without one");
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
