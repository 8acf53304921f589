/**
 * The head loop of one chain: look at the node, decide, act. One round at a time.
 *
 * Invariants
 * 1. Nothing is committed before the last call of the round that can fail has answered.
 * 2. Rounds never overlap; a rollback is one round.
 * 3. The head that reveals a fork is applied in the round that saw it.
 * 4. A halt is confirmed by a second look, is visible in `status`, and leaves reads as they are.
 *
 * A node that does not answer makes the chain wait, with backoff; what was committed stays readable.
 */
import { finality } from "../chain/finality.ts";
import { HeaderWindow } from "../chain/header-window.ts";
import { higher, lower } from "../chain/height.ts";
import type { BlockHeader, ChainBlock } from "../domain/block.ts";
import { FatalError, RecantError, RetryableError } from "../domain/errors.ts";
import type { Height } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Logger } from "../domain/logger.ts";
import type { RollbackCoordinator } from "../rollback/coordinator.ts";
import type { ChainWriter } from "../writer/chain-writer.ts";
import type { DerivedBlock, DerivedGroup } from "../writer/derived-blocks.ts";
import type { Problem, WriterStore } from "../writer/writer-store.ts";
import { deriveRange } from "./backfill.ts";
import { BlockCache } from "./block-cache.ts";
import type { ChainSource } from "./chain-source.ts";
import type { ChainSpec } from "./chain-spec.ts";
import { HandlerCache } from "./handler-cache.ts";
import { type Observation, Observer } from "./observe.ts";
import { RollbackRounds } from "./rollback-rounds.ts";
import { WindowDeriver } from "./window-deriver.ts";

/** Blocks of the window in one commit while catching up: a commit of tens of milliseconds. */
const WINDOW_GROUP = 64;
/** Waits between rounds while the node does not answer. */
const BACKOFF_MS = { first: 250, most: 5_000 };

export interface FollowerStatus {
	readonly state: "starting" | "following" | "backfilling" | "rolling_back" | "waiting" | "halted";
	readonly problem: Problem | undefined;
	/** Head that the node showed last. */
	readonly nodeHead: Height | undefined;
}

export interface FollowerOptions {
	readonly spec: ChainSpec;
	readonly source: ChainSource;
	readonly writer: ChainWriter;
	readonly writerStore: WriterStore;
	readonly coordinator: RollbackCoordinator;
	readonly log: Logger;
	/** False: rollbacks are run by whoever takes their job, never by the round that saw the fork. */
	readonly inlineRollbacks: boolean;
}

export class Follower {
	readonly #options: FollowerOptions;
	readonly #observer: Observer;
	readonly #handlers: HandlerCache;
	readonly #rounds: RollbackRounds;
	readonly deriver: WindowDeriver;
	#status: FollowerStatus = { state: "starting", problem: undefined, nodeHead: undefined };
	#stopped = false;
	#running: Promise<void> | undefined;
	#again = false;
	#failures = 0;
	#retryAt = 0;
	#retryTimer: NodeJS.Timeout | undefined;
	#stopWatching: () => void = () => undefined;
	#suspectedHalt: string | undefined;
	#checkedChainId = false;
	/** An unfinished rollback may be there: always so after a start. */
	#rollbackDue = true;

