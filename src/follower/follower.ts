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

import type { BlockHeader, ChainBlock } from "../domain/block.ts";
import { type Clock, systemClock } from "../domain/clock.ts";
import { FatalError, RecantError, RetryableError } from "../domain/errors.ts";
import type { Height, Hex } from "../domain/ids.ts";
import type { Logger } from "../domain/logger.ts";
import type { RollbackCoordinator } from "../rollback/coordinator.ts";
import type { RollbackRecord } from "../rollback/rollback-record.ts";
import type { ChainWriter } from "../writer/chain-writer.ts";
import type { Problem, WriterStore } from "../writer/writer-store.ts";
import type { BlockCache } from "./block-cache.ts";
import type { ChainSource } from "./chain-source.ts";
import type { ChainSpec } from "./chain-spec.ts";
import { Extension } from "./extension.ts";
import { type Observation, Observer } from "./observe.ts";
import { RollbackRounds } from "./rollback-rounds.ts";
import { RoundLoop } from "./round-loop.ts";
import type { WindowDeriver } from "./window-deriver.ts";

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
	readonly blocks: BlockCache;
	readonly deriver: WindowDeriver;
	readonly log: Logger;
	/** False: rollbacks are run by whoever takes their job, never by the round that saw the fork. */
	readonly inlineRollbacks: boolean;
	readonly clock?: Clock | undefined;
}

export class Follower {
	readonly #options: FollowerOptions;
	readonly #observer: Observer;
	readonly #extension: Extension;
	readonly #rounds: RollbackRounds;
	readonly #loop: RoundLoop;
	#status: FollowerStatus = { state: "starting", problem: undefined, nodeHead: undefined };
	#stopWatching: () => void = () => undefined;
	#suspectedHalt: string | undefined;
	/** Head for which finality was looked at last. */
	#settledHead: Hex | undefined;
	#checkedChainId = false;
	/** An unfinished rollback may be there: always so after a start. */
	#rollbackDue = true;

