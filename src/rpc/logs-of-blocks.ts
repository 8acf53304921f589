/**
 * The logs of several blocks that follow one another: a question for their range instead of one for each block.
 *
 * A range is answered for whichever branch the node is on, and some nodes cut long answers off without a word. So
 * its answer only ever gives a block logs: those that name its hash and stand in it. A block that may hold logs
 * and got none is asked for by its hash, and so is the one before it and the last of all, which may have been
 * cut off within; nothing is believed of a range that is not believed of a single block (block-logs.ts).
 */
import type { ChainLog } from "../domain/block.ts";
import { RetryableError } from "../domain/errors.ts";
import type { Hex } from "../domain/ids.ts";
import { mapBounded } from "../follower/bounded.ts";
import type { LogBlock, LogFilter } from "../follower/chain-source.ts";
import { type KnownBlock, requireLogsIn } from "./answer-checks.ts";
import { isKnown, logsOfBlock } from "./block-logs.ts";
import { questionTo } from "./blocks.ts";
import { mayHold } from "./log-bloom.ts";
import { fetchLogsBetween } from "./logs.ts";
import type { Provider } from "./provider.ts";
import { ProviderError } from "./provider-error.ts";
import type { ProviderSet } from "./provider-set.ts";

/** Below it a range saves no more than a request or two, and single blocks are asked for at the same time. */
const LEAST_BLOCKS = 4;
/** What one answer should hold at most, and what every provider takes. */
const RANGE_BLOCKS = 64;
/** Requests under way at once: enough to hide a round trip, few enough for public nodes. */
const REQUESTS = 16;
const RANGE_REQUESTS = 4;

type LogsByHash = ReadonlyMap<Hex, readonly ChainLog[]>;
const NONE: LogsByHash = new Map();

/** In the order of `blocks`, which ascend. Throws `RetryableError`, also when a block is unknown. */
export async function logsOfBlocks(
	providers: ProviderSet,
	blocks: readonly LogBlock[],
	filter: LogFilter,
): Promise<readonly (readonly ChainLog[])[]> {
	if (filter.addresses?.length === 0) return blocks.map(() => []);
	const possible = blocks.filter(
		({ logsBloom }) => logsBloom === undefined || mayHold(logsBloom, filter),
	);
	const found = new Map<Hex, readonly ChainLog[]>();
	await mapBounded(inTurns(possible), RANGE_REQUESTS, async (part) => {
		for (const [hash, logs] of await rangeOf(providers, part, filter)) found.set(hash, logs);
	});
	return mapBounded(
		blocks,
		REQUESTS,
		async (block) => found.get(block.hash) ?? logsOfBlock(providers, block, filter),
	);
}

function inTurns(blocks: readonly LogBlock[]): readonly (readonly LogBlock[])[] {
	const count = Math.ceil(blocks.length / RANGE_BLOCKS);
	return Array.from({ length: count }, (_, index) =>
		blocks.slice(index * RANGE_BLOCKS, (index + 1) * RANGE_BLOCKS),
	);
}

/** Of the blocks that a range leaves no doubt about. */
async function rangeOf(
	providers: ProviderSet,
	blocks: readonly LogBlock[],
	filter: LogFilter,
): Promise<LogsByHash> {
	const known = blocks.filter(isKnown);
	const [first] = known;
	const last = known.at(-1);
	if (first === undefined || last === undefined || known.length < LEAST_BLOCKS) return NONE;
	const span = Number(last.number - first.number) + 1;
	// Where few blocks hold any the range is no better, and may be more than a provider takes.
	if (span > 2 * known.length) return NONE;
	try {
		return await providers.run(async (provider) => {
			if (provider.checks.trust.receipts || provider.logRange.size < span) return NONE;
			const range = { from: first.number, to: last.number };
			return certain(known, heldBy(known, await logsBetween(provider, range, filter), provider));
		});
	} catch (error) {
		// Whatever it was, the blocks are asked for one by one, which says so if it goes on.
		if (error instanceof RetryableError) return NONE;
		throw error;
	}
}

/** A range that is refused is no fault of the provider's: single blocks are asked for then. */
async function logsBetween(
	provider: Provider,
	...asked: [Parameters<typeof fetchLogsBetween>[1], LogFilter]
): Promise<readonly ChainLog[]> {
	try {
		return await fetchLogsBetween(provider, ...asked);
	} catch (error) {
		if (error instanceof ProviderError && error.reason.kind === "range_refused") return [];
		throw error;
	}
}

/** Logs of other hashes are those of another branch, or of heights between these blocks. */
function heldBy(
	blocks: readonly KnownBlock[],
	logs: readonly ChainLog[],
	provider: Provider,
): LogsByHash {
	const groups = Map.groupBy(logs, (log) => log.blockHash);
	const held = new Map<Hex, readonly ChainLog[]>();
	for (const block of blocks) {
		const own = groups.get(block.hash);
		if (own === undefined) continue;
		requireLogsIn(block, own, questionTo(provider, "eth_getLogs"));
		held.set(block.hash, own);
	}
	return held;
}

/** Without what may have been cut off: the last block with logs before one without, and the last of all. */
function certain(blocks: readonly KnownBlock[], held: LogsByHash): LogsByHash {
	return new Map(
		blocks.flatMap(({ hash }, index) => {
			const logs = held.get(hash);
			const next = blocks[index + 1];
			return logs !== undefined && next !== undefined && held.has(next.hash) ? [[hash, logs]] : [];
		}),
	);
}
