/** What is shown of a provider. */
import type { ProviderHealth, ProviderState } from "../follower/chain-source.ts";
import type { Provider } from "./provider.ts";
import type { ProviderSet } from "./provider-set.ts";

export function healthOf(provider: Provider, providers: ProviderSet): ProviderHealth {
	const { standing, gate } = provider;
	const { heads } = providers;
	const verdict = heads.verdictOf(provider);
	const view = providers.choice.isAstray(provider) ? "astray" : verdict.type;
	return {
		url: provider.url.shown,
		state: isUntrue(provider, providers) ? "untrue" : stateOf(provider, view),
		latencyMs: standing.latencyMs,
		errorRate: standing.errorRate,
		consecutiveFailures: standing.consecutiveFailures,
		lastError: standing.lastError,
		breaker: isUntrue(provider, providers) ? "open" : standing.breaker,
		since: standing.since,
		head: heads.headOf(provider),
		blocksOff: verdict.type === "level" ? undefined : verdict.blocks,
		requests: { ...gate.figures, callsPerSecond: gate.callsPerSecond },
		batchCalls: provider.batch.size,
		logRangeBlocks: provider.logRange.size,
	};
}

/** The only provider is asked again after a moment: there is nobody else to ask. */
function isUntrue({ standing }: Provider, { all }: ProviderSet): boolean {
	return standing.isDistrusted && (all.length > 1 || standing.consecutiveFailures > 0);
}

function stateOf(
	{ standing }: Provider,
	view: "level" | "lagging" | "ahead" | "astray",
): ProviderState {
	if (standing.consecutiveFailures > 0) {
		if (standing.lastFault === "other_chain") return "wrong_chain";
		return standing.lastFault === "rate_limited" ? "limited" : "failing";
	}
	return view === "level" ? "ok" : view;
}
