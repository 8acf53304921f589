/**
 * Runs rollbacks: claims, prepares, and where this process holds the chain's lease, commits.
 *
 * States: recorded → running → prepared → committed; from the first three also superseded, cancelled,
 * failed, and from failed abandoned or, by a retry, active again. A claim that lapses can be taken by
 * anyone; a new claim is a new attempt, and what an older attempt still writes is refused by its number.
 *
 * One that is paused is claimed by nobody. Whoever works on it hears of it when the next stage begins, at
 * the latest when the commit is refused, and gives the claim up; a change set that is whole stays.
 */

import { randomUUID } from "node:crypto";
import type { LeafChange } from "../commitment/leaf-changes.ts";
import type { StateRoots } from "../commitment/state-root.ts";
import { type Clock, everyInTurn, systemClock } from "../domain/clock.ts";
import { FatalError, type RecantError } from "../domain/errors.ts";
import type { ChainId, RollbackId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Logger } from "../domain/logger.ts";
import type { HandlersStore } from "../rederive/handlers-store.ts";
import { leafDifference } from "../restore/leaf-difference.ts";
import type { Restorer } from "../restore/restorer.ts";
import type { Embedder } from "../vectors/embedder.ts";
import type { ChainState } from "../writer/chain-state.ts";
import type { CommitBatch } from "../writer/commit-batch.ts";
import type { VectorCollections } from "../writer/embed-vectors.ts";
import type { SealedStates } from "../writer/sealed-states.ts";
import type { Consolidator, WriterSettings } from "../writer/system-work.ts";
import { changedMemories } from "../writer/working-memory.ts";
import type { WriterStore } from "../writer/writer-store.ts";
import {
	asRecantError,
	isPassing,
	keepsChanges,
	movedOn,
	withDeadline,
} from "./attempt-failure.ts";
import type { BranchDeriver } from "./branch-deriver.ts";
import { type ChangeSet, decodeChangeSet } from "./change-set.ts";
import type { FanOut } from "./fan-out.ts";
import type { KnownMemories } from "./known-memories.ts";
import { makePlan } from "./plan.ts";
import { type PreparedChanges, prepare } from "./prepare.ts";
import type { RestoredStates } from "./restored-states.ts";
import { verifyRewound } from "./rewind.ts";
import {
	type Counts,
	isActive,
	type NewRollback,
	type RollbackRecord,
	type Stage,
} from "./rollback-record.ts";
import type { RollbackStore } from "./rollback-store.ts";
import { StageClock, type StageEvent } from "./stage-clock.ts";
import { isDamage } from "./strategy.ts";
import { wayOut } from "./way-out.ts";

/**
 * A dead process is noticed after this at the latest: with the half second after which a job looks again,
 * within five. Renewed at a quarter of it, so that a process which stands still for less than three seconds
 * (a change set of the largest size as text, a collection of garbage) keeps it.
 */
const CLAIM_MS = 4_000;

/** A change set with its roots. */
interface Verified extends Pick<ChangeSet, "pointers" | "report" | "shadow"> {
	readonly batch: CommitBatch;
	readonly counts: Counts;
	/** Of the ancestor's state. */
	readonly roots: StateRoots;
}

/** What a change set is tried on. */
interface Attempted {
	readonly state: ChainState;
	readonly states: SealedStates;
	/** Undefined: it is read back. */
	readonly prepared: PreparedChanges | undefined;
}

export interface CoordinatorOptions {
	readonly store: RollbackStore;
	readonly writerStore: WriterStore;
	readonly restorer: Restorer;
	readonly states: RestoredStates;
	/** Undefined: handlers that were changed are not looked at. */
	readonly handlers?: HandlersStore | undefined;
	/** Memories that a rewind may touch; LIMITS.rollbackChanges, less in tests. */
	readonly changesLimit: number;
	readonly embedder: Embedder;
	/** Undefined: nothing is fanned out. */
	readonly fanOut?: Pick<FanOut, "embed"> | undefined;
	readonly collections: (chainId: ChainId) => VectorCollections;
	readonly settings: (chainId: ChainId) => WriterSettings;
	readonly consolidator: Consolidator;
	/** Name of this process, as in leases. */
	readonly holder: string;
	readonly log: Logger;
	readonly onProgress: (event: StageEvent) => void;
	/** Waited for before each stage; tests stop a process there. */
	readonly beforeStage: (stage: Stage, rollback: RollbackRecord) => Promise<void>;
	readonly clock?: Clock | undefined;
}

