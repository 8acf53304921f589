/**
 * The providers of one chain. Each question goes to the one that is chosen (provider-choice.ts); when it
 * fails there, to the next, and when it is only late, to the next as well, of which the first answer counts.
 * There is no waiting inside: when all have failed or are put aside, the caller learns it at once and decides
 * when to ask again.
 *
 * Invariants
 * 1. A provider is asked for its chain before anything else, and again after it was at fault, its connection was
 *    lost, its head leapt, or (of several) it was not asked for FRESH_MS: one of another chain, by a wrong URL or in the right one's place, is put aside and never believed.
 * 2. Where there is one provider, nothing is asked of it but the questions themselves.
 */
import type { ChainBlock } from "../domain/block.ts";
import type { Clock } from "../domain/clock.ts";
import { RetryableError } from "../domain/errors.ts";
import type { ChainId } from "../domain/ids.ts";
import { fetchChainId, fetchLatest } from "./blocks.ts";
import { firstOf, isLate } from "./first-of.ts";
import type { HeadNotes } from "./head-notes.ts";
import type { Provider } from "./provider.ts";
import { ProviderChoice } from "./provider-choice.ts";
import { isProviderAtFault, ProviderError } from "./provider-error.ts";
import type { RpcLog } from "./rpc-log.ts";

export interface ProviderSetOptions {
	readonly providers: readonly Provider[];
	/** Undefined: any chain will do. */
	readonly chainId: ChainId | undefined;
	readonly clock: Clock;
	readonly log?: RpcLog | undefined;
}

export interface Question<Answer> {
	/** It may take any provider long: being late says nothing. */
	readonly isHeavy?: boolean;
	/**
	 * Whether the answer leaves nothing open that another provider may know. The first that does is answered,
	 * else the first of all.
	 */
	readonly isWhole?: (answer: Answer) => boolean;
}

type Task<Answer> = (provider: Provider) => Promise<Answer>;

interface Answered<Answer> {
	readonly answer: Answer;
	readonly by: Provider;
}

/** What one question has come to. */
interface Asking<Answer> {
	readonly task: Task<Answer>;
	readonly tried: Set<Provider>;
	readonly failures: ProviderError[];
}

/** How much longer than usual a small answer takes that is late, and the bounds of it. */
const LATE_FACTOR = 8;
const LATE_MS = { least: 500, unknown: 1_000, most: 5_000 };

/** Further than a chain goes between two polls, or back in a fork. */
const LEAP_BLOCKS = 64n;
/** A node that answered so lately was hardly replaced by one of another chain. */
const FRESH_MS = 10_000;

export class ProviderSet {
	readonly all: readonly Provider[];
	readonly choice: ProviderChoice;
	readonly #chainId: ChainId | undefined;
	readonly #clock: Clock;
	/** Who is known to serve the chain, and when it answered last. */
	readonly #ofThisChain = new Map<Provider, number>();
	#closed = false;

	constructor({ providers, chainId, clock, log }: ProviderSetOptions) {
		this.all = providers;
		this.#chainId = chainId;
		this.#clock = clock;
		this.choice = new ProviderChoice({
			providers,
			clock,
			log,
			isOfThisChain: (provider) => this.#isOfThisChain(provider),
		});
	}

	get heads(): HeadNotes<Provider> {
		return this.choice.heads;
	}

