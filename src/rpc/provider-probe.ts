/**
 * Looks at the providers of a chain that are not asked: what their heads are, whether they answer, how fast, and
 * with three or more, whether one stands on a branch that most others do not have. Without it a node that stands
 * still would look like a chain that does, and one that was cut off like a chain that forked. Only where there
 * are several, and rarely; at once when a head leaps, which is not believed before, and when another provider is
 * chosen than before.
 */
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
/** Further than its pace takes a chain, twice over, since the last look. */
const LEAP_BLOCKS = 64n;
/** Looks that nobody waits for come no more often, whoever leaps or fails how often. */
const LEAST_MS = 1_000;
/** So far below its head a node has settled on a block, whatever goes on at the tip. */
const SETTLED_BLOCKS = 3n;

/** What a provider has at the heights that are compared. */
interface View {
	readonly provider: Provider;
	readonly hashes: ReadonlyMap<Height, Hex>;
}

interface Standpoint {
	readonly height: Height;
	readonly hash: Hex;
	/** Most have another block there. */
	readonly isOther: boolean;
	readonly isSettled: boolean;
}

interface Difference {
	readonly hashes: ReadonlySet<Hex>;
	readonly sinceMs: number;
}

export class ProviderProbe {
	readonly #providers: ProviderSet;
	readonly #clock: Clock;
	#lookedAtMs: number;
	#hasLooked = false;
	#first: Promise<void> | undefined;
	/** Who had another block at the tip when it was looked last: looked at again soon. */
	readonly #differing = new Map<Provider, Difference>();
	/** The highest head when it was looked last, and when that was. */
	#comparedTo: { readonly height: Height | undefined; readonly atMs: number };
	/** Something happened since the last look that it should be looked for. */
	#isDue = false;
	/** The look under way. */
	#looking: Promise<void> | undefined;
	#stopSoon: (() => void) | undefined;
	#isWatching = false;

	constructor(providers: ProviderSet, clock: Clock) {
		this.#providers = providers;
		this.#clock = clock;
		this.#lookedAtMs = clock.now();
		this.#comparedTo = { height: undefined, atMs: clock.now() };
		if (providers.all.length < MAJORITY) return;
		providers.heads.listen((who, { height }) => {
			// What is on no branch of the others' is known to be, and not asked.
			if (providers.choice.isTrusted(who) && this.#isLeap(height)) this.#lookSoon();
		});
		providers.choice.listen(() => this.#lookSoon());
	}

	/**
	 * The look before anything is believed, once: whoever is asked first could else lead a chain that follows
	 * nothing yet onto a branch of its own. Takes twice LIMITS.supportMs at most.
	 */
	first(): Promise<void> {
		this.#first ??= this.#providers.all.length < MAJORITY ? Promise.resolve() : this.#look();
		return this.#first;
	}

	/**
	 * A head that may be another branch's, far above all that was compared: answers when they were compared anew,
	 * and whether that was done. Takes twice LIMITS.supportMs at most.
	 */
	async compared(height: Height): Promise<boolean> {
		if (this.#providers.all.length < MAJORITY || !this.#isLeap(height)) return false;
		await (this.#looking ?? this.#look());
		return true;
	}

	/** Looks from time to time, and at once where that was not done. Returns the stop function. */
	start(): () => void {
		if (this.#providers.all.length < 2) return () => undefined;
		this.#isWatching = true;
		const stopFirst = this.#clock.after(0, () => {
			if (!this.#hasLooked) void this.#look();
		});
		const stopTurns = everyInTurn(this.#clock, TURN_MS, () => this.#turn());
		return () => {
			this.#isWatching = false;
			this.#stopSoon?.();
			this.#stopSoon = undefined;
			stopFirst();
			stopTurns();
		};
	}

	async #turn(): Promise<void> {
		const sinceMs = this.#clock.now() - this.#lookedAtMs;
		if (sinceMs >= LIMITS.rpcProbeMs || (sinceMs >= STANDING_MS && this.#isPressing()))
			await this.#look();
	}

	/** One at a time. Never rejects. */
	#look(): Promise<void> {
		this.#looking ??= this.#lookOnce().finally(() => {
			this.#looking = undefined;
		});
		return this.#looking;
	}

	async #lookOnce(): Promise<void> {
		const sinceMs = this.#clock.now() - this.#lookedAtMs;
		this.#lookedAtMs = this.#clock.now();
		this.#hasLooked = true;
		this.#isDue = false;
		const { all, heads } = this.#providers;
		// Not at the one that is asked anyway.
		const isDue = (provider: Provider) => {
			const ageMs = heads.ageMs(provider);
			return provider.asideMs === 0 && (ageMs === undefined || 2 * ageMs >= sinceMs);
		};
		await Promise.all(all.filter(isDue).map((each) => this.#answer(each, this.#noteHead)));
		await this.#compare();
		this.#comparedTo = { height: heads.highest, atMs: this.#clock.now() };
	}

	/** Also when it comes too late to be waited for. */
	readonly #noteHead = async (provider: Provider): Promise<void> => {
		this.#providers.noteHead(provider, await fetchLatest(provider));
	};

	#isPressing(): boolean {
		return this.#differing.size > 0 || this.#isDue || this.#stands();
	}

	/** A head far above those of the last look may be another branch's. */
	#isLeap(height: Height): boolean {
		const { height: from, atMs } = this.#comparedTo;
		if (from === undefined) return false;
		const { blockMs } = this.#providers.heads;
		const usual = blockMs === undefined ? 0 : (2 * (this.#clock.now() - atMs)) / blockMs;
		return height > from + LEAP_BLOCKS + BigInt(Math.ceil(usual));
	}

	/** At once, where that was not done just now; the look under way may have begun too early. */
	#lookSoon(): void {
		this.#isDue = true;
		if (this.#stopSoon !== undefined || !this.#isWatching) return;
		const sinceMs = this.#clock.now() - this.#lookedAtMs;
		this.#stopSoon = this.#clock.after(Math.max(0, LEAST_MS - sinceMs), () => {
			this.#stopSoon = undefined;
			if (this.#isDue) void this.#look();
		});
	}

	/** The best head has not moved for longer than the chain usually takes; else nobody would look. */
	#stands(): boolean {
		const { all, heads } = this.#providers;
		const best = all.filter((each) => heads.headOf(each) === heads.highest);
		const stoodMs = Math.min(...best.map((each) => heads.standsMs(each)));
		const usualMs = Math.max(STANDING_MS, STANDING_BLOCKS * (heads.blockMs ?? 0));
		// A chain that has no blocks for a while is looked at as rarely as ever.
		return stoodMs >= usualMs && stoodMs < usualMs + LIMITS.rpcProbeMs;
	}

	/**
	 * Whoever has another block than most of those that have one is on a branch of its own, however far ahead it
	 * is: only a head above blocks that are theirs makes the others lag. One request to each.
	 */
	async #compare(): Promise<void> {
		const able = this.#comparable();
		if (able.length < MAJORITY) return;
		const heights = this.#telling(able);
		const views = await Promise.all(
			able.map(async (provider): Promise<View> => {
				const blocks = await this.#answer(provider, (asked) => fetchBlocks(asked, heights));
				const hashes = new Map<Height, Hex>();
				for (const block of blocks ?? [])
					if (block !== undefined) hashes.set(block.number, block.hash);
				return { provider, hashes };
			}),
		);
		for (const view of views) this.#place(view, this.#standpoints(view, views, heights));
		this.#providers.heads.reconsider();
	}

