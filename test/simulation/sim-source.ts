/**
 * What a process sees of the simulated chain: one to three providers, asked in the order of preference as
 * rpc/ asks them. Each lags, shows another branch for a while, errs, has not got what it should have, is
 * late, contradicts itself between two answers and tells lies that the follower must notice.
 *
 * 1. Nothing that is shown differs from the chain at or below its `finalHeight`.
 * 2. A lie can be found out from the answers alone: a parent that nobody has, a log of a block that nobody
 *    has, another chain's id. What passes rpc/'s own checks can be no other kind of lie.
 * 3. From `calm()` on every provider shows the chain as it is, and errs no more.
 */
import type { ChainBlock, ChainLog, TransactionReceipt } from "../../src/domain/block.ts";
import type { Clock } from "../../src/domain/clock.ts";
import { RetryableError } from "../../src/domain/errors.ts";
import type { ChainId, Height, Hex } from "../../src/domain/ids.ts";
import type {
	CallResult,
	ChainSource,
	LogBlock,
	LogFilter,
	ProviderHealth,
	RangeLogs,
} from "../../src/follower/chain-source.ts";
import { takesLog } from "../../src/follower/log-filter.ts";
import { Random } from "../support/random.ts";
import type { SimBlock, SimChain } from "./sim-chain.ts";
import { SIM_CHAIN_ID } from "./sim-ledger.ts";

/** Each a probability of a call, unless it says otherwise. */
export interface SourceFaults {
	/** That a provider's view changes: it begins or ends to lag, or to show another branch. */
	readonly moves: number;
	readonly errors: number;
	/** That it has not got what it should have. */
	readonly nulls: number;
	readonly late: number;
	readonly lies: number;
	/** That all providers are gone for a while, of a view's change. */
	readonly outages: number;
}

export const SOURCE_FAULTS: SourceFaults = {
	moves: 0.08,
	errors: 0.03,
	nulls: 0.02,
	late: 0.03,
	lies: 0.02,
	outages: 0.03,
};

const NO_SOURCE_FAULTS: SourceFaults = {
	moves: 0,
	errors: 0,
	nulls: 0,
	late: 0,
	lies: 0,
	outages: 0,
};

/** How much of its faults a process' providers show: with all of them hardly a round comes to its end. */
const STRENGTHS = [0, 0.1, 0.4, 1];

/** A view lasts so long at most, and an answer that is late comes after so long. */
const VIEW_MS = { least: 50, most: 2_500 };
const LATE_MS = 2_500;
const OUTAGE_MS = 4_000;
/** Blocks that a provider lags; now and then it is far behind. */
const LAG_BLOCKS = 4;
const FAR_LAG_BLOCKS = 20;
/** Of a provider that has been at fault: put aside for so long. */
const ASIDE_MS = 500;

/** latest: as the chain is. lag: so many blocks behind. branch: a tip that was left. */
type View =
	| { readonly type: "latest" }
	| { readonly type: "lag"; readonly blocks: number }
	| { readonly type: "branch"; readonly tip: SimBlock };

interface Provider {
	readonly index: number;
	readonly hasTags: boolean;
	view: View;
	viewEndsMs: number;
	asideUntilMs: number;
	/** Highest head that it showed. */
	shown: Height;
}

export interface SimSourceOptions {
	readonly chain: SimChain;
	/** Of the process that asks: with it what is under way ends. */
	readonly clock: Clock;
	readonly seed: number;
	readonly faults?: SourceFaults | undefined;
	readonly pollIntervalMs?: number | undefined;
}

export class SimSource implements ChainSource {
	/** What came up, by name. */
	readonly counts: Record<string, number> = {};
	readonly #chain: SimChain;
	readonly #clock: Clock;
	readonly #random: Random;
	readonly #pollIntervalMs: number;
	readonly #providers: readonly Provider[];
	readonly #announces: boolean;
	readonly #watches = new Set<() => void>();
	#faults: SourceFaults;
	#outageUntilMs = 0;
	/** Who had the block that was asked about last. */
	#confirmed: Provider[] = [];
	#closed = false;

