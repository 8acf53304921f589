/** What the providers of a chain say of one block, each asked by itself, and who said so. */
import type { BranchSupport } from "../chain/branch-support.ts";
import type { Clock } from "../domain/clock.ts";
import type { Height, Hex } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { fetchBlocks, fetchLatest } from "./blocks.ts";
import { isLate } from "./first-of.ts";
import type { Provider } from "./provider.ts";
import { ProviderError, untrue } from "./provider-error.ts";
import type { ProviderSet } from "./provider-set.ts";

type Word = keyof BranchSupport;

interface Place {
	readonly number: Height;
	readonly hash: Hex;
}

/** Blocks whose supporters are known: forks that were looked at lately. */
const MOST_CONFIRMED = 16;

export class BranchWitnesses {
	readonly #providers: ProviderSet;
	readonly #clock: Clock;
	/** Who had a block when its support was asked for; the oldest go first. */
	readonly #confirmed = new Map<Hex, readonly Provider[]>();

	constructor(providers: ProviderSet, clock: Clock) {
		this.#providers = providers;
		this.#clock = clock;
	}

	/** Takes LIMITS.supportMs at most; whoever has not answered by then is silent. Never throws for one. */
	async support(place: Place): Promise<BranchSupport> {
		const { all } = this.#providers;
		const words = await Promise.all(all.map((provider) => this.#inTime(provider, place)));
		this.#remember(
			place.hash,
			all.filter((_, index) => words[index] === "confirming"),
		);
		const count = (word: Word) => words.filter((each) => each === word).length;
		return {
			confirming: count("confirming"),
			denying: count("denying"),
			silent: count("silent"),
		};
	}

	/** Puts aside whoever confirmed that block when its support was asked for last. */
	distrust({ number, hash }: Place, why: string): void {
		for (const provider of this.#confirmed.get(hash) ?? []) {
			const asked = { provider: provider.url, method: "eth_getBlockByNumber" };
			provider.failed(untrue(asked, `block ${number} ${hash}: ${why}`));
		}
		this.#confirmed.delete(hash);
	}

	async #inTime(provider: Provider, place: Place): Promise<Word> {
		// One that erred has a voice again after its pause: without it the one that never errs, as it stands still,
		// would be all that answers, and deny what the others follow.
		if (provider.asideMs > 0 || this.#providers.choice.isOff(provider)) return "silent";
		const word = this.#word(provider, place);
		return (await isLate(word, { ms: LIMITS.supportMs, clock: this.#clock })) ? "silent" : word;
	}

	async #word(provider: Provider, { number, hash }: Place): Promise<Word> {
		try {
			const [block] = await this.#providers.ask(provider, (asked) => fetchBlocks(asked, [number]));
			if (block !== undefined) return block.hash === hash ? "confirming" : "denying";
			const head = await this.#providers.ask(provider, fetchLatest);
			this.#providers.noteHead(provider, head);
			return head.number < number ? "silent" : "denying";
		} catch (error) {
			if (error instanceof ProviderError) return "silent";
			throw error;
		}
	}

	#remember(hash: Hex, providers: readonly Provider[]): void {
		this.#confirmed.delete(hash);
		this.#confirmed.set(hash, providers);
		const [oldest] = this.#confirmed.keys();
		if (this.#confirmed.size > MOST_CONFIRMED && oldest !== undefined)
			this.#confirmed.delete(oldest);
	}
}