/** What a process that holds the lease adds. */
export interface Committer {
	/** False: the new branch is not the node's any more. */
	readonly stillWanted: (rollback: RollbackRecord) => Promise<boolean>;
	/** Runs the last stages between two other commits of the chain, with the chain's state tree. */
	readonly exclusive: <Result>(
		work: (state: ChainState, states: SealedStates) => Promise<Result>,
	) => Promise<Result>;
	/** Undefined: nothing is known without asking. */
	readonly memories?: KnownMemories | undefined;
}

/**
 * committed, prepared (for the lease holder), moved: the branch lost meanwhile; busy: another process
 * has it; paused: nobody works on it before an operator resumes it; over: it had ended; retry: try again;
 * failed: it is recorded as failed.
 */
export type RunOutcome =
	| { readonly type: "committed" | "prepared" | "moved" | "busy" | "paused" | "over" }
	| { readonly type: "retry" | "failed"; readonly error: RecantError };

export class RollbackCoordinator {
	readonly #options: CoordinatorOptions;
	readonly #clock: Clock;
	/** A claim keeps other processes away, not this one: its job and its follower come here at once. */
	readonly #running = new Set<RollbackId>();
	/** For each chain the rollback that failed by itself last, and how often it did so here. */
	readonly #failures = new Map<
		ChainId,
		{ readonly rollbackId: RollbackId; readonly retries: number; readonly count: number }
	>();

	constructor(options: CoordinatorOptions) {
		this.#options = options;
		this.#clock = options.clock ?? systemClock;
	}

	get store(): RollbackStore {
		return this.#options.store;
	}

	/** Records a rollback with its outbox entry. */
	async record(
		rollback: Omit<NewRollback, "rollbackId">,
		supersedes?: RollbackId,
	): Promise<RollbackId> {
		const rollbackId = randomUUID() as string as RollbackId;
		await this.#options.store.record({ ...rollback, rollbackId }, supersedes);
		return rollbackId;
	}

