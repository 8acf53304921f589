/**
 * Looks at the providers of a chain that are not asked: what their heads are, whether they answer, how fast, and
 * with three or more, whether one stands on a branch that most others do not have. Without it a node that stands
 * still would look like a chain that does, and one that was cut off like a chain that forked. Only where there
 * are several, and rarely.
 */
import type { ChainBlock } from "../domain/block.ts";
import { type Clock, everyInTurn } from "../domain/clock.ts";
import type { Height, Hex } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { fetchBlocks, fetchLatest } from "./blocks.ts";
import { isLate } from "./first-of.ts";
import type { Provider } from "./provider.ts";
import { ProviderError } from "./provider-error.ts";
import type { ProviderSet } from "./provider-set.ts";

/** How often it is seen whether a look is due. */
const TURN_MS = 1_000;
/** A head that stood for so many blocks' time, and for so long at least, makes a look due at once. */
const STANDING_BLOCKS = 4;
const STANDING_MS = 3_000;
/** Fewer than this have no majority against one. */
const MAJORITY = 3;
/** So far below the lowest head nodes have settled on one block, whatever goes on at the tip. */
const SETTLED_BLOCKS = 3n;

export class ProviderProbe {
	readonly #providers: ProviderSet;
	readonly #clock: Clock;
	#lookedAtMs: number;
	#hasLooked = false;
	#first: Promise<void> | undefined;

	constructor(providers: ProviderSet, clock: Clock) {
		this.#providers = providers;
		this.#clock = clock;
		this.#lookedAtMs = clock.now();
	}

	/**
	 * The look before anything is believed, once: whoever is asked first could else lead a chain that follows
	 * nothing yet onto a branch of its own. Takes twice LIMITS.supportMs at most.
	 */
	first(): Promise<void> {
		this.#first ??= this.#providers.all.length < MAJORITY ? Promise.resolve() : this.#look();
		return this.#first;
	}

	/** Looks from time to time, and at once where that was not done. Returns the stop function. */
	start(): () => void {
		if (this.#providers.all.length < 2) return () => undefined;
		const stopFirst = this.#clock.after(0, () => {
			if (!this.#hasLooked) void this.#look();
		});
		const stopTurns = everyInTurn(this.#clock, TURN_MS, () => this.#turn());
		return () => {
			stopFirst();
			stopTurns();
		};
	}

	async #turn(): Promise<void> {
		const sinceMs = this.#clock.now() - this.#lookedAtMs;
		if (sinceMs >= LIMITS.rpcProbeMs || (sinceMs >= STANDING_MS && this.#stands()))
			await this.#look();
	}

	/** Never rejects. */
	async #look(): Promise<void> {
		const sinceMs = this.#clock.now() - this.#lookedAtMs;
		this.#lookedAtMs = this.#clock.now();
		this.#hasLooked = true;
		const { all, heads } = this.#providers;
		// Not at the one that is asked anyway.
		const isDue = (provider: Provider) => {
			const ageMs = heads.ageMs(provider);
			return provider.asideMs === 0 && (ageMs === undefined || 2 * ageMs >= sinceMs);
		};
		await Promise.all(all.filter(isDue).map((each) => this.#answer(each, this.#noteHead)));
		await this.#compare();
	}

	/** Also when it comes too late to be waited for. */
	readonly #noteHead = async (provider: Provider): Promise<void> => {
		this.#providers.noteHead(provider, await fetchLatest(provider));
	};

	/** The best head has not moved for longer than the chain usually takes; else nobody would look. */
	#stands(): boolean {
		const { all, heads } = this.#providers;
		const best = all.filter((each) => heads.headOf(each) === heads.highest);
		const stoodMs = Math.min(...best.map((each) => heads.standsMs(each)));
		const usualMs = Math.max(STANDING_MS, STANDING_BLOCKS * (heads.blockMs ?? 0));
		// A chain that has no blocks for a while is looked at as rarely as ever.
		return stoodMs >= usualMs && stoodMs < usualMs + LIMITS.rpcProbeMs;
	}

	/** Whoever has another block than most of them, where all have one for long, is on a branch of its own. */
	async #compare(): Promise<void> {
		const able = this.#providers.all.filter((each) => this.#isComparable(each));
		const height = this.#settledHeight(able);
		if (able.length < MAJORITY || height === undefined) return;
		const answers = await Promise.all(
			able.map(async (provider) => {
				const blocks = await this.#answer(provider, (asked) => fetchBlocks(asked, [height]));
				return { provider, block: blocks?.[0] };
			}),
		);
		const having = answers.filter(
			(answer): answer is { provider: Provider; block: ChainBlock } => answer.block !== undefined,
		);
		const common = majority(having.map(({ block }) => block.hash));
		if (common === undefined) return;
		for (const { provider, block } of having)
			this.#providers.choice.strays(provider, { isAstray: block.hash !== common, height });
	}

	#isComparable(provider: Provider): boolean {
		return (
			provider.asideMs === 0 &&
			!provider.standing.isDistrusted &&
			this.#providers.heads.headOf(provider) !== undefined &&
			this.#providers.heads.verdictOf(provider).type === "level"
		);
	}

	#settledHeight(providers: readonly Provider[]): Height | undefined {
		const { heads } = this.#providers;
		let lowest: Height | undefined;
		for (const provider of providers) {
			const head = heads.headOf(provider);
			if (head !== undefined && (lowest === undefined || head < lowest)) lowest = head;
		}
		if (lowest === undefined) return undefined;
		return lowest > SETTLED_BLOCKS ? lowest - SETTLED_BLOCKS : 0n;
	}

	/** Undefined when it failed, which is noted in its standing, or took longer than LIMITS.supportMs. */
	async #answer<Answer>(
		provider: Provider,
		task: (asked: Provider) => Promise<Answer>,
	): Promise<Answer | undefined> {
		const answer = this.#providers.ask(provider, task).catch((error: unknown) => {
			if (error instanceof ProviderError) return undefined;
			throw error;
		});
		return (await isLate(answer, { ms: LIMITS.supportMs, clock: this.#clock }))
			? undefined
			: answer;
	}
}

/** What more than half of them are, and two at least. */
function majority(hashes: readonly Hex[]): Hex | undefined {
	return hashes.find((hash) => {
		const count = hashes.filter((other) => other === hash).length;
		return count >= 2 && 2 * count > hashes.length;
	});
}
