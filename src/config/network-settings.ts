/** What a chain's file leaves to the network that it names: id, times, finality, what answers are held against. */
import { windowBlocksFor } from "../chain/window-size.ts";
import type { ChainId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { ChainSpec } from "../follower/chain-spec.ts";
import type { ChainDefinition } from "../follower/define-chain.ts";
import { NETWORKS, type Network } from "../follower/networks.ts";
import type { Invalid } from "./event-handlers.ts";

/** Of a chain of which nothing is known. */
const DEFAULT_BLOCK_TIME_MS = 12_000;
const DEFAULT_POLL_INTERVAL_MS = 1_000;
const DEFAULT_FINALITY_DEPTH = 64;
/**
 * The node's tags are looked at so often in the time that a block takes to be final, within these bounds: asking
 * with each block doubles the questions, and a tag that is read late is a little more of a lag of minutes.
 */
const LOOKS_TO_FINALITY = 16;
const LEAST_FINALITY_EVERY_MS = 2_000;
const MOST_FINALITY_EVERY_MS = 30_000;
const DEFAULT_TIMEOUT_MS = 10_000;
/** Four looks a block: it is seen an eighth of its time late on average. No chain is looked at less than others. */
const LOOKS_PER_BLOCK = 4;
const LEAST_POLL_MS = 100;
const MOST_POLL_MS = DEFAULT_POLL_INTERVAL_MS;

type NetworkSettings = Pick<
	ChainSpec,
	| "id"
	| "rpc"
	| "blockTimeMs"
	| "finalityTags"
	| "finalityDepthBlocks"
	| "finalityEveryMs"
	| "windowBlocks"
>;

export function networkSettings(chain: ChainDefinition, invalid: Invalid): NetworkSettings {
	const network: Network | undefined =
		chain.network === undefined ? undefined : NETWORKS[chain.network];
	const { rpc, trust } = chain;
	const blockTimeMs = chain.blockTimeMs ?? network?.blockTimeMs ?? DEFAULT_BLOCK_TIME_MS;
	const finalityDepthBlocks = depthBlocks(chain, { network, blockTimeMs }, invalid);
	const knowsTime = (chain.blockTimeMs ?? network) !== undefined;
	return {
		id: chainId(chain, network, invalid),
		blockTimeMs,
		rpc: {
			urls: rpc.urls,
			pollIntervalMs:
				rpc.pollIntervalMs ?? (knowsTime ? pollIntervalMs(blockTimeMs) : DEFAULT_POLL_INTERVAL_MS),
			timeoutMs: rpc.timeoutMs ?? DEFAULT_TIMEOUT_MS,
			logRangeBlocks: rpc.logRangeBlocks ?? network?.logRangeBlocks ?? LIMITS.rpcLogRangeBlocks,
			trust: {
				headerHash: trust?.headerHash ?? network?.trust.headerHash ?? true,
				logsBloom: trust?.logsBloom ?? network?.trust.logsBloom ?? true,
				receipts: trust?.receipts ?? false,
				...(trust?.transactions === undefined ? {} : { transactions: trust.transactions }),
			},
		},
		finalityTags: chain.finality?.source !== "depth",
		finalityDepthBlocks,
		windowBlocks: windowBlocksFor({ blockTimeMs, finalityDepthBlocks }),
		finalityEveryMs: chain.finality?.everyMs ?? finalityEveryMs(finalityDepthBlocks * blockTimeMs),
	};
}

function chainId(
	{ id, network: name }: ChainDefinition,
	network: Network | undefined,
	invalid: Invalid,
): ChainId {
	const known = id ?? network?.id;
	if (known === undefined) throw invalid("id: must be given where no network is named");
	if (network === undefined || name === "anvil" || known === network.id) return known;
	throw invalid(`id: ${known} is not the id of the network "${name}", which is ${network.id}`);
}

function pollIntervalMs(blockTimeMs: number): number {
	const wanted = Math.round(blockTimeMs / LOOKS_PER_BLOCK);
	return Math.min(MOST_POLL_MS, Math.max(LEAST_POLL_MS, wanted));
}

function finalityEveryMs(finalAfterMs: number): number {
	const wanted = Math.round(finalAfterMs / LOOKS_TO_FINALITY);
	return Math.min(MOST_FINALITY_EVERY_MS, Math.max(LEAST_FINALITY_EVERY_MS, wanted));
}

/** As many blocks as the time takes, at least one; more than any window holds cannot be waited for. */
function depthBlocks(
	{ finality }: ChainDefinition,
	{ network, blockTimeMs }: { readonly network: Network | undefined; readonly blockTimeMs: number },
	invalid: Invalid,
): number {
	if (finality?.depthBlocks !== undefined && finality.depthMs !== undefined)
		throw invalid("finality: give depthBlocks or depthMs, not both");
	if (finality?.depthBlocks !== undefined) return finality.depthBlocks;
	const depthMs = finality?.depthMs ?? network?.depthMs;
	if (depthMs === undefined) return DEFAULT_FINALITY_DEPTH;
	return Math.min(LIMITS.windowMostBlocks, Math.max(1, Math.ceil(depthMs / blockTimeMs)));
}
