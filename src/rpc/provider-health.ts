/** What is shown of a provider. */
import type { ProviderHealth, ProviderState } from "../follower/chain-source.ts";
import type { Provider } from "./provider.ts";
import type { ProviderSet } from "./provider-set.ts";

export function healthOf(provider: Provider, providers: ProviderSet): ProviderHealth {
	const { standing, gate } = provider;
	const { heads } = providers;
	const verdict = heads.verdictOf(provider);
	return {
		url: provider.url.shown,
		state: stateOf(provider, providers.choice.isAstray(provider) ? "astray" : verdict.type),
		latencyMs: standing.latencyMs,
		errorRate: standing.errorRate,
		consecutiveFailures: standing.consecutiveFailures,
		lastError: standing.lastError,
		breaker: standing.breaker,
		since: standing.since,
		head: heads.headOf(provider),
		blocksOff: verdict.type === "level" ? undefined : verdict.blocks,
		requests: { ...gate.figures, callsPerSecond: gate.callsPerSecond },
		batchCalls: provider.batch.size,
		logRangeBlocks: provider.logRange.size,
	};
}

function stateOf(
	{ standing }: Provider,
	view: "level" | "lagging" | "ahead" | "astray",
): ProviderState {
	if (standing.isDistrusted) return "untrue";
	if (standing.consecutiveFailures > 0) {
		if (standing.lastFault === "other_chain") return "wrong_chain";
		return standing.lastFault === "rate_limited" ? "limited" : "failing";
	}
	return view === "level" ? "ok" : view;
}
