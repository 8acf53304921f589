/**
 * Who is asked next, by what is known of each provider: how it did, where its head is, which branch it is on.
 *
 * Providers have ranks: trusted; distrusted, for an untrue answer; off, on a branch of its own or far ahead of the
 * others. A lower one is asked when nobody is of a higher one, or none of those has answered for LAST_RESORT_MS,
 * and then until one of them does. A distrusted one is asked first while it shows more than all that are trusted
 * and theirs stands still. One that lags is asked only when no other of its rank can be.
 *
 * Invariant: whoever is not put aside may be asked LAST_RESORT_MS after the last answer of a higher rank at the
 * latest; answers of its own rank do not put that off. Chains of which all providers had erred once stood still
 * for minutes when they did.
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

/** The lower, the sooner it is asked. */
const RANKS = { trusted: 0, distrusted: 1, off: 2 } as const;
type Rank = (typeof RANKS)[keyof typeof RANKS];

/** No answer from those of a higher rank for so long: the next may be asked. */
const LAST_RESORT_MS = 10_000;
/** Questions that nobody answered and that are further apart than this have nothing to do with one another. */
const WANT_MS = 3 * LAST_RESORT_MS;
/** Two looks at the providers, of which one may fail. */
const ASTRAY_MS = 2 * LIMITS.rpcProbeMs + 5_000;

export class ProviderChoice {
	readonly heads: HeadNotes<Provider>;
	readonly #all: readonly Provider[];
	readonly #clock: Clock;
	readonly #log: RpcLog | undefined;
	#holder: Provider | undefined;
	#heldSinceMs = 0;
	/** Who was chosen last, or answered in the place of one that failed. */
	#reliedOn: Provider | undefined;
	readonly #listeners = new Set<() => void>();
	/** When a provider of a rank answered last. */
	readonly #answeredAtMs: Record<Rank, number>;
	/** Questions that failed by the faults of whoever could be asked: since when, and the last one. */
	#wanting = { sinceMs: Number.NEGATIVE_INFINITY, lastMs: Number.NEGATIVE_INFINITY };
	/** Until when a provider is believed to be on a branch of its own, unless it is looked at before. */
	readonly #astrayUntilMs = new Map<Provider, number>();

