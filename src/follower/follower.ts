/**
 * The head loop of one chain: look at the node, decide, act. One round at a time.
 *
 * Invariants
 * 1. Nothing is committed before the last call of the round that can fail has answered.
 * 2. Rounds never overlap; a rollback is one round.
 * 3. The head that reveals a fork is applied in the round that saw it.
 * 4. A halt is made of several looks, and of what most providers say (incidents.ts); reads go on.
 * 5. A fork is followed when fork-judge.ts lets it pass; the chain says what it waits for.
 * 6. A node that does not answer makes the chain wait, with backoff; what was committed stays readable.
 */
import type { ForkSignal } from "../chain/decision.ts";
import { branchChange } from "../chain/fork-watch.ts";
import type { BlockHeader, ChainBlock } from "../domain/block.ts";
import { type Clock, systemClock } from "../domain/clock.ts";
import { RecantError } from "../domain/errors.ts";
import type { Height, Hex, RollbackId } from "../domain/ids.ts";
import type { Logger } from "../domain/logger.ts";
import type { Rederivation } from "../rederive/handlers-store.ts";
import type { Rederiver } from "../rederive/rederiver.ts";
import type { RollbackCoordinator } from "../rollback/coordinator.ts";
import type { RollbackRecord } from "../rollback/rollback-record.ts";
import type { ChainWriter } from "../writer/chain-writer.ts";
import type { Problem, WriterStore } from "../writer/writer-store.ts";
import type { BlockCache } from "./block-cache.ts";
import type { ChainSource } from "./chain-source.ts";
import type { ChainSpec } from "./chain-spec.ts";
import { headerOnly } from "./derive.ts";
import { Doubts } from "./doubts.ts";
import { Extension, type ExtensionOptions } from "./extension.ts";
import { asRecantError, contradicting, problemOf } from "./follower-problems.ts";
import { ForkJudge } from "./fork-judge.ts";
import { handlersBranch } from "./handlers-branch.ts";
import { type Observation, Observer } from "./observe.ts";
import { type Fork, RollbackRounds, standing } from "./rollback-rounds.ts";
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
	/** Undefined: handlers that were changed are not looked at. */
	readonly rederiver?: Rederiver | undefined;
	readonly log: Logger;
	/** False: rollbacks are run by whoever takes their job, never by the round that saw the fork. */
	readonly inlineRollbacks: boolean;
	readonly clock?: Clock | undefined;
}

export class Follower {
	readonly #options: FollowerOptions;
	readonly #observer: Observer;
	readonly #forks: ForkJudge;
	readonly #doubts: Doubts;
	readonly #extension: Extension;
	readonly #rounds: RollbackRounds;
	readonly #loop: RoundLoop;
	#status: FollowerStatus = { state: "starting", problem: undefined, nodeHead: undefined };
	#stopWatching: () => void = () => undefined;
	/** Rollback by which handlers that were changed were to take over. */
	#switching: RollbackId | undefined;
	/** Head for which finality was looked at last. */
	#settledHead: Hex | undefined;
	/** An unfinished rollback may be there: always so after a start. */
	#rollbackDue = true;