	/**
	 * Those that are trusted; where they are too few, whoever answers: a block on which two agree is more than an
	 * untrue answer of another day, and the one that nobody distrusts may be alone on its branch.
	 */
	#comparable(): readonly Provider[] {
		const { all, heads } = this.#providers;
		const able = all.filter((each) => each.asideMs === 0 && heads.headOf(each) !== undefined);
		const trusted = able.filter(({ standing }) => !standing.isDistrusted);
		return trusted.length < MAJORITY ? able : trusted;
	}

	/** Each head, and where it has settled. At most twice as many as there are providers. */
	#telling(providers: readonly Provider[]): readonly Height[] {
		const heights = new Set<Height>();
		for (const provider of providers) {
			const head = this.#providers.heads.headOf(provider);
			if (head === undefined) continue;
			heights.add(head);
			heights.add(head > SETTLED_BLOCKS ? head - SETTLED_BLOCKS : 0n);
		}
		return [...heights];
	}

	/** Where there is a block that most have: whether this provider has another one. */
	#standpoints(
		{ provider, hashes }: View,
		views: readonly View[],
		heights: readonly Height[],
	): readonly Standpoint[] {
		const head = this.#providers.heads.headOf(provider) ?? 0n;
		const points: Standpoint[] = [];
		for (const height of heights) {
			const hash = hashes.get(height);
			const all = views.flatMap((view) => view.hashes.get(height) ?? []);
			const common = majority(all);
			if (hash === undefined || common === undefined) continue;
			const isSettled = height === 0n || head >= height + SETTLED_BLOCKS;
			points.push({ height, hash, isOther: hash !== common, isSettled });
		}
		return points;
	}

	#place({ provider }: View, points: readonly Standpoint[]): void {
		if (points.length === 0) return;
		const { choice } = this.#providers;
		const others = points.filter(({ isOther }) => isOther);
		const [other] = others;
		const settled = others.find(({ isSettled }) => isSettled);
		const height = (settled ?? other ?? points[0])?.height ?? 0n;
		const isAstray =
			settled !== undefined ||
			(other !== undefined && (choice.isAstray(provider) || this.#persists(provider, others)));
		if (isAstray || other === undefined) this.#differing.delete(provider);
		choice.strays(provider, { isAstray, height });
	}

	/** At the tip nodes differ for a moment; one that keeps its block for longer than that does not come back. */
	#persists(provider: Provider, others: readonly Standpoint[]): boolean {
		const before = this.#differing.get(provider);
		const isSame = others.some(({ hash }) => before?.hashes.has(hash) === true);
		if (before !== undefined && isSame) return this.#clock.now() - before.sinceMs >= STANDING_MS;
		const hashes = new Set(others.map(({ hash }) => hash));
		this.#differing.set(provider, { hashes, sinceMs: this.#clock.now() });
		return false;
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