	constructor({ providers, clock, log, isOfThisChain }: ProviderChoiceOptions) {
		this.#all = providers;
		this.#clock = clock;
		this.#log = log;
		this.#answeredAtMs = {
			0: clock.now(),
			1: Number.NEGATIVE_INFINITY,
			2: Number.NEGATIVE_INFINITY,
		};
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
		const further = this.#leftBehind(able);
		if (further !== undefined) return further;
		const trusted = able.filter((each) => this.isTrusted(each));
		const level = trusted.filter((each) => this.heads.verdictOf(each).type === "level");
		if (level.length > 0) return this.#preferred(level);
		if (trusted.length > 0) return this.#preferred(trusted);
		return this.#distrusted(able) ?? this.#off(able);
	}

	/** Milliseconds until it may be asked, if nobody of a higher rank answers before. */
	waitMs(provider: Provider): number {
		const rank = this.#rankOf(provider);
		const isOnly = this.#all.length === 1 || (rank === RANKS.distrusted && this.#isWanted);
		return Math.max(provider.asideMs, isOnly ? 0 : this.#turnMs(rank));
	}

	/** It was chosen first for a question, or came before whoever was. */
	hold(provider: Provider): void {
		if (this.#holder === provider) return;
		this.#holder = provider;
		this.#heldSinceMs = this.#clock.now();
		this.#relyOn(provider);
	}

	/** Calls `listener` when another provider is relied on than before. */
	listen(listener: () => void): void {
		this.#listeners.add(listener);
	}

	/** It was at fault: who is first is chosen anew, or it would be again as soon as its pause is over. */
	failed(provider: Provider): void {
		if (this.#holder === provider) this.#holder = undefined;
	}

	answered(provider: Provider): void {
		const rank = this.#rankOf(provider);
		const now = this.#clock.now();
		this.#answeredAtMs[rank] = now;
		if (this.#holder === undefined) this.#relyOn(provider);
		if (rank === RANKS.distrusted && this.#isWanted) this.#wanting.lastMs = now;
	}

	/** A question failed by the faults of whoever could be asked: they may answer others, and this one never. */
	unanswered(): void {
		const now = this.#clock.now();
		const sinceMs = now - this.#wanting.lastMs > WANT_MS ? now : this.#wanting.sinceMs;
		this.#wanting = { sinceMs, lastMs: now };
	}

	/** It gave no untrue answer lately, is on no branch of its own, and not far ahead of the others. */
	isTrusted(provider: Provider): boolean {
		return this.#rankOf(provider) === RANKS.trusted;
	}

	/** It is on a branch of its own, or far ahead of the others. */
	isOff(provider: Provider): boolean {
		return this.#rankOf(provider) === RANKS.off;
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

	#relyOn(provider: Provider): void {
		const isOther = this.#reliedOn !== undefined && this.#reliedOn !== provider;
		this.#reliedOn = provider;
		if (isOther) for (const listener of this.#listeners) listener();
	}

	#rankOf(provider: Provider): Rank {
		const isAhead = this.heads.verdictOf(provider).type === "ahead";
		if (isAhead || this.isAstray(provider)) return RANKS.off;
		return provider.standing.isDistrusted ? RANKS.distrusted : RANKS.trusted;
	}

	/**
	 * A distrusted one of a chain that goes on, while the trusted show a head that has stood for LAST_RESORT_MS:
	 * a node that no longer follows never errs, and a chain that believes it alone stands with it.
	 */
	#leftBehind(able: readonly Provider[]): Provider | undefined {
		const { heads } = this;
		const trusted = this.#all.filter((each) => this.isTrusted(each));
		const height = heads.highest;
		if (height === undefined || trusted.some((each) => heads.standsMs(each) < LAST_RESORT_MS))
			return undefined;
		const further = able.filter((each) => (heads.headOf(each) ?? 0n) > height);
		return soonestTrusted(further.filter((each) => this.#rankOf(each) === RANKS.distrusted));
	}

	#distrusted(able: readonly Provider[]): Provider | undefined {
		if (!this.#isWanted && !this.#isTurnOf(RANKS.distrusted)) return undefined;
		const distrusted = able.filter((each) => this.#rankOf(each) === RANKS.distrusted);
		return soonestTrusted(this.#goingOn(distrusted));
	}

	/** Without those whose heads have stood for LAST_RESORT_MS while another of them shows more. */
	#goingOn(providers: readonly Provider[]): readonly Provider[] {
		const { heads } = this;
		const heightOf = (each: Provider) => heads.headOf(each) ?? 0n;
		return providers.filter(
			(each) =>
				heads.standsMs(each) < LAST_RESORT_MS ||
				providers.every((other) => heightOf(other) <= heightOf(each)),
		);
	}

	/** Questions have failed for LAST_RESORT_MS, whatever else was answered. */
	get #isWanted(): boolean {
		const now = this.#clock.now();
		const { sinceMs, lastMs } = this.#wanting;
		return now - lastMs <= WANT_MS && now - sinceMs >= LAST_RESORT_MS;
	}

	#off(able: readonly Provider[]): Provider | undefined {
		return this.#isTurnOf(RANKS.off) ? this.#preferred(able) : undefined;
	}

	#isTurnOf(rank: Rank): boolean {
		return this.#turnMs(rank) === 0;
	}

	/** Milliseconds until its turn, 0: now. At once where nobody is of a higher rank. */
	#turnMs(rank: Rank): number {
		if (this.#all.every((each) => this.#rankOf(each) >= rank)) return 0;
		const higher = Object.values(RANKS).filter((each) => each < rank);
		const answeredAtMs = Math.max(...higher.map((each) => this.#answeredAtMs[each]));
		return Math.max(0, answeredAtMs + LAST_RESORT_MS - this.#clock.now());
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

/** Whose time ends first: it erred the longest ago, or the least often. */
function soonestTrusted(distrusted: readonly Provider[]): Provider | undefined {
	return distrusted.toSorted(
		(one, other) => one.standing.distrustedMs - other.standing.distrustedMs,
	)[0];
}