	constructor({ chain, clock, seed, faults, pollIntervalMs }: SimSourceOptions) {
		this.#chain = chain;
		this.#clock = clock;
		this.#random = new Random(seed);
		const strength = this.#random.oneOf(STRENGTHS);
		this.#faults = scaled(faults ?? SOURCE_FAULTS, strength);
		this.#pollIntervalMs = pollIntervalMs ?? 250;
		this.#announces = this.#random.chance(0.5);
		this.#providers = Array.from({ length: this.#random.between(1, 3) }, (_, index) => ({
			index,
			hasTags: this.#random.chance(0.5),
			view: { type: "latest" },
			viewEndsMs: 0,
			asideUntilMs: 0,
			shown: 0n,
		}));
	}

	/** One that always shows the chain as it is. */
	static calm(chain: SimChain, clock: Clock): SimSource {
		return new SimSource({ chain, clock, seed: 1, faults: NO_SOURCE_FAULTS });
	}

	/** Faults end. */
	calm(): void {
		this.#faults = NO_SOURCE_FAULTS;
		this.#outageUntilMs = 0;
		for (const provider of this.#providers) {
			provider.view = { type: "latest" };
			provider.asideUntilMs = 0;
		}
	}

	async chainId(): Promise<ChainId> {
		return this.#ask("eth_chainId", () => SIM_CHAIN_ID);
	}

	async latest(): Promise<ChainBlock> {
		return this.#ask("latest", (provider) => this.#maybeUnlinked(this.#headOf(provider)));
	}

	async tagged(tag: "safe" | "finalized"): Promise<ChainBlock | undefined> {
		return this.#ask(tag, (provider) => {
			if (!provider.hasTags) return undefined;
			const depth = BigInt(this.#chain.depthBlocks);
			const head = this.#headOf(provider);
			const height = head.number - (tag === "finalized" ? depth : depth / 2n);
			return this.#given(this.#chain.at(head, height < 0n ? 0n : height));
		});
	}

	async blockByNumber(height: Height): Promise<ChainBlock | undefined> {
		return (await this.blocksByNumber([height]))[0];
	}

	async blockByHash(hash: Hex): Promise<ChainBlock | undefined> {
		return this.#ask("blockByHash", (provider) =>
			this.#maybeNull(this.#given(this.#served(provider, hash))),
		);
	}

	async blocksByNumber(heights: readonly Height[]): Promise<readonly (ChainBlock | undefined)[]> {
		return this.#ask("blocksByNumber", (provider) =>
			heights.map((height) => {
				const block = this.#chain.at(this.#headOf(provider), height);
				return this.#maybeNull(block && this.#maybeUnlinked(block));
			}),
		);
	}

	async logsOfBlock({ hash }: LogBlock, filter: LogFilter): Promise<readonly ChainLog[]> {
		return this.#ask("logsOfBlock", (provider) => {
			const block = this.#maybeNull(this.#served(provider, hash));
			if (block === undefined) throw failed(`block ${hash} is unknown`);
			// rpc/ finds such a log by itself.
			if (this.#lies("otherLog")) throw failed("got a malformed answer: a log of another block");
			return asked(block.logs, filter);
		});
	}

	async logsOfBlocks(blocks: readonly LogBlock[], filter: LogFilter) {
		return Promise.all(blocks.map((block) => this.logsOfBlock(block, filter)));
	}

	async logsOfRange(
		{ from, to }: { readonly from: Height; readonly to: Height },
		filter: LogFilter,
	): Promise<RangeLogs> {
		if (from > to) return { logs: [], blocks: [] };
		return this.#ask("logsOfRange", (provider) => {
			const branch = this.#chain.branch(this.#headOf(provider).hash);
			if (this.#maybeNull(branch[Number(to)]) === undefined) {
				throw failed(`block ${to} is unknown`);
			}
			const held = branch
				.slice(Number(from), Number(to) + 1)
				.map((block) => ({ block, logs: asked(block.logs, filter) }))
				.filter(({ logs }) => logs.length > 0);
			// rpc/ finds such a log by itself.
			if (held.length > 0 && this.#lies("otherLog"))
				throw failed("got an untrue answer: a log of another block");
			return {
				logs: held.flatMap(({ logs }) => logs),
				blocks: held.map(({ block }) => this.#given(block)),
			};
		});
	}

	async receipt(transactionHash: Hex): Promise<TransactionReceipt | undefined> {
		return this.#ask("receipt", (provider) =>
			this.#maybeNull(this.#chain.receipt(this.#headOf(provider), transactionHash)),
		);
	}

	async support({ number, hash }: { readonly number: Height; readonly hash: Hex }) {
		this.#move();
		const now = this.#clock.now();
		// Now and then the slowest answers after everybody has stopped waiting for it.
		if (this.#happens("late", this.#faults.late)) {
			await this.#clock.sleep(this.#random.next() * LATE_MS);
		}
		this.#confirmed = [];
		const says = this.#providers.map((provider) => {
			if (this.#closed || now < this.#outageUntilMs || provider.asideUntilMs > now) return "silent";
			if (this.#happens("error", this.#faults.errors)) return "silent";
			const head = this.#headOf(provider);
			if (head.number < number) return "silent";
			if (this.#chain.at(head, number)?.hash !== hash) return "denying";
			this.#confirmed.push(provider);
			return "confirming";
		});
		const count = (what: string) => says.filter((each) => each === what).length;
		return {
			confirming: count("confirming"),
			denying: count("denying"),
			silent: count("silent"),
		};
	}

	distrust(): void {
		this.#count("distrust");
		for (const provider of this.#confirmed) {
			provider.asideUntilMs = this.#clock.now() + ASIDE_MS;
		}
	}

	/** No handler of the simulation calls a contract. */
	async call(): Promise<CallResult> {
		throw failed("the simulated chain has no contracts");
	}

	watch(onHead: () => void): () => void {
		const endPolls = this.#clock.every(this.#pollIntervalMs, onHead);
		const endHeads = this.#announces
			? this.#chain.onStep(() => {
					this.#clock.after(1, onHead);
				})
			: () => undefined;
		const stop = () => {
			endPolls();
			endHeads();
			this.#watches.delete(stop);
		};
		this.#watches.add(stop);
		return stop;
	}

	health(): readonly ProviderHealth[] {
		return [];
	}

	async close(): Promise<void> {
		this.#closed = true;
		for (const stop of [...this.#watches]) stop();
	}

	/** The first provider that answers well; nobody waits in between. */
	async #ask<Answer>(what: string, answer: (provider: Provider) => Answer): Promise<Answer> {
		if (this.#closed) throw unavailable("the connection to the chain is closed");
		this.#move();
		const now = this.#clock.now();
		if (now < this.#outageUntilMs) throw unavailable(`${what}: no provider answers`);
		let failure: unknown = unavailable(`${what}: every provider is put aside`);
		for (const provider of this.#providers) {
			if (provider.asideUntilMs > this.#clock.now()) continue;
			try {
				return await this.#askOne(provider, what, answer);
			} catch (error) {
				if (!(error instanceof RetryableError)) throw error;
				failure = error;
			}
		}
		throw failure;
	}

	async #askOne<Answer>(
		provider: Provider,
		what: string,
		answer: (provider: Provider) => Answer,
	): Promise<Answer> {
		// rpc/ asks a provider for its chain, and puts one of another aside.
		if (this.#lies("otherChain")) return this.#atFault(provider, "rpc_failed", "answered chain 5");
		if (this.#happens("error", this.#faults.errors)) {
			const code = this.#random.chance(0.5) ? "rpc_failed" : "rpc_unavailable";
			return this.#atFault(provider, code, `${what} failed`);
		}
		if (!this.#happens("late", this.#faults.late)) return answer(provider);
		// The answer was right when it was given, or is when it comes.
		const early = this.#random.chance(0.5) ? answer(provider) : undefined;
		await this.#clock.sleep(this.#random.next() * LATE_MS);
		if (this.#random.chance(0.3)) {
			return this.#atFault(provider, "rpc_unavailable", `${what} timed out`);
		}
		return early ?? answer(provider);
	}

	#atFault(provider: Provider, code: RetryableError["code"], what: string): never {
		if (this.#random.chance(0.5)) provider.asideUntilMs = this.#clock.now() + ASIDE_MS;
		throw new RetryableError(code, { message: `provider ${provider.index}: ${what}`, hint: HINT });
	}

	/** Views begin and end, also between two calls that belong together. */
	#move(): void {
		for (const provider of this.#providers) {
			if (!this.#random.chance(this.#faults.moves)) continue;
			provider.view = this.#drawView();
			const lasts = this.#random.next() * (VIEW_MS.most - VIEW_MS.least) + VIEW_MS.least;
			provider.viewEndsMs = this.#clock.now() + lasts;
		}
		if (this.#random.chance(this.#faults.moves * this.#faults.outages)) {
			this.#count("outage");
			this.#outageUntilMs = this.#clock.now() + this.#random.next() * OUTAGE_MS;
		}
	}

	#drawView(): View {
		const { left } = this.#chain;
		const kind = this.#random.next();
		if (kind < 0.35 && left.length > 0) {
			this.#count("branch");
			return { type: "branch", tip: this.#random.oneOf(left) };
		}
		if (kind < 0.75) {
			this.#count("lag");
			const most = this.#random.chance(0.1) ? FAR_LAG_BLOCKS : LAG_BLOCKS;
			return { type: "lag", blocks: this.#random.between(1, most) };
		}
		return { type: "latest" };
	}

	#headOf(provider: Provider): SimBlock {
		const head = this.#viewed(provider);
		if (head.number < provider.shown) this.#count("back");
		provider.shown = head.number;
		return head;
	}

	#viewed({ view, viewEndsMs }: Provider): SimBlock {
		const { head } = this.#chain;
		if (view.type === "latest" || this.#clock.now() >= viewEndsMs) return head;
		if (view.type === "branch") {
			return this.#chain.left.includes(view.tip) ? view.tip : head;
		}
		const height = head.number - BigInt(view.blocks);
		return this.#chain.at(head, height < 0n ? 0n : height) ?? head;
	}

	/** A block that the provider has: of its branch, or of any where orphans are served. */
	#served(provider: Provider, hash: Hex): SimBlock | undefined {
		const block = this.#chain.block(hash);
		if (block === undefined) return undefined;
		const head = this.#headOf(provider);
		return this.#chain.isOn(head, block) || this.#servesOrphan(provider) ? block : undefined;
	}

	#servesOrphan({ view }: Provider): boolean {
		return this.#chain.servesOrphans && view.type !== "lag";
	}

	#maybeNull<Thing>(thing: Thing | undefined): Thing | undefined {
		if (thing === undefined || !this.#happens("null", this.#faults.nulls)) return thing;
		return undefined;
	}

	/** Of what is final nobody looks at every parent. */
	#maybeUnlinked(block: SimBlock): ChainBlock {
		if (block.number <= this.#chain.finalHeight || !this.#lies("unlinked")) {
			return this.#given(block);
		}
		return { ...this.#given(block), parentHash: this.#nobodys() };
	}

	/** What a node says of a block, and no more. */
	#given(block: SimBlock): ChainBlock;
	#given(block: SimBlock | undefined): ChainBlock | undefined;
	#given(block: SimBlock | undefined): ChainBlock | undefined {
		if (block === undefined) return undefined;
		const { number, hash, parentHash, timestamp, logsBloom, transactions } = block;
		return { number, hash, parentHash, timestamp, logsBloom, transactions };
	}

	#nobodys(): Hex {
		return `0x${"ff".repeat(24)}${this.#random
			.between(0, 2 ** 48)
			.toString(16)
			.padStart(16, "0")}`;
	}

	#lies(name: string): boolean {
		return this.#happens(name, this.#faults.lies);
	}

	#happens(name: string, probability: number): boolean {
		if (probability === 0 || !this.#random.chance(probability)) return false;
		this.#count(name);
		return true;
	}

	#count(name: string): void {
		this.counts[name] = (this.counts[name] ?? 0) + 1;
	}
}

function scaled(faults: SourceFaults, strength: number): SourceFaults {
	const { moves, errors, nulls, late, lies, outages } = faults;
	return {
		moves: moves * strength,
		errors: errors * strength,
		nulls: nulls * strength,
		late: late * strength,
		lies: lies * strength,
		outages,
	};
}

const HINT = "the simulation is at fault; it is asked again";

function asked(logs: readonly ChainLog[], filter: LogFilter): readonly ChainLog[] {
	return logs.filter((log) => takesLog(filter, log));
}

function failed(message: string): RetryableError {
	return new RetryableError("rpc_failed", { message, hint: HINT });
}

function unavailable(message: string): RetryableError {
	return new RetryableError("rpc_unavailable", { message, hint: HINT });
}
