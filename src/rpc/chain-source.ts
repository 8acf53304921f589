/**
 * The node adapter: `ChainSource` over one or more JSON-RPC providers, http(s) or ws(s).
 *
 * Answers are believed only as far as they can be checked against the question (number, hash,
 * range, filter) and against what proves them (answer-checks.ts); whether blocks link up is the follower's
 * business.
 */
import type { ChainBlock, ChainLog } from "../domain/block.ts";
import { type Clock, systemClock } from "../domain/clock.ts";
import { FatalError } from "../domain/errors.ts";
import type { ChainId, Height } from "../domain/ids.ts";
import type { ChainSource, LogFilter, RangeLogs, Trust } from "../follower/chain-source.ts";
import { AnswerChecks } from "./answer-checks.ts";
import { logsOfBlock } from "./block-logs.ts";
import { fetchProvedChunk, fetchProvedReceipt } from "./block-receipts.ts";
import { fetchBlockByHash, fetchBlocks, fetchReceipt, fetchTagged } from "./blocks.ts";
import { BranchWitnesses } from "./branch-witnesses.ts";
import { fetchCall } from "./call.ts";
import { watchHeads } from "./head-watch.ts";
import type { HeightRange } from "./logs.ts";
import { fetchLogChunk } from "./logs.ts";
import { logsOfBlocks } from "./logs-of-blocks.ts";
import { Provider } from "./provider.ts";
import { healthOf } from "./provider-health.ts";
import { ProviderProbe } from "./provider-probe.ts";
import { ProviderSet } from "./provider-set.ts";
import { parseProviderUrl } from "./provider-url.ts";
import type { RpcLog } from "./rpc-log.ts";

export interface ChainSourceOptions {
	/** http(s) or ws(s), in the order of preference; at least one. */
	readonly urls: readonly string[];
	/** Chain that every provider must serve; undefined: whichever it is. */
	readonly chainId?: ChainId | undefined;
	/** How often `watch` tells of a possible head, whatever else announces it. */
	readonly pollIntervalMs: number;
	/** Time limit of one request to one provider, and of opening a WebSocket. */
	readonly timeoutMs: number;
	/** Widest range of one question for logs that is tried, at most LIMITS.rpcLogRangeBlocks, which is the default. */
	readonly logRangeBlocks?: number | undefined;
	/** What answers are held against; default: header hashes and blooms. */
	readonly trust?: Trust | undefined;
	/** Told when a provider begins to fail and when it answers again. */
	readonly log?: RpcLog | undefined;
	/** By which everything here waits and measures. */
	readonly clock?: Clock | undefined;
}

/**
 * Connects lazily: making a source fails only on URLs that are none
 * (`FatalError("configuration_invalid")`), never on a node that is down.
 */
export function createChainSource(options: ChainSourceOptions): ChainSource {
	const { urls, chainId, pollIntervalMs, log, clock = systemClock } = options;
	if (urls.length === 0) throw noUrls();
	const checks = new AnswerChecks(options.trust);
	// One URL that is given twice is one provider, and one voice.
	const known = new Map(urls.map(parseProviderUrl).map((url) => [url.url, url] as const));
	const told = new Set<Parameters<ChainSource["watch"]>[0]>();
	const onRemovedLogs = () => {
		for (const onHead of told) onHead("removed_logs");
	};
	const providers = new ProviderSet({
		providers: [...known.values()].map(
			(url) => new Provider(url, { ...options, checks, clock, onRemovedLogs }),
		),
		chainId,
		clock,
		log,
	});
	const witnesses = new BranchWitnesses(providers, clock);
	const probe = new ProviderProbe(providers, clock);
	const watches = new Set<() => void>();
	return {
		chainId: () => providers.chainId(),
		latest: async () => {
			await probe.first();
			const head = await providers.latest();
			return (await probe.compared(head.number)) ? providers.latest() : head;
		},
		tagged: (tag) => providers.run((provider) => fetchTagged(provider, tag)),
		blockByNumber: async (height) => (await blocksByNumber(providers, [height]))[0],
		blockByHash: (hash) =>
			providers.run((provider) => fetchBlockByHash(provider, hash), { isWhole: isThere }),
		blocksByNumber: (heights) => blocksByNumber(providers, heights),
		logsOfBlock: (block, filter) => logsOfBlock(providers, block, filter),
		logsOfBlocks: (blocks, filter) => logsOfBlocks(providers, blocks, filter),
		logsOfRange: (range, filter) => logsOfRange(providers, range, filter),
		receipt: (hash) =>
			providers.run(
				(provider) =>
					checks.trust.receipts ? fetchProvedReceipt(provider, hash) : fetchReceipt(provider, hash),
				{ isWhole: isThere },
			),
		support: (block) => witnesses.support(block),
		distrust: (block, why) => witnesses.distrust(block, why),
		call: (request) => providers.run((provider) => fetchCall(provider, request)),
		watch: (onHead) => {
			const { all, heads } = providers;
			const stopHeads = watchHeads({
				...{ providers: all, heads, pollIntervalMs, clock, log },
				onHead: () => onHead(),
			});
			told.add(onHead);
			const stopProbes = probe.start();
			const stop = () => {
				watches.delete(stop);
				told.delete(onHead);
				stopHeads();
				stopProbes();
			};
			watches.add(stop);
			return stop;
		},
		health: () => providers.all.map((provider) => healthOf(provider, providers)),
		close: async () => {
			for (const stop of [...watches]) stop();
			providers.close();
		},
	};
}

/** More blocks of one request may take any provider long. */
const LIGHT_BLOCKS = 16;

/** In the order of `heights`. What one provider should have and has not, another may. */
async function blocksByNumber(
	providers: ProviderSet,
	heights: readonly Height[],
): Promise<readonly (ChainBlock | undefined)[]> {
	const { highest } = providers.heads;
	return providers.run((provider) => fetchBlocks(provider, heights), {
		isHeavy: heights.length > LIGHT_BLOCKS,
		isWhole: (blocks) =>
			heights.every(
				(height, index) =>
					blocks[index] !== undefined || (highest !== undefined && height > highest),
			),
	});
}

function isThere(answer: unknown): boolean {
	return answer !== undefined;
}

/** Chunk by chunk; each may come from another provider, and is whole in itself. */
async function logsOfRange(
	providers: ProviderSet,
	range: HeightRange,
	filter: LogFilter,
): Promise<RangeLogs> {
	const logs: ChainLog[] = [];
	const blocks: ChainBlock[] = [];
	if (filter.addresses?.length === 0) return { logs, blocks };
	for (let from = range.from; from <= range.to; ) {
		const rest = { from, to: range.to };
		const chunk = await providers.run(
			(provider) =>
				provider.checks.trust.receipts
					? fetchProvedChunk(provider, rest, filter)
					: fetchLogChunk(provider, rest, filter),
			{ isHeavy: true },
		);
		for (const log of chunk.logs) logs.push(log);
		for (const block of chunk.blocks) blocks.push(block);
		from = chunk.to + 1n;
	}
	return { logs, blocks };
}

function noUrls(): FatalError {
	return new FatalError("configuration_invalid", {
		message: "a chain has no RPC URL",
		hint: "give at least one http(s) or ws(s) URL",
	});
}
