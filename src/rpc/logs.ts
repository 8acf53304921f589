/**
 * Logs of a block and of a range.
 *
 * Invariants: an empty list means that the provider says that it has the blocks and that they hold no such
 * logs. A node answers a range above its head with an empty list, and some did so for an unknown block hash;
 * so a question for logs asks for the block as well, in the same batch, unless the logs prove it themselves.
 * Every log that leaves here was held against the block that it is of (`requireLogsIn`).
 */
import type { ChainBlock, ChainLog } from "../domain/block.ts";
import type { Height, Hex } from "../domain/ids.ts";
import type { LogFilter, RangeLogs } from "../follower/chain-source.ts";
import { takesArgs } from "../follower/log-filter.ts";
import type { AnnouncedHead } from "./announced-head.ts";
import { type KnownBlock, requireLogsIn } from "./answer-checks.ts";
import { parseLogs } from "./answers.ts";
import {
	blockByHashCall,
	blockByNumberCall,
	fetchBlocks,
	questionTo,
	readBlockAt,
	readBlockOf,
	resultAt,
} from "./blocks.ts";
import type { RpcOutcome } from "./json-rpc.ts";
import type { Provider } from "./provider.ts";
import type { Asked, FailureReason } from "./provider-error.ts";
import { isProviderAtFault, malformed, ProviderError } from "./provider-error.ts";
import { type RangeHint, readRangeHint } from "./range-hint.ts";
import { mayMeanTooLarge } from "./refusal-words.ts";

const METHOD = "eth_getLogs";

/** Both bounds inclusive. */
export interface HeightRange {
	readonly from: Height;
	readonly to: Height;
}

/** Logs of exactly that block, and the block. Throws `ProviderError`, also when the block is unknown. */
export async function fetchLogsOfBlock(
	provider: Provider,
	blockHash: Hex,
	filter: LogFilter,
): Promise<{ readonly block: ChainBlock; readonly logs: readonly ChainLog[] }> {
	const asked = questionTo(provider, METHOD);
	const [answered, outcome] = await provider.ask([
		blockByHashCall(blockHash),
		logsOfBlockCall(blockHash, filter),
	]);
	const logs = readLogs(outcome, filter, asked);
	const block = readBlockOf(blockHash, answered, asked);
	if (block === undefined) throw lacking(asked, `block ${blockHash}`);
	requireLogsIn(block, logs, asked);
	return { block, logs };
}

/** Logs of a block that is known already. None: the node may not have the block at all. */
export async function fetchLogsIn(
	provider: Provider,
	block: KnownBlock,
	filter: LogFilter,
): Promise<readonly ChainLog[]> {
	const asked = questionTo(provider, METHOD);
	const ahead = await provider.logsAhead.take(block.hash, filter);
	const outcome = ahead ?? (await askLogsOfBlock(provider, block.hash, filter));
	const logs = readLogs(outcome, filter, asked);
	requireLogsIn(block, logs, asked);
	return logs;
}

/** A head was announced: its logs are asked for at once, where it is likely that they are wanted. */
export function lookAhead(provider: Provider, head: AnnouncedHead): void {
	provider.logsAhead.announced(head, (hash, filter) => askLogsOfBlock(provider, hash, filter));
}

async function askLogsOfBlock(
	provider: Provider,
	blockHash: Hex,
	filter: LogFilter,
): Promise<RpcOutcome | undefined> {
	const [outcome] = await provider.ask([logsOfBlockCall(blockHash, filter)]);
	return outcome;
}

/**
 * Logs of a range, as they are answered: it is not known whether the provider has the blocks, nor of which branch
 * the logs are. Throws `ProviderError`.
 */
export async function fetchLogsBetween(
	provider: Provider,
	{ from, to }: HeightRange,
	filter: LogFilter,
): Promise<readonly ChainLog[]> {
	const asked = questionTo(provider, METHOD);
	const bounds = { fromBlock: `0x${from.toString(16)}`, toBlock: `0x${to.toString(16)}` };
	const [outcome] = await provider.ask([
		{ method: METHOD, params: [{ ...bounds, ...rawFilter(filter) }] },
	]);
	return readLogs(outcome, filter, asked);
}

/** Logs from `range.from` on, as far as the provider gives them at once: up to `to`, inclusive. */
export interface LogChunk extends RangeLogs {
	readonly to: Height;
}