	/** The chain that is served: where the only provider serves another, that one's. */
	async chainId(): Promise<ChainId> {
		try {
			return await this.run(async (provider) => this.#chainId ?? (await fetchChainId(provider)));
		} catch (error) {
			if (error instanceof ProviderError && error.reason.kind === "other_chain") {
				return error.reason.answered;
			}
			throw error;
		}
	}

	/** The head of whoever is preferred; of the next where that shows one to be far off the others. */
	async latest(): Promise<ChainBlock> {
		const headOf = (provider: Provider) => this.#headOf(provider);
		const { provider, head } = await this.run(headOf);
		this.noteHead(provider, head);
		const isLevel = this.heads.verdictOf(provider).type === "level";
		if (isLevel || this.#untried(new Set()) === provider) return head;
		try {
			const again = await this.run(headOf);
			this.noteHead(again.provider, again.head);
			return again.head;
		} catch (error) {
			if (error instanceof RetryableError) return head;
			throw error;
		}
	}

	/**
	 * The answer of the first provider that gives one. Throws `RetryableError`: `rpc_failed` when a
	 * provider answered and the answer was of no use, else `rpc_unavailable`.
	 */
	async run<Answer>(task: Task<Answer>, question: Question<Answer> = {}): Promise<Answer> {
		const asking: Asking<Answer> = { task, tried: new Set(), failures: [] };
		const { isWhole = () => true } = question;
		let partial: { readonly answer: Answer } | undefined;
		for (;;) {
			const answered = await this.#next(asking, question);
			if (answered === undefined) break;
			if (isWhole(answered.answer)) return answered.answer;
			partial ??= answered;
		}
		if (partial !== undefined) return partial.answer;
		if (asking.failures.every(({ reason }) => isProviderAtFault(reason))) this.choice.unanswered();
		throw this.#failure(asking.failures);
	}

	/** Asks exactly this provider, for its chain first where that is not known. Throws what `task` throws. */
	async ask<Answer>(provider: Provider, task: Task<Answer>): Promise<Answer> {
		try {
			const answer = await provider.attempt(async (asked) => {
				await this.#requireThisChain(asked);
				return await this.#untilLost(asked, task);
			});
			if (this.#ofThisChain.has(provider)) this.#ofThisChain.set(provider, this.#clock.now());
			return answer;
		} catch (error) {
			if (error instanceof ProviderError && isProviderAtFault(error.reason))
				this.#ofThisChain.delete(provider);
			throw error;
		}
	}

	noteHead(provider: Provider, { number, timestamp }: ChainBlock): void {
		this.heads.note(provider, { height: number, timestamp });
	}

	close(): void {
		this.#closed = true;
		for (const provider of this.all) provider.close();
	}

	/** Asks providers that were not tried until one answers; undefined: none is left. */
	async #next<Answer>(
		asking: Asking<Answer>,
		question: Question<Answer>,
	): Promise<Answered<Answer> | undefined> {
		for (;;) {
			const provider = this.#untried(asking.tried);
			if (provider === undefined) return undefined;
			if (asking.tried.size === 0) this.choice.hold(provider);
			const answering = this.#try(provider, asking);
			const answered = question.isHeavy
				? await answering
				: await this.#orNext(provider, answering, asking);
			if (answered !== undefined) return answered;
		}
	}

	/** Undefined when it failed, which is noted. */
	async #try<Answer>(
		provider: Provider,
		{ task, tried, failures }: Asking<Answer>,
	): Promise<Answered<Answer> | undefined> {
		tried.add(provider);
		try {
			const answer = await this.ask(provider, task);
			this.choice.answered(provider);
			return { answer, by: provider };
		} catch (error) {
			if (!(error instanceof ProviderError)) throw error;
			if (isProviderAtFault(error.reason)) this.choice.failed(provider);
			failures.push(error);
			return undefined;
		}
	}

	/**
	 * What `provider` answers, or once it is late what the others do, each asked when the one before it failed or
	 * is late as well: as many may hang. A hanging node would else hold the chain for a whole time limit; asked
	 * after a multiple of what it usually takes, and only of small questions, a second one costs next to nothing
	 * while all is well.
	 */
	async #orNext<Answer>(
		provider: Provider,
		answering: Promise<Answered<Answer> | undefined>,
		asking: Asking<Answer>,
	): Promise<Answered<Answer> | undefined> {
		// Whoever is put aside now may not be any more when it is late.
		if (asking.tried.size === this.all.length) return answering;
		const lateMs = lateAfterMs(provider);
		if (!(await isLate(answering, { ms: lateMs, clock: this.#clock }))) return answering;
		const first = await firstOf(answering, this.#next(asking, {}));
		if (first?.of === "second") {
			provider.standing.late(lateMs);
			this.choice.hold(first.answered.by);
		}
		return first?.answered;
	}

	#untried(tried: ReadonlySet<Provider>): Provider | undefined {
		return this.#closed ? undefined : this.choice.next(tried);
	}

	#isOfThisChain(provider: Provider): boolean {
		return this.#chainId === undefined || this.#ofThisChain.has(provider);
	}

	/** What comes after a lost connection may be another node. */
	async #untilLost<Answer>(provider: Provider, task: Task<Answer>): Promise<Answer> {
		try {
			return await task(provider);
		} catch (error) {
			if (error instanceof ProviderError && error.reason.kind === "lost")
				this.#ofThisChain.delete(provider);
			throw error;
		}
	}

	/** A head so far from the last one may be another chain's: a node can be restarted with nobody noticing. */
	async #headOf(provider: Provider): Promise<{ provider: Provider; head: ChainBlock }> {
		const head = await fetchLatest(provider);
		const before = this.heads.headOf(provider);
		const leap = before === undefined ? 0n : head.number - before;
		if (leap > LEAP_BLOCKS || -leap > LEAP_BLOCKS) {
			this.#ofThisChain.delete(provider);
			await this.#requireThisChain(provider);
		}
		return { provider, head };
	}

	async #requireThisChain(provider: Provider): Promise<void> {
		if (this.#chainId === undefined || this.#isFresh(provider)) return;
		const answered = await fetchChainId(provider);
		if (answered !== this.#chainId) {
			this.#ofThisChain.delete(provider);
			throw new ProviderError(
				{ provider: provider.url, method: "eth_chainId" },
				{ kind: "other_chain", answered },
				`answered chain ${answered}, not ${this.#chainId}`,
			);
		}
		this.#ofThisChain.set(provider, this.#clock.now());
	}

	/** The only provider is asked at each poll; of several, one may not have been asked for hours. */
	#isFresh(provider: Provider): boolean {
		const answeredAtMs = this.#ofThisChain.get(provider);
		if (answeredAtMs === undefined) return false;
		return this.all.length === 1 || this.#clock.now() - answeredAtMs < FRESH_MS;
	}

