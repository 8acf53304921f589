/**
 * Runs rollbacks: claims, prepares, and where this process holds the chain's lease, commits.
 *
 * States: recorded → running → prepared → committed; from the first three also superseded, cancelled,
 * failed. A claim that lapses can be taken by anyone; a new claim is a new attempt, and what an older
 * attempt still writes is refused by its number.
 */
import { randomUUID } from "node:crypto";
import { RecantError, RetryableError } from "../domain/errors.ts";
import type { ChainId, RollbackId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Logger } from "../domain/logger.ts";
import type { Embedder } from "../vectors/embedder.ts";
import type { ChainState } from "../writer/chain-state.ts";
import type { VectorCollections } from "../writer/embed-vectors.ts";
import type { WriterStore } from "../writer/writer-store.ts";
import type { BranchDeriver } from "./branch-deriver.ts";
import { decodeChangeSet } from "./change-set.ts";
import { prepare } from "./prepare.ts";
import { isActive, type NewRollback, type RollbackRecord, type Stage } from "./rollback-record.ts";
import type { RollbackStore } from "./rollback-store.ts";
import { StageClock, type StageEvent } from "./stage-clock.ts";

/** A dead process is noticed after this at the latest; renewed at a third of it. */
const CLAIM_MS = 5_000;

export interface CoordinatorOptions {
	readonly store: RollbackStore;
	readonly writerStore: WriterStore;
	readonly embedder: Embedder;
	readonly collections: (chainId: ChainId) => VectorCollections;
	/** Name of this process, as in leases. */
	readonly holder: string;
	readonly log: Logger;
	readonly onProgress: (event: StageEvent) => void;
	/** Waited for before each stage; tests stop a process there. */
	readonly beforeStage: (stage: Stage, rollback: RollbackRecord) => Promise<void>;
}

/** What a process that holds the lease adds. */
export interface Committer {
	/** False: the new branch is not the node's any more. */
	readonly stillWanted: (rollback: RollbackRecord) => Promise<boolean>;
	/** Runs the commit between two others of the chain. */
	readonly exclusive: (work: (state: ChainState) => Promise<void>) => Promise<void>;
}

/**
 * committed, prepared (for the lease holder), moved: the branch lost meanwhile; busy: another process
 * has it; over: it had ended; retry: try again; failed: it is recorded as failed.
 */
export type RunOutcome =
	| { readonly type: "committed" | "prepared" | "moved" | "busy" | "over" }
	| { readonly type: "retry" | "failed"; readonly error: RecantError };

export class RollbackCoordinator {
	readonly #options: CoordinatorOptions;
	/** A claim keeps other processes away, not this one: its job and its follower come here at once. */
	readonly #running = new Set<RollbackId>();

	constructor(options: CoordinatorOptions) {
		this.#options = options;
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
		if (claimed === undefined) {
			const now = await store.load(rollbackId);
			return { type: now !== undefined && isActive(now.state) ? "busy" : "over" };
		}
		const heartbeat = setInterval(() => {
			store.renewClaim(rollbackId, claimed.attempt, CLAIM_MS).catch((error: unknown) => {
				this.#options.log.warn({ rollbackId, err: error }, "the claim was not renewed");
			});
		}, CLAIM_MS / 3);
		try {
			return await this.#work(claimed, deriver, committer);
		} catch (error) {
			return await this.#failed(claimed, error);
		} finally {
			clearInterval(heartbeat);
		}
	}

	async #work(
		rollback: RollbackRecord,
		deriver: BranchDeriver,
		committer: Committer | undefined,
	): Promise<RunOutcome> {
		const { store, writerStore, embedder, onProgress, beforeStage } = this.#options;
		const clock = new StageClock(store, rollback, { onProgress, beforeStage });
		if (rollback.state !== "prepared") {
			const collections = this.#options.collections(rollback.chainId);
			const context = { store, writerStore, deriver, embedder, collections, clock };
			await withDeadline(prepare(rollback, context));
		}
		if (committer === undefined) return { type: "prepared" };
		await clock.begin("commit", 1);
		if (!(await committer.stillWanted(rollback))) return { type: "moved" };
		await committer.exclusive((state) => this.#commit(rollback, state, clock));
		onProgress({
			rollback,
			stage: "commit",
			done: 1,
			total: 1,
			stageMs: clock.stageMs,
			etaMs: 0,
		});
		return { type: "committed" };
	}

	async #commit(rollback: RollbackRecord, state: ChainState, clock: StageClock): Promise<void> {
		const { store } = this.#options;
		const { rollbackId, attempt } = rollback;
		const { batch, pointers, report } = decodeChangeSet(await store.parts(rollbackId, attempt));
		const counts = (await store.load(rollbackId))?.counts ?? rollback.counts;
		await store.commit({
			rollbackId,
			attempt,
			fence: state.fence,
			batch,
			fromGeneration: rollback.fromGeneration,
			ancestor: rollback.ancestor.height,
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
			stageMs: clock.stageMs,
		});
	}

	/** Gives the claim up for another try, or after the last ends it as failed. */
	async #failed(rollback: RollbackRecord, cause: unknown): Promise<RunOutcome> {
		const error = asRecantError(cause);
		const { store, log } = this.#options;
		const { rollbackId, attempt } = rollback;
		const lastTry = attempt >= LIMITS.rollbackAttempts && !isPassing(error);
		log.warn({ rollbackId, attempt, code: error.code, err: error }, "a rollback's attempt failed");
		if (!error.retryable || lastTry) {
			const { code, message, hint } = error;
			await store.end(rollbackId, { state: "failed", error: { code, message, hint } });
			return { type: "failed", error };
		}
		await store.release(rollbackId, attempt).catch((reason: unknown) => {
			log.warn({ rollbackId, err: reason }, "the claim was not given up; it lapses by itself");
		});
		return { type: "retry", error };
	}
}

/** The node, the database or the lease is away: that says nothing about the rollback itself. */
function isPassing(error: RecantError): boolean {
	return ["rpc_failed", "rpc_unavailable", "database_unavailable", "lease_lost"].includes(
		error.code,
	);
}

async function withDeadline<Result>(work: Promise<Result>): Promise<Result> {
	let timer: NodeJS.Timeout | undefined;
	const late = new Promise<never>((_resolve, reject) => {
		timer = setTimeout(() => {
			reject(
				new RetryableError("rollback_interrupted", {
					message: `preparing took more than ${LIMITS.prepareMs} ms`,
					hint: "check the node's and the database's latency",
				}),
			);
		}, LIMITS.prepareMs);
	});
	try {
		return await Promise.race([work, late]);
	} finally {
		clearTimeout(timer);
	}
}

function asRecantError(cause: unknown): RecantError {
	if (cause instanceof RecantError) return cause;
	return new RetryableError("rollback_interrupted", {
		message: `a stage failed: ${cause instanceof Error ? cause.message : String(cause)}`,
		hint: "it is tried again; if this goes on, please report it with the log",
		cause,
	});
}
