/**
 * The logs of one block: whether they are asked for at all, and when an answer without any is believed.
 *
 * A block's bloom decides. Where it excludes what is looked for, nobody is asked. Where it does not, and a
 * provider answers none, either others set those bits or the provider has left the logs out, as nodes do
 * whose index of logs comes behind their head: then it is asked for a second time, of another provider where
 * there is one. None again is believed where other logs may well have set the bits; where that is unlikely, the
 * block's receipts have to prove it, if the provider gives them. An answer with some of the logs is believed:
 * only all receipts, `trust.receipts`, would show what is missing.
 */
import type { ChainLog } from "../domain/block.ts";
import type { LogBlock, LogFilter } from "../follower/chain-source.ts";
import type { KnownBlock } from "./answer-checks.ts";
import { fetchReceiptLogs } from "./block-receipts.ts";
import { questionTo } from "./blocks.ts";
import { mayHold, promises } from "./log-bloom.ts";
import { fetchLogsIn, fetchLogsOfBlock } from "./logs.ts";
import type { Provider } from "./provider.ts";
import { type FailureReason, ProviderError, untrue } from "./provider-error.ts";
import type { ProviderSet } from "./provider-set.ts";

interface FirstLook {
	readonly provider: Provider;
	readonly logs: readonly ChainLog[];
	/** There are none although the bloom may hold some. */
	readonly isDoubtful: boolean;
}

/** Throws `RetryableError`, also when the block is unknown. */
export async function logsOfBlock(
	providers: ProviderSet,
	block: LogBlock,
	filter: LogFilter,
): Promise<readonly ChainLog[]> {
	if (filter.addresses?.length === 0) return [];
	if (block.logsBloom !== undefined && !mayHold(block.logsBloom, filter)) return [];
	const first = await providers.run((provider) => lookFirst(provider, block, filter));
	return first.isDoubtful ? lookAgain(providers, block, filter, first.provider) : first.logs;
}

async function lookFirst(
	provider: Provider,
	block: LogBlock,
	filter: LogFilter,
): Promise<FirstLook> {
	if (provider.checks.trust.receipts)
		return {
			provider,
			logs: await fetchReceiptLogs(provider, block.hash, filter),
			isDoubtful: false,
		};
	if (isKnown(block)) {
		const logs = await fetchLogsIn(provider, block, filter);
		return { provider, logs, isDoubtful: logs.length === 0 };
	}
	const { block: answered, logs } = await fetchLogsOfBlock(provider, block.hash, filter);
	const { logsBloom } = answered;
	const isDoubtful = logs.length === 0 && logsBloom !== undefined && mayHold(logsBloom, filter);
	return { provider, logs, isDoubtful };
}

/** Enough of it to hold logs against, which then need no block beside them. */
export function isKnown(block: LogBlock): block is KnownBlock {
	return block.logsBloom !== undefined && block.transactions !== undefined;
}

/** Asks with the block, since an unknown one may look empty; of `first` itself where no other answers. */
async function lookAgain(
	providers: ProviderSet,
	block: LogBlock,
	filter: LogFilter,
	first: Provider,
): Promise<readonly ChainLog[]> {
	const other = providers.all.find(
		(each) => each !== first && each.asideMs === 0 && !each.standing.isDistrusted,
	);
	if (other !== undefined) {
		try {
			return await other.attempt((asked) => lookElsewhere(asked, block, filter, first));
		} catch (error) {
			if (!(error instanceof ProviderError)) throw error;
		}
	}
	return first.attempt((asked) => lookClosely(asked, block, filter));
}

async function lookElsewhere(
	other: Provider,
	block: LogBlock,
	filter: LogFilter,
	first: Provider,
): Promise<readonly ChainLog[]> {
	const logs = await lookClosely(other, block, filter);
	if (logs.length > 0) {
		const what = `no logs of block ${block.number}, which has ${logs.length}`;
		first.standing.failed(untrue(questionTo(first, "eth_getLogs"), what), Number.POSITIVE_INFINITY);
	}
	return logs;
}

/** Logs of the block, and where there are none although its bloom promises some, out of its receipts. */
async function lookClosely(
	provider: Provider,
	{ hash }: LogBlock,
	filter: LogFilter,
): Promise<readonly ChainLog[]> {
	const { block, logs } = await fetchLogsOfBlock(provider, hash, filter);
	const { logsBloom } = block;
	// Blocks without such logs would be looked at for nothing: all receipts of one are many.
	const isPromised = logsBloom !== undefined && promises(logsBloom, filter);
	if (logs.length > 0 || !isPromised) return logs;
	try {
		return await fetchReceiptLogs(provider, hash, filter);
	} catch (error) {
		if (error instanceof ProviderError && NOT_GIVEN.includes(error.reason.kind)) return logs;
		throw error;
	}
}

/** The provider does not have the method, or not for so large a block. */
const NOT_GIVEN: readonly FailureReason["kind"][] = ["refused", "oversized", "pruned"];
