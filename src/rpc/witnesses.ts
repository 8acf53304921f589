/**
 * The providers of a chain, each asked by itself over connections of its own: what they are asked here must
 * not be answered by another in one's place, and must not put one aside for the follower.
 */
import type { Trust } from "../follower/chain-source.ts";
import type { Hearing } from "../recovery/witness.ts";
import { AnswerChecks } from "./answer-checks.ts";
import { fetchBlocks, fetchChainId, fetchLatest, fetchTagged } from "./blocks.ts";
import { Provider } from "./provider.ts";
import { parseProviderUrl } from "./provider-url.ts";

/** One URL that is given twice is one witness. */
export function openHearing({
	urls,
	timeoutMs,
	trust,
}: {
	readonly urls: readonly string[];
	/** Of one request. */
	readonly timeoutMs: number;
	/** What answers are held against; default: header hashes and blooms. */
	readonly trust?: Trust | undefined;
}): Hearing {
	const known = new Map(urls.map(parseProviderUrl).map((url) => [url.url, url] as const));
	const checks = new AnswerChecks(trust);
	const providers = [...known.values()].map((url) => new Provider(url, { timeoutMs, checks }));
	return {
		witnesses: providers.map((provider) => ({
			provider: provider.url.shown,
			chainId: () => provider.attempt(fetchChainId),
			latest: () => provider.attempt(fetchLatest),
			finalized: () => provider.attempt((asked) => fetchTagged(asked, "finalized")),
			blocks: (heights) => provider.attempt((asked) => fetchBlocks(asked, heights)),
		})),
		close: () => {
			for (const provider of providers) provider.close();
		},
	};
}