/** Makes the chunk smaller until the provider takes it. Throws `ProviderError`. */
export async function fetchLogChunk(
	provider: Provider,
	range: HeightRange,
	filter: LogFilter,
): Promise<LogChunk> {
	const whole = range.to - range.from + 1n;
	// Ends: each refusal makes the learned size smaller than what was refused, down to 1.
	for (;;) {
		const { size } = provider.logRange;
		const blocks = whole < BigInt(size) ? Number(whole) : size;
		const to = range.from + BigInt(blocks) - 1n;
		try {
			const { logs, head } = await fetchRange(provider, { from: range.from, to }, filter);
			provider.logRange.worked(blocks);
			return { logs, blocks: await fetchBlocksOf(provider, logs, head), to };
		} catch (error) {
			const asksForLess = error instanceof ProviderError && mayBeTooLarge(error.reason);
			const isSmaller =
				asksForLess &&
				provider.logRange.refused(blocks, hintOf(error.reason, { from: range.from, to }));
			// After a timeout the provider is put aside first, and asked for less the next time.
			if (!isSmaller || isProviderAtFault(error.reason)) throw error;
		}
	}
}

async function fetchRange(
	provider: Provider,
	{ from, to }: HeightRange,
	filter: LogFilter,
): Promise<{ readonly logs: readonly ChainLog[]; readonly head: ChainBlock }> {
	const asked = questionTo(provider, METHOD);
	const bounds = { fromBlock: `0x${from.toString(16)}`, toBlock: `0x${to.toString(16)}` };
	const [block, outcome] = await provider.ask([
		blockByNumberCall(to),
		{ method: METHOD, params: [{ ...bounds, ...rawFilter(filter) }] },
	]);
	const logs = readLogs(outcome, filter, asked);
	if (logs.some((log) => log.blockNumber < from || log.blockNumber > to))
		throw malformed(asked, `a log outside of ${from} to ${to}`);
	const head = readBlockAt(to, block, asked);
	if (head === undefined) throw lacking(asked, `block ${to}`);
	return { logs, head };
}

/**
 * The blocks that the logs are of, held against them; `head` is one that is known. Hashes that differ are
 * those of two branches: the node's head moved between its answers.
 */
async function fetchBlocksOf(
	provider: Provider,
	logs: readonly ChainLog[],
	head: ChainBlock,
): Promise<readonly ChainBlock[]> {
	const asked = questionTo(provider, METHOD);
	const groups = Map.groupBy(logs, (log) => log.blockNumber);
	const missing = [...groups.keys()].filter((height) => height !== head.number);
	const blocks = new Map([[head.number, head]]);
	for (const block of await fetchBlocks(provider, missing))
		if (block !== undefined) blocks.set(block.number, block);
	return [...groups].map(([height, own]) => {
		const block = blocks.get(height);
		if (block === undefined) throw lacking(asked, `block ${height}`);
		if (own[0]?.blockHash !== block.hash)
			throw malformed(asked, `logs of ${own[0]?.blockHash} at height ${height} of ${block.hash}`);
		requireLogsIn(block, own, asked);
		return block;
	});
}

function logsOfBlockCall(blockHash: Hex, filter: LogFilter) {
	return { method: METHOD, params: [{ blockHash, ...rawFilter(filter) }] };
}

/** As eth_getLogs takes it. */
export function rawFilter({ addresses, topics, args = [] }: LogFilter) {
	return {
		...(addresses === undefined ? {} : { address: addresses }),
		...(topics.length === 0 ? {} : { topics: [topics, ...args.map((each) => each ?? null)] }),
	};
}

/**
 * The size is looked at before anything else: some providers refuse it with the code that others
 * have for a rate. A log that the filter does not match comes from a node that did not apply it.
 */
function readLogs(
	outcome: RpcOutcome | undefined,
	filter: LogFilter,
	asked: Asked,
): readonly ChainLog[] {
	if (outcome?.kind === "error" && mayMeanTooLarge(outcome))
		throw new ProviderError(
			asked,
			{ kind: "range_refused", said: outcome.message },
			`was refused: ${outcome.message}`,
		);
	const logs = parseLogs(resultAt(outcome, asked), asked);
	const addresses =
		filter.addresses && new Set(filter.addresses.map((address) => address.toLowerCase()));
	const topics = new Set(filter.topics.map((topic) => topic.toLowerCase()));
	const isAskedFor = ({ address, topics: [signature, ...args] }: ChainLog) =>
		addresses?.has(address) !== false &&
		(topics.size === 0 || (signature !== undefined && topics.has(signature))) &&
		takesArgs(filter.args ?? [], args);
	if (!logs.every(isAskedFor)) throw malformed(asked, "a log that was not asked for");
	return logs;
}

export function lacking(asked: Asked, what: string): ProviderError {
	return new ProviderError(asked, { kind: "lacking" }, `was asked for ${what}, which is unknown`);
}

function hintOf(reason: FailureReason, asked: HeightRange): RangeHint | undefined {
	return reason.kind === "range_refused" ? readRangeHint(reason.said, asked) : undefined;
}

/** Request timeout, content too large, gateway timeout. */
const HEAVY_STATUSES: readonly number[] = [408, 413, 504];

function mayBeTooLarge(reason: FailureReason): boolean {
	if (reason.kind === "http_status") return HEAVY_STATUSES.includes(reason.status);
	return ["range_refused", "oversized", "timeout"].includes(reason.kind);
}