	#failure(failures: readonly ProviderError[]): RetryableError {
		if (this.#closed) return closedError();
		const [first] = failures;
		if (first === undefined) return this.#allAside();
		const telling = failures.find((failure) => failure.code === "rpc_failed") ?? first;
		if (failures.length === 1) return telling;
		return new RetryableError(telling.code, {
			message: `none of ${failures.length} providers: ${failures.map(textOf).join("; ")}`,
			hint: telling.hint,
			fields: { providers: failures.length, reason: telling.reason.kind },
			cause: telling,
		});
	}

	#allAside(): RetryableError {
		const waitMs = Math.ceil(Math.min(...this.all.map((each) => this.choice.waitMs(each))));
		const errors = this.all.map(({ standing, url }) => standing.lastError ?? url.shown);
		return new RetryableError("rpc_unavailable", {
			message: `no provider answers; the next is tried in ${waitMs} ms: ${errors.join("; ")}`,
			hint: "check that the node runs and that the URLs are right; it goes on by itself",
			fields: { providers: this.all.length, waitMs },
		});
	}
}

/** Past it a small answer of this provider is late. */
function lateAfterMs({ standing, timeoutMs }: Provider): number {
	const { latencyMs } = standing;
	const usual = latencyMs === undefined ? LATE_MS.unknown : latencyMs * LATE_FACTOR;
	return Math.min(Math.max(usual, LATE_MS.least), timeoutMs / 2, LATE_MS.most);
}

function textOf(error: ProviderError): string {
	return error.message;
}

function closedError(): RetryableError {
	return new RetryableError("rpc_unavailable", {
		message: "the connection to the chain is closed",
		hint: "the service is stopping",
	});
}