	constructor(options: FollowerOptions) {
		this.#options = options;
		const blocks = new BlockCache(options.source);
		this.#observer = new Observer(options.source, blocks);
		this.#handlers = new HandlerCache(options.writerStore, options.spec.id);
		this.deriver = new WindowDeriver(options.spec, options.source, blocks);
		this.#rounds = new RollbackRounds({
			...options,
			deriver: this.deriver,
			observe: () => this.#observe(),
			isStopped: () => this.#stopped,
		});
	}

	get status(): FollowerStatus {
		const halted = this.#options.writer.halted;
		return halted === undefined
			? this.#status
			: { ...this.#status, state: "halted", problem: halted };
	}

	start(): void {
		this.#stopWatching = this.#options.source.watch(() => this.poke());
		this.poke();
	}

	/** Ends the loop; resolves when the round under way has ended. */
	async stop(): Promise<void> {
		this.#stopped = true;
		this.#stopWatching();
		clearTimeout(this.#retryTimer);
		await this.#running;
	}

	/** There may be something to do. */
	poke(): void {
		if (this.#stopped || this.#status.state === "halted") return;
		if (performance.now() < this.#retryAt) return;
		if (this.#running !== undefined) {
			this.#again = true;
			return;
		}
		this.#running = this.#loop().finally(() => {
			this.#running = undefined;
		});
	}

	/** A rollback was recorded for this chain, or its job was delivered. */
	rollbackDue(): void {
		this.#rollbackDue = true;
		this.#retryAt = 0;
		this.poke();
	}

	async #loop(): Promise<void> {
		do {
			this.#again = false;
			try {
				await this.#round();
				this.#failures = 0;
			} catch (error) {
				this.#failed(error);
				return;
			}
		} while (this.#again && !this.#stopped);
	}

	async #round(): Promise<void> {
		const { writer } = this.#options;
		await writer.refresh();
		if (writer.halted !== undefined) return;
		await this.#checkChainId();
		if (this.#rollbackDue) await this.#finishRollback();
		const observation = await this.#observe();
		await this.#act(observation);
	}

	async #observe(): Promise<Observation> {
		const { writer } = this.#options;
		const observation = await this.#observer.observe(writer.window, writer.state.finalized ?? 0n);
		this.#status = { ...this.#status, nodeHead: observation.head.number };
		return observation;
	}

	async #act({ head, decision }: Observation): Promise<void> {
		if (decision.type !== "halt") this.#suspectedHalt = undefined;
		switch (decision.type) {
			case "ignore":
				this.#say("following");
				if (decision.reason === "same_head") await this.#settle();
				return;
			case "wait":
				this.#say("following");
				return;
			case "inconsistent":
				throw new RetryableError("rpc_failed", {
					message: `the node's answers contradict each other: ${decision.message}`,
					hint: "it is asked again; if this goes on, check the node",
				});
			case "start":
				return this.#begin(head);
			case "extend":
				await this.#extend(decision.blocks);
				this.#say("following");
				return;
			case "backfill":
				return this.#backfill({ from: decision.from, head });
			case "reorg":
			case "shrink":
				return this.#rollBack({
					ancestor: decision.ancestor,
					blocks: decision.type === "reorg" ? decision.blocks : [],
				});
			case "halt":
				return this.#confirmHalt(new FatalError(decision.code, decision));
		}
	}

	/** The first blocks of a chain, from just below its start block so that a fork there has an ancestor. */
	async #begin(head: ChainBlock): Promise<void> {
		const { startBlock } = this.#options.spec;
		if (head.number < startBlock) {
			this.#say("following");
			return;
		}
		const mark = await this.#finalityMark(head);
		const lowest = startBlock - BigInt(LIMITS.windowBlocks - 1);
		const base = higher(0n, higher(lowest, lower(startBlock - 1n, mark)));
		await this.#backfill({ from: base, head });
	}

	/** Finalized blocks in wide groups, what is above one by one; each group is a round of its own. */
	async #backfill(range: { readonly from: Height; readonly head: ChainBlock }): Promise<void> {
		const { source, spec, writer } = this.#options;
		this.#say("backfilling");
		this.#again = true;
		const mark = await this.#finalityMark(range.head);
		if (range.from > mark) return this.#catchUp(range);
		const to = lower(mark, range.from + BigInt(LIMITS.groupBlocks - 1));
		const first = (await source.blocksByNumber([range.from]))[0];
		const tip = writer.window?.tip;
		if (tip !== undefined && first !== undefined && first.parentHash !== tip.hash) {
			return this.#act(
				await this.#observer.observe(writer.window, writer.state.finalized ?? 0n, first),
			);
		}
		const blocks = await deriveRange(
			{ from: range.from, to, parentHash: tip?.hash },
			{ spec, source, suspended: writer.suspended, read: (key) => this.#handlers.read(key) },
		);
		await this.#commit({
			mode: "backfill",
			blocks,
			from: range.from,
			finality: { safe: to, finalized: to },
			handlersHash: spec.handlersHash,
		});
	}

	/** The next blocks above finality, while the head is far away. */
	async #catchUp(range: { readonly from: Height; readonly head: ChainBlock }): Promise<void> {
		const { source, writer } = this.#options;
		const count = Number(lower(BigInt(WINDOW_GROUP), range.head.number - range.from + 1n));
		const heights = Array.from({ length: count }, (_, index) => range.from + BigInt(index));
		const blocks = (await source.blocksByNumber(heights)).filter((block) => block !== undefined);
		const top = blocks.at(-1);
		if (top === undefined) return;
		if (writer.window === undefined) return this.#extend(linkedFrom(blocks));
		await this.#act(await this.#observer.observe(writer.window, writer.state.finalized ?? 0n, top));
		this.#again = true;
	}

	async #extend(blocks: readonly BlockHeader[]): Promise<void> {
		for (let start = 0; start < blocks.length && !this.#stopped; start += WINDOW_GROUP) {
			await this.#extendGroup(blocks.slice(start, start + WINDOW_GROUP));
		}
	}

	async #extendGroup(headers: readonly BlockHeader[]): Promise<void> {
		const { spec, writer } = this.#options;
		const [first] = headers;
		if (first === undefined) return;
		const [blocks, marks] = await Promise.all([
			this.deriver.derive(headers, writer.suspended, (key) => this.#handlers.read(key)),
			this.#tags(),
		]);
		const plain = blocks.map((block) => block.header);
		const window = writer.window?.append(plain) ?? HeaderWindow.of(plain);
		await this.#commit({
			mode: "window",
			blocks,
			from: first.number,
			finality: this.#finalityOf(window, marks),
			handlersHash: spec.handlersHash,
		});
	}

	async #commit(group: DerivedGroup): Promise<void> {
		try {
			await this.#options.writer.commitBlocks(group);
			this.#handlers.forget(group.blocks);
		} catch (error) {
			this.#handlers.clear();
			throw error;
		}
		const { finalized, safe } = group.finality;
		if (finalized === undefined) return;
		await this.#settleFinal(group.blocks, { safe: safe ?? finalized, finalized });
	}

	/** Operations become final rarely; asking at every block would cost a write a block. */
	async #settleFinal(
		blocks: readonly DerivedBlock[],
		marks: { readonly safe: Height; readonly finalized: Height },
	): Promise<void> {
		const last = blocks.at(-1)?.header.number ?? 0n;
		if (blocks.length > 1 || last % SETTLE_EVERY === 0n) await this.#options.writer.settle(marks);
	}

	async #settle(): Promise<void> {
		const { window, state } = this.#options.writer;
		if (window === undefined) return;
		const now = this.#finalityOf(window, await this.#tags());
		if (now.finalized === state.finalized && now.safe === state.safe) return;
		await this.#options.writer.settle(now);
	}

	async #rollBack(fork: {
		readonly ancestor: BlockHeader;
		readonly blocks: readonly BlockHeader[];
	}): Promise<void> {
		this.#say("rolling_back");
		await this.#rounds.reorg(fork);
		this.#afterRollback();
	}

	async #finishRollback(): Promise<void> {
		const active = await this.#options.coordinator.store.active(this.#options.spec.id);
		if (active !== undefined) {
			this.#say("rolling_back");
			await this.#rounds.finish(active);
			this.#afterRollback();
		}
		this.#rollbackDue = false;
	}

	#afterRollback(): void {
		this.#handlers.clear();
		this.#say("following");
		this.#again = true;
	}

	async #confirmHalt(error: FatalError): Promise<void> {
		if (this.#suspectedHalt !== error.message) {
			this.#suspectedHalt = error.message;
			this.#status = { ...this.#status, state: "waiting", problem: problemOf(error) };
			return;
		}
		await this.#options.writer.halt(problemOf(error));
		this.#options.log.error({ code: error.code, ...error.fields }, error.message);
	}

	async #checkChainId(): Promise<void> {
		if (this.#checkedChainId) return;
		const { source, spec } = this.#options;
		const answered = await source.chainId();
		if (answered !== spec.id) {
			throw new FatalError("chain_id_mismatch", {
				message: `the node serves chain ${answered}, the file of "${spec.name}" says ${spec.id}`,
				hint: "correct the id or the RPC URL in the chain's file; nothing was followed",
				fields: { expected: spec.id, answered },
			});
		}
		this.#checkedChainId = true;
	}

	async #tags(): Promise<Tags> {
		const { source } = this.#options;
		const [safe, finalized] = await Promise.all([
			source.tagged("safe"),
			source.tagged("finalized"),
		]);
		return { safe, finalized };
	}

	#finalityOf(window: HeaderWindow, tagged: Tags) {
		const { state } = this.#options.writer;
		return finality({
			window,
			tagged,
			depthBlocks: this.#options.spec.finalityDepthBlocks,
			previous: { safe: state.safe ?? 0n, finalized: state.finalized ?? 0n },
		});
	}

	/** Highest height that the node holds for final now. */
	async #finalityMark(head: ChainBlock): Promise<Height> {
		const finalized = await this.#options.source.tagged("finalized");
		const depth = BigInt(this.#options.spec.finalityDepthBlocks);
		return finalized?.number ?? higher(-1n, head.number - depth);
	}

	#say(state: FollowerStatus["state"]): void {
		this.#status = { ...this.#status, state, problem: undefined };
	}

	#failed(error: unknown): void {
		const known = asRecantError(error);
		const { log } = this.#options;
		if (this.#stopped) return;
		if (!known.retryable) {
			log.error({ code: known.code, err: error }, known.message);
			this.#status = { ...this.#status, state: "halted", problem: problemOf(known) };
			return;
		}
		this.#failures += 1;
		const wait = Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** Math.min(this.#failures - 1, 8));
		const delay = wait * (0.5 + Math.random() / 2);
		if (this.#failures > 1)
			this.#status = { ...this.#status, state: "waiting", problem: problemOf(known) };
		if (this.#failures === 2) log.warn({ code: known.code, err: error }, known.message);
		this.#retryAt = performance.now() + delay;
		clearTimeout(this.#retryTimer);
		this.#retryTimer = setTimeout(() => {
			this.#retryAt = 0;
			this.poke();
		}, delay);
	}
}

interface Tags {
	readonly safe: ChainBlock | undefined;
	readonly finalized: ChainBlock | undefined;
}

/** Blocks between two looks at which operations became final. */
const SETTLE_EVERY = 16n;

/** The leading blocks that stand on one another. */
function linkedFrom(blocks: readonly ChainBlock[]): readonly ChainBlock[] {
	const broken = blocks.findIndex((block, index) => {
		const parent = blocks[index - 1];
		return parent !== undefined && parent.hash !== block.parentHash;
	});
	return broken === -1 ? blocks : blocks.slice(0, broken);
}

function problemOf(error: RecantError): Problem {
	return { code: error.code, message: error.message, hint: error.hint };
}

function asRecantError(error: unknown): RecantError {
	if (error instanceof RecantError) return error;
	return new FatalError("internal", {
		message: `the follower failed: ${error instanceof Error ? error.message : String(error)}`,
		hint: "this is a defect of Recant; please report it with the log",
		cause: error,
	});
}