	constructor(options: FollowerOptions) {
		this.#options = options;
		const clock = options.clock ?? systemClock;
		this.#forks = new ForkJudge({ ...options, clock });
		this.#observer = new Observer({ ...options, forks: this.#forks, clock });
		this.#doubts = new Doubts({
			...options,
			forks: this.#forks,
			clock,
			onWait: (problem) => {
				this.#status = { ...this.#status, state: "waiting", problem };
			},
			onLook: () => this.poke(),
		});
		this.#loop = new RoundLoop({
			round: () => this.#round(),
			onFailure: (error, failures) => this.#failed(error, failures),
			clock,
		});
		const parts = { ...options, isStopped: () => this.#loop.isStopped };
		const onTags: ExtensionOptions["onTags"] = (tags) => this.#doubts.tagsAre(tags);
		this.#extension = new Extension({ ...parts, clock, onTags });
		const { memories } = this.#extension;
		this.#rounds = new RollbackRounds({ ...parts, memories, observe: () => this.#observe() });
	}

	get status(): FollowerStatus {
		const halted = this.#options.writer.halted;
		return halted === undefined
			? this.#status
			: { ...this.#status, state: "halted", problem: halted };
	}

	start(): void {
		this.#stopWatching = this.#options.source.watch((signal) => this.poke(signal));
		this.poke();
	}

	/** Resolves when the round under way has ended. */
	async stop(): Promise<void> {
		this.#stopWatching();
		this.#doubts.stop();
		await this.#loop.stop();
		await this.#extension.idle();
	}

	/** There may be a new head, and `signal` speaks of a fork. */
	poke(signal?: ForkSignal): void {
		if (signal !== undefined) this.#forks.notice(signal);
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
			const active = due ? await this.#options.coordinator.store.active(spec.id) : undefined;
			const unfinished = active && (await this.#ofOurHandlers(active));
			// What waits in the inbox needs no node, but must not move the state under a rollback.
			if (unfinished === undefined) await this.#admitLeftOvers();
			await this.#doubts.checkChain();
			if (unfinished !== undefined) await this.#finishRollback(unfinished);
		} catch (error) {
			this.#rollbackDue ||= due;
			throw error;
		}
		if (await this.#rederive()) return;
		await this.#act(await this.#observe());
	}

	/** What handlers that are no more would go on with: nobody works on it, and what follows has its branch. */
	async #ofOurHandlers(active: RollbackRecord): Promise<RollbackRecord | undefined> {
		const { rederiver } = this.#options;
		if (rederiver === undefined || active.recoveryId !== undefined || active.cause === "manual")
			return active;
		const fits =
			active.cause === "handlers" ? await rederiver.isOurs() : !(await rederiver.isDue());
		if (fits) return active;
		await this.#rounds.giveUp(active);
		return undefined;
	}

	/** Answers whether the round is over: other handlers derived what is there, see rederive/. */
	async #rederive(): Promise<boolean> {
		const { rederiver, writer } = this.#options;
		const { window } = writer;
		if (rederiver === undefined || window === undefined) return false;
		const step = await rederiver.step({ window, finalized: writer.state.finalized ?? 0n });
		if (step.type === "same") return false;
		const { type, problem } = step;
		const standing = type === "halted" ? problem : await this.#failedSwitch();
		if (standing !== undefined) {
			this.#stand(standing);
			return true;
		}
		this.#status = { ...this.#status, state: "waiting", problem };
		if (type === "derived") return this.#switchTo(step.rederivation);
		this.#loop.poke();
		return true;
	}

	/** The node's branch, as far as the chain was committed, is derived on top: a fork is followed with it. */
	async #switchTo({ target }: Rederivation): Promise<boolean> {
		const { coordinator, spec, writer } = this.#options;
		const observation = await this.#observe();
		const { head, generation } = writer.state;
		const branch =
			writer.window && handlersBranch(observation.decision, writer.window, target.height);
		if (branch === undefined || head === undefined) {
			await this.#act(observation);
			return true;
		}
		const rollbackId = await coordinator.record({
			chainId: spec.id,
			cause: "handlers",
			fromGeneration: generation,
			ancestor: target,
			from: { height: head.number, hash: head.hash },
			branch: branch.map(headerOnly),
			supersessions: 0,
			wantedStrategy: "rebuild",
		});
		this.#switching = rollbackId;
		const recorded = await coordinator.store.load(rollbackId);
		if (recorded !== undefined) await this.#finishRollback(recorded);
		return true;
	}

	/** Why the last one of this process failed: it is not recorded again before it is retried or abandoned. */
	async #failedSwitch(): Promise<Problem | undefined> {
		const { coordinator } = this.#options;
		const last = this.#switching && (await coordinator.store.load(this.#switching));
		if (last?.state !== "failed") return undefined;
		// An operator may make it active again, in whatever process.
		this.#rollbackDue = true;
		return standing(last);
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
		this.#doubts.looked(decision);
		switch (decision.type) {
			case "ignore":
				this.#say("following");
				if (decision.reason === "same_head") await this.#settle(head);
				return;
			case "wait":
				if (!(await this.#doubts.isOfAnother(decision))) this.#say("following");
				return;
			case "unconfirmed":
				return this.#doubts.unconfirmed(decision);
			case "inconsistent":
				throw contradicting(decision.message);
			case "start":
				if (head.number < this.#options.spec.startBlock) return this.#say("following");
				return this.#advance(await this.#extension.firstHeight(head), head);
			case "extend":
				await this.#extend(decision.blocks);
				this.#say("following");
				return this.#lookAtTags();
			case "backfill":
				return this.#advance(decision.from, head);
			case "reorg":
				return this.#rollBack(decision);
			case "shrink":
				return this.#rollBack({ ...decision, blocks: [] });
			case "halt":
				return this.#doubts.hopeless(decision, head);
		}
	}

	async #extend(headers: readonly BlockHeader[]): Promise<void> {
		const toHead = headers.at(-1)?.number === this.#status.nodeHead;
		await this.#extension.extend(headers, { toHead });
	}

	/** Finality moves with the head, so one look at a head that stands is enough. */
	async #settle(head: ChainBlock): Promise<void> {
		if (this.#settledHead === head.hash || !this.#extension.marksAreDue) return;
		await this.#extension.settle();
		this.#settledHead = head.hash;
		await this.#lookAtTags();
	}

	async #lookAtTags(): Promise<void> {
		if (!(await this.#doubts.lookAtTags())) return;
		this.#settledHead = undefined;
		this.#extension.lookAtMarksAgain();
	}

	/** One part of a long way; the next is a round of its own, with a new look at the head. */
	async #advance(from: Height, head: ChainBlock): Promise<void> {
		const { writer } = this.#options;
		this.#say("backfilling");
		const part = await this.#extension.advance(from, head);
		const top = part.type === "look" ? part.blocks.at(-1) : undefined;
		if (part.type === "look" && writer.window === undefined) {
			await this.#extend(part.blocks);
		} else if (top !== undefined) {
			const finalized = writer.state.finalized ?? 0n;
			await this.#act(await this.#observer.observe(writer.window, finalized, top));
		}
		// What is waited for is looked at again by itself, and not at once.
		if (this.#status.state !== "waiting") this.#loop.poke();
	}

	async #rollBack(fork: Fork): Promise<void> {
		const problem = await this.#rounds.standsOn(fork);
		if (problem !== undefined) {
			// An operator may make it active again, in whatever process.
			this.#rollbackDue = true;
			return this.#stand(problem);
		}
		this.#say("rolling_back");
		try {
			const isOver = await this.#moving(() => this.#rounds.reorg(fork));
			if (!isOver) await this.#gaveUp(fork);
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
		await this.#moving(() => this.#rounds.finish(unfinished));
		this.#options.rederiver?.forget();
		this.#afterRollback();
	}

	/** Remembers which branch was left meanwhile, if one was, and answers whether. */
	async #moving(work: () => Promise<void>): Promise<boolean> {
		const { writer } = this.#options;
		const before = writer.window;
		await work();
		await writer.refresh();
		const change = before && writer.window && branchChange(before, writer.window);
		if (change !== undefined) this.#forks.left(change.from, change.to);
		return change !== undefined;
	}

	/** The node left the fork before it was followed: as if it had been, for the next time it shows it. */
	async #gaveUp(fork: Fork): Promise<void> {
		const [lowest] = fork.blocks;
		if (lowest === undefined || (await this.#rounds.standsOn(fork)) !== undefined) return;
		this.#forks.left(lowest.hash, undefined);
	}

	#afterRollback(): void {
		this.#extension.forget();
		this.#say("following");
		this.#loop.poke();
	}

	/** A halted chain does one thing more: a rollback that an operator lets go below where it halted. */
	async #recover(): Promise<void> {
		const active = await this.#options.coordinator.store.active(this.#options.spec.id);
		if (active === undefined) return;
		if (active.recoveryId === undefined) return this.#rounds.giveUp(active);
		await this.#doubts.checkChain();
		await this.#finishRollback(active);
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