	constructor(options: FollowerOptions) {
		this.#options = options;
		const clock = options.clock ?? systemClock;
		this.#observer = new Observer(options.source, options.blocks, clock);
		this.#loop = new RoundLoop({
			round: () => this.#round(),
			onFailure: (error, failures) => this.#failed(error, failures),
			clock,
		});
		const parts = { ...options, isStopped: () => this.#loop.isStopped };
		this.#extension = new Extension(parts);
		this.#rounds = new RollbackRounds({ ...parts, observe: () => this.#observe() });
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

	/** Resolves when the round under way has ended. */
	async stop(): Promise<void> {
		this.#stopWatching();
		await this.#loop.stop();
	}

	/** There may be a new head. */
	poke(): void {
		this.#loop.poke();
	}

	/** A rollback was recorded for this chain, or its job was delivered. */
	rollbackDue(): void {
		this.#rollbackDue = true;
		this.#loop.now();
	}

	async #round(): Promise<void> {
		const { spec, writer } = this.#options;
		await writer.refresh();
		if (writer.halted !== undefined) return this.#recover();
		// Taken before the look: one that is recorded during this round is looked for in the next.
		const due = this.#rollbackDue;
		this.#rollbackDue = false;
		try {
			const unfinished = due ? await this.#options.coordinator.store.active(spec.id) : undefined;
			// What waits in the inbox needs no node, but must not move the state under a rollback.
			if (unfinished === undefined) await this.#admitLeftOvers();
			await this.#checkChainId();
			if (unfinished !== undefined) await this.#finishRollback(unfinished);
		} catch (error) {
			this.#rollbackDue ||= due;
			throw error;
		}
		await this.#act(await this.#observe());
	}

	/** A failure is the inbox's, not the chain's: the writer logs it, and the next round tries again. */
	async #admitLeftOvers(): Promise<void> {
		try {
			await this.#options.writer.drainDue();
		} catch (error) {
			if (!(error instanceof RecantError)) throw error;
		}
	}

	async #observe(): Promise<Observation> {
		const { writer } = this.#options;
		// A rollback of this round may be committed and not be known here: of the old window, whatever
		// extends the new branch would be a fork once more.
		await writer.refresh();
		const observation = await this.#observer.observe(writer.window, writer.state.finalized ?? 0n);
		this.#status = { ...this.#status, nodeHead: observation.head.number };
		return observation;
	}

	async #act({ head, decision }: Observation): Promise<void> {
		if (decision.type !== "halt") this.#suspectedHalt = undefined;
		switch (decision.type) {
			case "ignore":
				this.#say("following");
				if (decision.reason === "same_head") await this.#settle(head);
				return;
			case "wait":
				return this.#say("following");
			case "inconsistent":
				throw contradicting(decision.message);
			case "start":
				if (head.number < this.#options.spec.startBlock) return this.#say("following");
				return this.#advance(await this.#extension.firstHeight(head), head);
			case "extend":
				await this.#extension.extend(decision.blocks);
				return this.#say("following");
			case "backfill":
				return this.#advance(decision.from, head);
			case "reorg":
				return this.#rollBack({ ancestor: decision.ancestor, blocks: decision.blocks });
			case "shrink":
				return this.#rollBack({ ancestor: decision.ancestor, blocks: [] });
			case "halt":
				return this.#confirmHalt(new FatalError(decision.code, decision));
		}
	}

	/** Finality moves with the head, so one look a head is enough. */
	async #settle(head: ChainBlock): Promise<void> {
		if (this.#settledHead === head.hash) return;
		await this.#extension.settle();
		this.#settledHead = head.hash;
	}

	/** One part of a long way; the next is a round of its own, with a new look at the head. */
	async #advance(from: Height, head: ChainBlock): Promise<void> {
		const { writer } = this.#options;
		this.#say("backfilling");
		const part = await this.#extension.advance(from, head);
		const top = part.type === "look" ? part.blocks.at(-1) : undefined;
		if (part.type === "look" && writer.window === undefined) {
			await this.#extension.extend(part.blocks);
		} else if (top !== undefined) {
			const finalized = writer.state.finalized ?? 0n;
			await this.#act(await this.#observer.observe(writer.window, finalized, top));
		}
		this.#loop.poke();
	}

	async #rollBack(fork: {
		readonly ancestor: BlockHeader;
		readonly blocks: readonly BlockHeader[];
	}): Promise<void> {
		const problem = await this.#rounds.standsOn(fork);
		if (problem !== undefined) {
			// An operator may make it active again, in whatever process.
			this.#rollbackDue = true;
			return this.#stand(problem);
		}
		this.#say("rolling_back");
		try {
			await this.#rounds.reorg(fork);
		} catch (error) {
			// A round that fails half way leaves a rollback behind, for the next one to finish.
			this.#rollbackDue = true;
			throw error;
		}
		// Whoever said meanwhile that one is due may mean the next one.
		this.#afterRollback();
	}

	/** Rounds go on: the node may show another branch, and an operator may have decided. */
	#stand(problem: Problem): void {
		const { code, message } = problem;
		if (this.#status.problem?.message !== message) this.#options.log.error({ code }, message);
		this.#status = { ...this.#status, state: "halted", problem };
	}

	async #finishRollback(unfinished: RollbackRecord): Promise<void> {
		this.#say("rolling_back");
		await this.#rounds.finish(unfinished);
		this.#afterRollback();
	}

	#afterRollback(): void {
		this.#extension.forget();
		this.#say("following");
		this.#loop.poke();
	}

	/** A halted chain does one thing more: a rollback that an operator lets go below where it halted. */
	async #recover(): Promise<void> {
		const active = await this.#options.coordinator.store.active(this.#options.spec.id);
		if (active?.recoveryId === undefined) return;
		await this.#checkChainId();
		await this.#finishRollback(active);
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
		if (answered !== spec.id) throw wrongChain(spec, answered);
		this.#checkedChainId = true;
	}

	#say(state: FollowerStatus["state"]): void {
		this.#status = { ...this.#status, state, problem: undefined };
	}

	/** Answers whether to try again. */
	#failed(error: unknown, failures: number): boolean {
		const known = asRecantError(error);
		const { log } = this.#options;
		if (!known.retryable) {
			log.error({ code: known.code, err: error }, known.message);
			this.#status = { ...this.#status, state: "halted", problem: problemOf(known) };
			return false;
		}
		// One failure is a node's bad moment; two are worth being shown.
		if (failures > 1) {
			this.#status = { ...this.#status, state: "waiting", problem: problemOf(known) };
		}
		if (failures === 2) log.warn({ code: known.code, err: error }, known.message);
		return true;
	}
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

function contradicting(what: string): RetryableError {
	return new RetryableError("rpc_failed", {
		message: `the node's answers contradict each other: ${what}`,
		hint: "it is asked again; if this goes on, check the node",
	});
}

function wrongChain(spec: ChainSpec, answered: number): FatalError {
	return new FatalError("chain_id_mismatch", {
		message: `the node serves chain ${answered}, the file of "${spec.name}" says ${spec.id}`,
		hint: "correct the id or the RPC URL in the chain's file; nothing was followed",
		fields: { expected: spec.id, answered },
	});
}
