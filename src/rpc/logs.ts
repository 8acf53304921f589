/**
 * Logs of a block and of a range.
 *
 * Invariant: an empty list means that the provider has the blocks and that they hold no such logs.
 * A node answers a range above its head with an empty list, and some did so for an unknown block
 * hash; so every question for logs asks for the block as well, in the same batch.
 */
import type { ChainLog } from "../domain/block.ts";
import type { Height, Hex } from "../domain/ids.ts";
import type { LogFilter } from "../follower/chain-source.ts";
import { parseLogs } from "./answers.ts";
import {
	blockByHashCall,
	blockByNumberCall,
	readBlockAt,
	readBlockOf,
	resultAt,
} from "./blocks.ts";
import type { RpcOutcome } from "./json-rpc.ts";
import type { Provider } from "./provider.ts";
import type { Asked, FailureReason } from "./provider-error.ts";
import { isProviderAtFault, malformed, ProviderError } from "./provider-error.ts";

const METHOD = "eth_getLogs";

/** Both bounds inclusive. */
export interface HeightRange {
	readonly from: Height;
	readonly to: Height;
}

/** Logs of exactly that block. Throws `ProviderError`, also when the block is unknown. */
export async function fetchLogsOfBlock(
	provider: Provider,
	blockHash: Hex,
	filter: LogFilter,
): Promise<readonly ChainLog[]> {
	const asked = { provider: provider.url, method: METHOD };
	const [block, logs] = await provider.ask([
		blockByHashCall(blockHash),
		{ method: METHOD, params: [{ blockHash, ...rawFilter(filter) }] },
	]);
	const found = readLogs(logs, filter, asked);
	if (found.some((log) => log.blockHash !== blockHash.toLowerCase()))
		throw malformed(asked, "a log of another block");
	if (readBlockOf(blockHash, block, asked) === undefined)
		throw lacking(asked, `block ${blockHash}`);
	return found;
}

/** Logs from `range.from` on, as far as the provider gives them at once: up to `to`, inclusive. */
interface LogChunk {
	readonly logs: readonly ChainLog[];
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
			const logs = await fetchRange(provider, { from: range.from, to }, filter);
			provider.logRange.worked(blocks);
			return { logs, to };
		} catch (error) {
			const asksForLess = error instanceof ProviderError && mayBeTooLarge(error.reason);
			const isSmaller = asksForLess && provider.logRange.refused(blocks);
			// After a timeout the provider is put aside first, and asked for less the next time.
			if (!isSmaller || isProviderAtFault(error.reason)) throw error;
		}
	}
}

async function fetchRange(
	provider: Provider,
	{ from, to }: HeightRange,
	filter: LogFilter,
): Promise<readonly ChainLog[]> {
	const asked = { provider: provider.url, method: METHOD };
	const bounds = { fromBlock: `0x${from.toString(16)}`, toBlock: `0x${to.toString(16)}` };
	const [block, outcome] = await provider.ask([
		blockByNumberCall(to),
		{ method: METHOD, params: [{ ...bounds, ...rawFilter(filter) }] },
	]);
	const logs = readLogs(outcome, filter, asked);
	if (logs.some((log) => log.blockNumber < from || log.blockNumber > to))
		throw malformed(asked, `a log outside of ${from} to ${to}`);
	if (readBlockAt(to, block, asked) === undefined) throw lacking(asked, `block ${to}`);
	return logs;
}

function rawFilter({ addresses, topics }: LogFilter) {
	return { address: addresses, ...(topics.length === 0 ? {} : { topics: [topics] }) };
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
	if (outcome?.kind === "error" && saysTooLarge(outcome.message))
		throw new ProviderError(asked, { kind: "range_refused" }, `was refused: ${outcome.message}`);
	const logs = parseLogs(resultAt(outcome, asked), asked);
	const addresses = new Set(filter.addresses.map((address) => address.toLowerCase()));
	const topics = new Set(filter.topics.map((topic) => topic.toLowerCase()));
	const isAskedFor = ({ address, topics: [signature] }: ChainLog) =>
		addresses.has(address) &&
		(topics.size === 0 || (signature !== undefined && topics.has(signature)));
	if (!logs.every(isAskedFor)) throw malformed(asked, "a log that was not asked for");
	return logs;
}

function lacking(asked: Asked, what: string): ProviderError {
	return new ProviderError(asked, { kind: "lacking" }, `was asked for ${what}, which is unknown`);
}

/**
 * No code means "too large" with every provider, so it is told by the words, as in "query returned
 * more than 10000 results", "block range is too wide", "exceed maximum block range: 5000", "limited
 * to a 10,000 range", "Log response size exceeded", "query timeout exceeded". A limit of the rate is
 * none of the size. Taking an error wrongly for this costs a few smaller requests.
 */
const SIZE = /range|results?|logs?\b|blocks?\b|size|response|query/i;
const EXCESS =
	/too (?:many|large|wide|big|long)|(?:more|greater) than|over \d|exceed|limit|up to|at most|max|time(?:d )?-?out/i;
const RATE = /too many requests|\brate\b|per second|quota/i;

function saysTooLarge(message: string): boolean {
	return SIZE.test(message) && EXCESS.test(message) && !RATE.test(message);
}

/** Request timeout, content too large, gateway timeout. */
const HEAVY_STATUSES: readonly number[] = [408, 413, 504];

function mayBeTooLarge(reason: FailureReason): boolean {
	if (reason.kind === "http_status") return HEAVY_STATUSES.includes(reason.status);
	return ["range_refused", "oversized", "timeout"].includes(reason.kind);
}