	/** Works on it as far as this process can. `committer` undefined: only prepares. */
	async run(
		rollbackId: RollbackId,
		deriver: BranchDeriver,
		committer: Committer | undefined,
	): Promise<RunOutcome> {
		if (this.#running.has(rollbackId)) return { type: "busy" };
		this.#running.add(rollbackId);
		try {
			return await this.#claimAndWork(rollbackId, deriver, committer);
		} finally {
			this.#running.delete(rollbackId);
		}
	}

	async #claimAndWork(
		rollbackId: RollbackId,
		deriver: BranchDeriver,
		committer: Committer | undefined,
	): Promise<RunOutcome> {
		const { store, holder } = this.#options;
		const claimed = await store.claim(rollbackId, holder, CLAIM_MS);
		if (claimed === undefined) return { type: await this.#withoutClaim(rollbackId) };
		const { onProgress, beforeStage } = this.#options;
		const clock = new StageClock(store, claimed, { onProgress, beforeStage, clock: this.#clock });
		// A change set that is being written holds the row for seconds: one connection may wait for it, not all.
		const stopBeating = everyInTurn(this.#clock, CLAIM_MS / 4, () =>
			store.renewClaim(rollbackId, claimed.attempt, CLAIM_MS).catch((error: unknown) => {
				this.#options.log.warn({ rollbackId, err: error }, "the claim was not renewed");
			}),
		);
		try {
			return await this.#work(claimed, deriver, { committer, clock });
		} catch (error) {
			return await this.#failed(claimed, clock.stage, error);
		} finally {
			stopBeating();
		}
	}

	/** Why it cannot be had. */
	async #withoutClaim(rollbackId: RollbackId): Promise<"busy" | "paused" | "over"> {
		const now = await this.#options.store.load(rollbackId);
		if (now === undefined || !isActive(now.state)) return "over";
		return now.paused ? "paused" : "busy";
	}

	async #work(
		rollback: RollbackRecord,
		deriver: BranchDeriver,
		{ committer, clock }: { committer: Committer | undefined; clock: StageClock },
	): Promise<RunOutcome> {
		const { store, writerStore, embedder, onProgress } = this.#options;
		let prepared: PreparedChanges | undefined;
		if (rollback.state !== "prepared") {
			const collections = this.#options.collections(rollback.chainId);
			const { restorer, states, changesLimit, handlers } = this.#options;
			const context = { store, writerStore, restorer, states, changesLimit, handlers };
			await clock.begin("plan", 1);
			const timing = { clock: this.#clock, onLate: (error: RecantError) => clock.end(error) };
			const plan = await withDeadline(
				makePlan(rollback, { ...context, deriver }),
				LIMITS.prepareMs,
				timing,
			);
			const limitMs = plan.strategy === "rewind" ? LIMITS.prepareMs : LIMITS.restoreMs;
			const settings = this.#options.settings(rollback.chainId);
			await settings.refresh();
			const parts = {
				...context,
				deriver,
				embedder,
				collections,
				clock,
				settings: settings.all(),
				consolidator: this.#options.consolidator,
				fanOut: this.#options.fanOut,
				memories: committer?.memories,
			};
			prepared = await withDeadline(prepare(rollback, plan, parts), limitMs, timing);
		}
		if (committer === undefined) {
			await prepared?.written;
			// The lease holder is another: it need not wait for this claim to lapse.
			await this.#release(rollback, { failure: undefined, keepsPrepared: true });
			return { type: "prepared" };
		}
		const committed = await committer.exclusive(async (state, states) => {
			const verified = await this.#verify(rollback, { state, states, prepared }, clock);
			const isWanted = await clock.beginWith("commit", 1, () => committer.stillWanted(rollback));
			if (!isWanted) return false;
			await this.#commit(rollback, { state, verified }, clock);
			if (verified.shadow === undefined) {
				const changed = changedMemories(verified.batch.changes);
				committer.memories?.changed(rollback.fromGeneration, changed);
			}
			// Nobody waits for it: it takes seconds for a large state, and all writes are held here.
			if (verified.shadow !== undefined) void this.#drop(verified.shadow, rollback);
			return true;
		});
		if (!committed) return { type: "moved" };
		onProgress({
			rollback,
			stage: "commit",
			done: 1,
			total: 1,
			stageMs: clock.stageMs,
			ratePerSecond: undefined,
			etaMs: 0,
		});
		return { type: "committed" };
	}

	/**
	 * Roots for the change set, from the tree of what was committed; nothing is changed for readers. What this
	 * process prepared itself is still being written meanwhile, and is written when this ends.
	 */
	async #verify(
		rollback: RollbackRecord,
		{ state, states, prepared }: Attempted,
		clock: StageClock,
	): Promise<Verified> {
		if (prepared === undefined) {
			await clock.begin("verify", 1);
			return this.#rooted(rollback, { state, states }, await this.#readBack(rollback));
		}
		const [verified, begun] = await Promise.allSettled([
			this.#rooted(rollback, { state, states }, prepared),
			prepared.written.then(() => clock.begin("verify", 1)),
		]);
		if (begun.status === "rejected") throw begun.reason;
		if (verified.status === "rejected") throw verified.reason;
		return verified.value;
	}

	/** What another attempt or process prepared. */
	async #readBack(rollback: RollbackRecord): Promise<Pick<PreparedChanges, "changes" | "counts">> {
		const { store } = this.#options;
		const { rollbackId, attempt } = rollback;
		const [parts, now] = await Promise.all([
			store.parts(rollbackId, attempt),
			store.load(rollbackId),
		]);
		return { changes: await decodeChangeSet(parts), counts: now?.counts ?? rollback.counts };
	}

