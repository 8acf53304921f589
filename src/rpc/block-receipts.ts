/**
 * Logs and receipts that need no trust in the provider: all receipts of a block, whose root must be the one
 * in the header that gives the block's hash. So no log can be missing, added or changed. The hashes of
 * transactions are not under that root: they are believed, unless `trust.transactions` has the block read with
 * its transactions as a whole.
 */
import type { ChainBlock, ChainLog, TransactionReceipt } from "../domain/block.ts";
import type { Height, Hex } from "../domain/ids.ts";
import type { LogFilter } from "../follower/chain-source.ts";
import { takesLog } from "../follower/log-filter.ts";
import type { Question } from "./answer-checks.ts";
import { type BlockReceipt, parseBlockReceipt, parseRoot } from "./answers.ts";
import {
	blockByHashCall,
	fetchBlocks,
	fetchReceipt,
	questionTo,
	readBlockOf,
	resultAt,
} from "./blocks.ts";
import type { RpcOutcome } from "./json-rpc.ts";
import { mayHold } from "./log-bloom.ts";
import { type HeightRange, type LogChunk, lacking } from "./logs.ts";
import type { Provider } from "./provider.ts";
import { malformed, untrue } from "./provider-error.ts";
import { receiptsRoot } from "./receipts-root.ts";
import { readWholeBlock, type WholeBlock, wholeBlockCall } from "./whole-block.ts";

const METHOD = "eth_getBlockReceipts";
/** Headers that are read before the receipts of those blocks that need them. */
const RANGE_BLOCKS = 100;
/** Receipts of so many blocks at once: each may be some megabytes. */
const BLOCKS_AT_ONCE = 8;

/** Logs of exactly that block that the filter takes. Throws `ProviderError`, also when it is unknown. */
export async function fetchReceiptLogs(
	provider: Provider,
	blockHash: Hex,
	filter: LogFilter,
): Promise<readonly ChainLog[]> {
	const { receipts } = await fetchBlockReceipts(provider, blockHash);
	return receipts.flatMap(({ proved }) => proved.logs).filter((log) => takesLog(filter, log));
}

/**
 * Logs of the first blocks of a range. Headers are read of all of them, and must stand on one another; those
 * whose bloom excludes the filter need no receipts.
 */
export async function fetchProvedChunk(
	provider: Provider,
	{ from, to }: HeightRange,
	filter: LogFilter,
): Promise<LogChunk> {
	const last = to - from < BigInt(RANGE_BLOCKS) ? to : from + BigInt(RANGE_BLOCKS) - 1n;
	const headers = await fetchLinked(provider, { from, to: last });
	const asked = headers.filter(
		({ logsBloom }) => logsBloom === undefined || mayHold(logsBloom, filter),
	);
	const chunk: { block: ChainBlock; logs: readonly ChainLog[] }[] = [];
	for (let done = 0; done < asked.length; done += BLOCKS_AT_ONCE) {
		const some = asked.slice(done, done + BLOCKS_AT_ONCE);
		const found = some.map(async (block) => ({
			block,
			logs: await fetchReceiptLogs(provider, block.hash, filter),
		}));
		chunk.push(...(await Promise.all(found)));
	}
	const held = chunk.filter(({ logs }) => logs.length > 0);
	return {
		logs: held.flatMap(({ logs }) => logs),
		blocks: held.map(({ block }) => block),
		to: last,
	};
}

/** The transaction's receipt, out of all receipts of its block. Undefined: not on the node's chain. */
export async function fetchProvedReceipt(
	provider: Provider,
	transactionHash: Hex,
): Promise<TransactionReceipt | undefined> {
	const claimed = await fetchReceipt(provider, transactionHash);
	if (claimed === undefined) return undefined;
	const { block, receipts } = await fetchBlockReceipts(provider, claimed.blockHash);
	const found = receipts.find((each) => each.transactionHash === claimed.transactionHash);
	if (found === undefined)
		throw untrue(questionTo(provider, METHOD), `no ${transactionHash} in block ${block.hash}`);
	const { outcome, logs } = found.proved;
	// Before Byzantium there is no status under the root; what the node says of it is all there is.
	const status = isStatus(outcome) ? STATUSES[outcome] : claimed.status;
	return { ...claimed, blockNumber: block.number, status, logs };
}

