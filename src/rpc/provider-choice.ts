/**
 * Who is asked next, by what is known of each provider: how it did, where its head is, which branch it is on.
 *
 * One that gave an untrue answer, is on a branch of its own, or is far ahead of the others is chosen only when no
 * other has answered for LAST_RESORT_MS; one that lags only when no other can be asked.
 */
import type { Clock } from "../domain/clock.ts";
import type { Height } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { HeadNotes, type HeadVerdict } from "./head-notes.ts";
import type { Provider } from "./provider.ts";
import { type Candidate, preferred } from "./provider-order.ts";
import type { RpcLog } from "./rpc-log.ts";

interface ProviderChoiceOptions {
	/** In the order of the chain's file. */
	readonly providers: readonly Provider[];
	readonly clock: Clock;
	readonly log: RpcLog | undefined;
	/** Whether a provider is known to serve the chain: else its head says nothing. */
	readonly isOfThisChain: (provider: Provider) => boolean;
}

/** No answer from those that are trusted for so long: whoever else there is may be asked. */
const LAST_RESORT_MS = 10_000;
/** Two looks at the providers, of which one may fail. */
const ASTRAY_MS = 2 * LIMITS.rpcProbeMs + 5_000;

export class ProviderChoice {
	readonly heads: HeadNotes<Provider>;
	readonly #all: readonly Provider[];
	readonly #clock: Clock;
	readonly #log: RpcLog | undefined;
	#holder: Provider | undefined;
	#heldSinceMs = 0;
	#answeredAtMs: number;
	/** Until when a provider is believed to be on a branch of its own, unless it is looked at before. */
	readonly #astrayUntilMs = new Map<Provider, number>();

	constructor({ providers, clock, log, isOfThisChain }: ProviderChoiceOptions) {
		this.#all = providers;
		this.#clock = clock;
		this.#log = log;
		this.#answeredAtMs = clock.now();
		this.heads = new HeadNotes({
			clock,
			counts: (provider) => isOfThisChain(provider) && this.isTrusted(provider),
			onVerdict: (provider, verdict) => this.#tell(provider, verdict),
		});
	}

	/** Undefined: none of those that were not tried may be asked now. */
	next(tried: ReadonlySet<Provider>): Provider | undefined {
		const [only] = this.#all;
		// One provider is asked whenever it may be: there is nothing to weigh.
		if (this.#all.length === 1 && only !== undefined)
			return tried.has(only) || only.asideMs > 0 ? undefined : only;
		const able = this.#all.filter((each) => !tried.has(each) && each.asideMs === 0);
		const trusted = able.filter((each) => this.isTrusted(each));
		const level = trusted.filter((each) => this.heads.verdictOf(each).type === "level");
		if (level.length > 0) return this.#preferred(level);
		if (trusted.length > 0) return this.#preferred(trusted);
		const isLastResort = this.#clock.now() - this.#answeredAtMs >= LAST_RESORT_MS;
		return isLastResort ? this.#preferred(able) : undefined;
	}

	/** It was chosen first for a question, or came before whoever was. */
	hold(provider: Provider): void {
		if (this.#holder === provider) return;
		this.#holder = provider;
		this.#heldSinceMs = this.#clock.now();
	}

	/** It was at fault: who is first is chosen anew, or it would be again as soon as its pause is over. */
	failed(provider: Provider): void {
		if (this.#holder === provider) this.#holder = undefined;
	}

	answered(): void {
		this.#answeredAtMs = this.#clock.now();
	}

	/** It gave no untrue answer lately, is on no branch of its own, and not far ahead of the others. */
	isTrusted(provider: Provider): boolean {
		if (provider.standing.isDistrusted || this.isAstray(provider)) return false;
		return this.heads.verdictOf(provider).type !== "ahead";
	}

	/** It stood on a branch of its own when that was looked at last. */
	isAstray(provider: Provider): boolean {
		return (this.#astrayUntilMs.get(provider) ?? Number.NEGATIVE_INFINITY) > this.#clock.now();
	}

	/** It was seen whether the provider has another block at that height than most of the others. */
	strays(
		provider: Provider,
		{ isAstray, height }: { readonly isAstray: boolean; readonly height: Height },
	): void {
		const was = this.isAstray(provider);
		if (isAstray) this.#astrayUntilMs.set(provider, this.#clock.now() + ASTRAY_MS);
		else this.#astrayUntilMs.delete(provider);
		if (isAstray === was) return;
		const fields = { provider: provider.url.shown, height: height.toString() };
		if (isAstray) this.#log?.warn(fields, "provider is on another branch than most of the others");
		else this.#log?.info(fields, "provider is on the others' branch again");
	}

	#preferred(providers: readonly Provider[]): Provider | undefined {
		const candidates = providers.map((provider) => this.#candidate(provider));
		const chosen = preferred(candidates, {
			holder: candidates.find(({ provider }) => provider === this.#holder),
			heldMs: this.#clock.now() - this.#heldSinceMs,
		});
		return chosen?.provider;
	}

	#candidate(provider: Provider): Candidate & { readonly provider: Provider } {
		const { costMs, latencyMs } = provider.standing;
		const index = this.#all.indexOf(provider);
		return { provider, index, costMs, isMeasured: latencyMs !== undefined };
	}

	#tell(provider: Provider, verdict: HeadVerdict): void {
		const head = this.heads.headOf(provider)?.toString();
		const fields = { provider: provider.url.shown, head };
		if (verdict.type === "level") {
			this.#log?.info(fields, "provider's head is level again");
			return;
		}
		const where = verdict.type === "lagging" ? "behind" : "ahead of";
		const blocks = verdict.blocks.toString();
		this.#log?.warn({ ...fields, blocks }, `provider's head is far ${where} the others`);
	}
}