	async #rooted(
		rollback: RollbackRecord,
		{ state, states }: Pick<Attempted, "state" | "states">,
		{ changes, counts }: Pick<PreparedChanges, "changes" | "counts">,
	): Promise<Verified> {
		const { ancestor } = rollback;
		const isDerivedAnew = rollback.cause === "handlers";
		const { batch, back, shadow, pointers, report } = changes;
		// Changes of another state would not give the ancestor's roots, and pass for damage.
		if (batch.basePosition !== state.logPosition) throw movedOn(rollback, batch, state);
		const rooted = states.attemptFork(batch, {
			// What was sealed there is another state where handlers derived it anew.
			ancestor: isDerivedAnew ? ancestor.height - 1n : ancestor.height,
			changes: back.changes ?? (await this.#fromShadow(states, shadow)),
			verify: (roots) => verifyRewound(roots, back.checkpoint),
		});
		return { batch: rooted, shadow, pointers, report, counts, roots: back.checkpoint.roots };
	}

	/** Reads every row of the restored state and hashes it again. */
	async #fromShadow(
		{ tree }: SealedStates,
		shadow: ChangeSet["shadow"],
	): Promise<readonly LeafChange[]> {
		if (shadow !== undefined) return leafDifference(tree, this.#options.restorer.shadows, shadow);
		throw new FatalError("internal", {
			message: "a change set has neither changes nor a restored state",
			hint: "this is a defect of Recant; please report it with the log",
		});
	}

	async #commit(
		rollback: RollbackRecord,
		{ state, verified }: { readonly state: ChainState; readonly verified: Verified },
		clock: StageClock,
	): Promise<void> {
		const { store } = this.#options;
		const { rollbackId, attempt } = rollback;
		const { batch, shadow, pointers, report, counts, roots } = verified;
		await store.commit({
			rollbackId,
			attempt,
			fence: state.fence,
			batch,
			fromGeneration: rollback.fromGeneration,
			ancestor: rollback.ancestor.height,
			recoveryId: rollback.recoveryId,
			ancestorRoots: rollback.cause === "handlers" ? roots : undefined,
			counts,
			report,
			ended: {
				// The head may have moved since the record, while it was not held yet.
				height: state.head?.number ?? rollback.from.height,
				hash: state.head?.hash ?? rollback.from.hash,
				versionId: state.versionSeq,
				pointers: state.pointers,
			},
			pointers,
			shadow,
			stageMs: clock.stageMs,
		});
	}

	/** Deletes a state that has taken its place. What fails says nothing about the rollback: it stands. */
	async #drop(
		{ shadowId }: NonNullable<ChangeSet["shadow"]>,
		{ rollbackId }: RollbackRecord,
	): Promise<void> {
		await this.#options.restorer.shadows.drop(shadowId).catch((error: unknown) => {
			this.#options.log.warn(
				{ rollbackId, shadowId, err: error },
				"the restored state's own rows could not be deleted; retention takes them away",
			);
		});
	}

	/**
	 * Failures of its own, this one included. Attempts are no measure: a node that flaps makes many, and
	 * the first failure after it would be the last.
	 */
	#failedAgain({ chainId, rollbackId, retries }: RollbackRecord): number {
		const before = this.#failures.get(chainId);
		const isSame = before?.rollbackId === rollbackId && before.retries === retries;
		const count = isSame ? before.count + 1 : 1;
		this.#failures.set(chainId, { rollbackId, retries, count });
		return count;
	}

	/** Whether another strategy than this attempt's may do. */
	async #isDamage(rollbackId: RollbackId, error: RecantError): Promise<boolean> {
		if (error.retryable) return false;
		const strategy = (await this.#options.store.load(rollbackId))?.strategy;
		return strategy !== undefined && isDamage(error, strategy);
	}

	/** Gives the claim up for another try or while it is paused, or after the last ends it as failed. */
	async #failed(rollback: RollbackRecord, stage: Stage, cause: unknown): Promise<RunOutcome> {
		const error = asRecantError(cause);
		const { store, log } = this.#options;
		const { rollbackId, attempt } = rollback;
		if (await this.#isPaused(rollback, error)) {
			await this.#release(rollback, { failure: undefined, keepsPrepared: true });
			return { type: "paused" };
		}
		const lastTry =
			!isPassing(error, rollback) && this.#failedAgain(rollback) >= LIMITS.rollbackAttempts;
		log.warn({ rollbackId, attempt, code: error.code, err: error }, "a rollback's attempt failed");
		const { code, message, hint } = error;
		const damage = await this.#isDamage(rollbackId, error);
		if (lastTry || (!error.retryable && !damage)) {
			const told = { code, message, hint: `${hint}; ${wayOut(code, rollback)}` };
			const keepsPrepared = keepsChanges(error, stage);
			const failed = await store.fail(rollbackId, attempt, { stage, error: told, keepsPrepared });
			// Overtaken: what became of it is another's to say.
			return { type: failed ? "failed" : "retry", error };
		}
		await this.#release(rollback, {
			failure: damage ? { code, message, hint } : undefined,
			keepsPrepared: isPassing(error, rollback) && keepsChanges(error, stage),
		});
		return { type: "retry", error };
	}

	/** A commit that is refused does not say why: the row does. */
	async #isPaused({ rollbackId, attempt }: RollbackRecord, error: RecantError): Promise<boolean> {
		if (error.code === "rollback_paused") return true;
		if (error.code !== "rollback_fenced") return false;
		const now = await this.#options.store.load(rollbackId);
		return now !== undefined && isActive(now.state) && now.paused && now.attempt === attempt;
	}

	async #release(
		{ rollbackId, attempt }: RollbackRecord,
		how: Parameters<RollbackStore["release"]>[2],
	): Promise<void> {
		const { store, log } = this.#options;
		await store.release(rollbackId, attempt, how).catch((reason: unknown) => {
			log.warn({ rollbackId, err: reason }, "the claim was not given up; it lapses by itself");
		});
	}
}