const STATUSES = { "0x0": "reverted", "0x1": "success" } as const;

function isStatus(outcome: Hex): outcome is keyof typeof STATUSES {
	return outcome in STATUSES;
}

/** All receipts of a block, in order, under the root of its header. */
async function fetchBlockReceipts(
	provider: Provider,
	blockHash: Hex,
): Promise<{ readonly block: ChainBlock; readonly receipts: readonly BlockReceipt[] }> {
	const asked = questionTo(provider, METHOD);
	const [answered, outcome] = await provider.ask([
		isWhole(asked) ? wholeBlockCall(blockHash) : blockByHashCall(blockHash),
		{ method: METHOD, params: [blockHash] },
	]);
	const whole = await readBlock(blockHash, answered, asked);
	const value = resultAt(outcome, asked);
	if (whole === undefined || value === null) throw lacking(asked, `block ${blockHash}`);
	const { block, receiptsRoot: expected } = whole;
	if (!Array.isArray(value)) throw malformed(asked, "receipts that are no list");
	const receipts = value.map((each) => parseBlockReceipt(each, asked));
	requireReceiptsOf(whole, receipts, asked);
	const root = await receiptsRoot(receipts.map(({ proved }) => proved));
	if (root !== expected)
		throw untrue(asked, `receipts of block ${block.number} give the root ${root}, not ${expected}`);
	return { block, receipts };
}

function isWhole({ checks }: Question): boolean {
	return checks.trust.transactions === true;
}

async function readBlock(
	hash: Hex,
	outcome: RpcOutcome | undefined,
	asked: Question,
): Promise<WholeBlock | undefined> {
	if (isWhole(asked)) return readWholeBlock(hash, resultAt(outcome, asked), asked);
	const block = readBlockOf(hash, outcome, asked);
	if (block === undefined) return undefined;
	const receiptsRoot = parseRoot(resultAt(outcome, asked), "receiptsRoot", asked);
	return { block, types: undefined, receiptsRoot };
}

/** One for each transaction, at its place, with logs that are counted through the block. */
function requireReceiptsOf(
	{ block: { number, hash, transactions }, types }: WholeBlock,
	receipts: readonly BlockReceipt[],
	asked: Question,
): void {
	if (receipts.length !== transactions.length)
		throw untrue(asked, `${receipts.length} receipts of ${transactions.length} transactions`);
	let logIndex = 0;
	for (const [index, receipt] of receipts.entries()) {
		const isHere =
			receipt.blockHash === hash &&
			receipt.blockNumber === number &&
			receipt.transactionIndex === index &&
			receipt.transactionHash === transactions[index] &&
			// The receipt's type is under the root, so none can be passed off as one that is not known.
			(types === undefined || Number(receipt.proved.type) === types[index]);
		if (!isHere) throw untrue(asked, `receipt ${index} of block ${number} is another's`);
		for (const log of receipt.proved.logs) {
			if (log.logIndex !== logIndex || log.transactionIndex !== index)
				throw untrue(asked, `log ${logIndex} of block ${number} is not at its place`);
			logIndex += 1;
		}
	}
}

async function fetchLinked(
	provider: Provider,
	{ from, to }: HeightRange,
): Promise<readonly ChainBlock[]> {
	const asked = questionTo(provider, "eth_getBlockByNumber");
	const heights: Height[] = [];
	for (let height = from; height <= to; height += 1n) heights.push(height);
	const blocks: ChainBlock[] = [];
	for (const [index, block] of (await fetchBlocks(provider, heights)).entries()) {
		if (block === undefined) throw lacking(asked, `block ${heights[index]}`);
		const before = blocks.at(-1);
		if (before !== undefined && before.hash !== block.parentHash)
			throw malformed(asked, `block ${block.number} does not stand on ${before.hash}`);
		blocks.push(block);
	}
	return blocks;
}
