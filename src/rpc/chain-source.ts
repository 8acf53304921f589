/**
 * The node adapter: `ChainSource` over one or more JSON-RPC providers, http(s) or ws(s).
 *
 * Answers are believed only as far as they can be checked against the question (number, hash,
 * range, filter); whether blocks link up is the follower's business.
 */
import type { ChainLog } from "../domain/block.ts";
import { FatalError } from "../domain/errors.ts";
import type { ChainId, Height, Hex } from "../domain/ids.ts";
import type { BranchSupport, ChainSource, LogFilter } from "../follower/chain-source.ts";
import { fetchBlockByHash, fetchBlocks, fetchLatest, fetchReceipt, fetchTagged } from "./blocks.ts";
import { fetchCall } from "./call.ts";
import { watchHeads } from "./head-watch.ts";
import type { HeightRange } from "./logs.ts";
import { fetchLogChunk, fetchLogsOfBlock } from "./logs.ts";
import type { RpcLog } from "./provider.ts";
import { Provider } from "./provider.ts";
import { ProviderError } from "./provider-error.ts";
import { ProviderSet } from "./provider-set.ts";
import { parseProviderUrl } from "./provider-url.ts";

export interface ChainSourceOptions {
	/** http(s) or ws(s), in the order of preference; at least one. */
	readonly urls: readonly string[];
	/** Chain that every provider must serve; undefined: whichever it is. */
	readonly chainId?: ChainId | undefined;
	/** How often `watch` tells of a possible head, whatever else announces it. */
	readonly pollIntervalMs: number;
	/** Time limit of one request to one provider, and of opening a WebSocket. */
	readonly timeoutMs: number;
	/** Told when a provider begins to fail and when it answers again. */
	readonly log?: RpcLog | undefined;
}

/**
 * Connects lazily: making a source fails only on URLs that are none
 * (`FatalError("configuration_invalid")`), never on a node that is down.
 */
export function createChainSource(options: ChainSourceOptions): ChainSource {
	const { urls, pollIntervalMs, timeoutMs, log } = options;
	if (urls.length === 0) throw noUrls();
	const providers = new ProviderSet(
		urls.map((url) => new Provider(parseProviderUrl(url), timeoutMs, log)),
		options.chainId,
	);
	const watches = new Set<() => void>();
	return {
		chainId: () => providers.chainId(),
		latest: () => providers.run(fetchLatest),
		tagged: (tag) => providers.run((provider) => fetchTagged(provider, tag)),
		blockByNumber: async (height) =>
			(await providers.run((provider) => fetchBlocks(provider, [height])))[0],
		blockByHash: (hash) => providers.run((provider) => fetchBlockByHash(provider, hash)),
		blocksByNumber: (heights) => providers.run((provider) => fetchBlocks(provider, heights)),
		logsOfBlock: async (blockHash, filter) =>
			filter.addresses.length === 0
				? []
				: await providers.run((provider) => fetchLogsOfBlock(provider, blockHash, filter)),
		logsOfRange: (range, filter) => logsOfRange(providers, range, filter),
		receipt: (hash) => providers.run((provider) => fetchReceipt(provider, hash)),
		support: (block) => askEach(providers, block),
		call: (request) => providers.run((provider) => fetchCall(provider, request)),
		watch: (onHead) => {
			const stop = watchHeads({ providers: providers.all, pollIntervalMs, onHead });
			watches.add(stop);
			return () => {
				watches.delete(stop);
				stop();
			};
		},
		health: () => providers.health(),
		close: async () => {
			for (const stop of watches) stop();
			watches.clear();
			providers.close();
		},
	};
}

/** Chunk by chunk; each may come from another provider, and is whole in itself. */
async function logsOfRange(
	providers: ProviderSet,
	range: HeightRange,
	filter: LogFilter,
): Promise<readonly ChainLog[]> {
	if (filter.addresses.length === 0) return [];
	const logs: ChainLog[] = [];
	for (let from = range.from; from <= range.to; ) {
		const rest = { from, to: range.to };
		const chunk = await providers.run((provider) => fetchLogChunk(provider, rest, filter));
		for (const log of chunk.logs) logs.push(log);
		from = chunk.to + 1n;
	}
	return logs;
}

async function askEach(
	providers: ProviderSet,
	{ number, hash }: { readonly number: Height; readonly hash: Hex },
): Promise<BranchSupport> {
	const says = await Promise.all(
		providers.all.map(async (provider) => {
			if (provider.asideMs > 0) return "silent";
			try {
				const [block] = await provider.attempt((asked) => fetchBlocks(asked, [number]));
				if (block !== undefined) return block.hash === hash ? "confirming" : "denying";
				const head = await provider.attempt(fetchLatest);
				return head.number < number ? "silent" : "denying";
			} catch (error) {
				if (error instanceof ProviderError) return "silent";
				throw error;
			}
		}),
	);
	const count = (what: (typeof says)[number]) => says.filter((each) => each === what).length;
	return {
		confirming: count("confirming"),
		denying: count("denying"),
		silent: count("silent"),
	};
}

function noUrls(): FatalError {
	return new FatalError("configuration_invalid", {
		message: "a chain has no RPC URL",
		hint: "give at least one http(s) or ws(s) URL",
	});
}
