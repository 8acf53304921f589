/**
 * Brings recorded rollbacks to the queue, and takes their jobs.
 *
 * 1. The outbox is read after every record and every second, so a rollback always gets its job, whatever
 *    dies when. A job is a reminder: the rollback's row and claim decide what is to be done about it.
 * 2. The sweep looks at the rollbacks themselves: one that nobody works on is enqueued again, whatever
 *    became of its job (the queue was wiped, the job failed for good, it was done too early), and the
 *    process that leads its chain looks at it without a job. Enqueueing one that has a job does nothing.
 * 3. Tasks of a preparation that was fanned out are taken here as well, at a reminder or by the clock.
 */
import { type Clock, systemClock } from "../domain/clock.ts";
import { RecantError, RetryableError } from "../domain/errors.ts";
import type { ChainId } from "../domain/ids.ts";
import type { Logger } from "../domain/logger.ts";
import type { BranchDeriver } from "./branch-deriver.ts";
import type { RollbackCoordinator, RunOutcome } from "./coordinator.ts";
import type { FanOut } from "./fan-out.ts";
import type { RollbackJob, RollbackJobOutcome, RollbackQueue } from "./rollback-queue.ts";
import { isActive } from "./rollback-record.ts";
import type { AttemptOf } from "./task-store.ts";

const LOOK_MS = 1_000;
/**
 * After which a job looks again at a rollback that somebody works on: what it adds to the time after which
 * a dead process is noticed.
 */
const AGAIN_MS = 500;
/** With the age below, a wiped queue costs a rollback that nobody works on five seconds at most. */
const SWEEP_MS = 2_000;
/** A younger one's outbox entry is on its way: it is read within a second, and once more in the next. */
const SWEEP_AGE_MS = 3_000;
/** After which a reminder that came to a process which works on these tasks anyway is another's. */
const HELP_AGAIN_MS = 250;

export interface Outbox {
	waiting(): Promise<readonly (RollbackJob & { readonly outboxId: bigint })[]>;
	forget(outboxId: bigint): Promise<void>;
	/**
	 * Rollbacks that are active, not paused, at least so old, and claimed by nobody whose claim has not
	 * lapsed.
	 */
	unattended(ageMs: number): Promise<readonly UnattendedRollback[]>;
}

export interface UnattendedRollback extends RollbackJob {
	readonly chainId: ChainId;
}

/** A chain that this process follows, or could. */
export interface DispatchChain {
	/** True: this process holds the lease, so its follower runs rollbacks itself. */
	readonly leads: boolean;
	readonly deriver: BranchDeriver;
	readonly rollbackDue: () => void;
}

export interface DispatchOptions {
	readonly queue: RollbackQueue;
	readonly outbox: Outbox;
	readonly coordinator: RollbackCoordinator;
	readonly chain: (chainId: ChainId) => DispatchChain | undefined;
	/** False: a job is worked on here even if this process leads; see FollowerOptions. */
	readonly inlineRollbacks: boolean;
	/** False: jobs are sent from here and taken elsewhere. Default true. */
	readonly takesJobs?: boolean | undefined;
	/** Undefined: nothing is fanned out. */
	readonly fanOut?: Pick<FanOut, "help" | "helpAll"> | undefined;
	readonly log: Logger;
	readonly clock?: Clock | undefined;
}

/** After these the rollback needs no job: whoever changes that enqueues it again. */
const OVER: ReadonlySet<RunOutcome["type"]> = new Set(["over", "failed", "paused"]);

const FAILURES = {
	relay: "the queue does not take jobs; it is tried again",
	sweep: "rollbacks that nobody works on do not reach the queue; it is tried again",
	help: "tasks of rollbacks cannot be looked for; it is tried again",
} as const;

export class RollbackDispatch {
	readonly #options: DispatchOptions;
	readonly #clock: Clock;
	#stopLooking: () => void = () => undefined;
	#stopSweeping: () => void = () => undefined;
	#relaying: Promise<void> | undefined;
	#sweeping: Promise<void> | undefined;
	#helping: Promise<void> | undefined;
	readonly #failing = new Set<keyof typeof FAILURES>();

	constructor(options: DispatchOptions) {
		this.#options = options;
		this.#clock = options.clock ?? systemClock;
	}

	async start(): Promise<void> {
		const { takesJobs = true, queue } = this.#options;
		if (takesJobs) await queue.consume((job) => this.#take(job));
		this.#stopLooking = this.#clock.every(LOOK_MS, () => {
			this.relay();
			if (takesJobs) this.#help();
		});
		this.#stopSweeping = this.#clock.every(SWEEP_MS, () => this.sweep(SWEEP_AGE_MS));
		this.relay();
		// What a process that died left is old enough.
		this.sweep(0);
	}

	/** Waits for the tasks that were taken; `FanOut.stop` has it take no more. */
	async stop(): Promise<void> {
		this.#stopLooking();
		this.#stopSweeping();
		await Promise.all([this.#relaying, this.#sweeping, this.#helping]);
	}

	/** Something may be in the outbox. */
	relay(): void {
		this.#relaying ??= this.#tolerant("relay", () => this.#relay()).finally(() => {
			this.#relaying = undefined;
		});
	}

	/** Sees to rollbacks that are at least so old and that nobody works on. */
	sweep(ageMs: number): void {
		this.#sweeping ??= this.#tolerant("sweep", () => this.#sweep(ageMs)).finally(() => {
			this.#sweeping = undefined;
		});
	}

	/** Only a stop waits for it: it takes as long as the tasks do. */
	#help(): void {
		const { fanOut } = this.#options;
		if (fanOut === undefined) return;
		this.#helping ??= this.#tolerant("help", () => fanOut.helpAll()).finally(() => {
			this.#helping = undefined;
		});
	}

	async #relay(): Promise<void> {
		const { outbox, queue } = this.#options;
		for (const { outboxId, ...job } of await outbox.waiting()) {
			await queue.enqueue(job);
			await outbox.forget(outboxId);
		}
	}

	async #sweep(ageMs: number): Promise<void> {
		const { outbox, queue, chain: find } = this.#options;
		const unattended = await outbox.unattended(ageMs);
		// First: it needs no queue.
		for (const { chainId } of unattended) {
			const chain = find(chainId);
			if (chain?.leads === true) chain.rollbackDue();
		}
		for (const { chainId: _, ...job } of unattended) await queue.enqueue(job);
	}

	/** What fails is tried again by the clock; the log has the first failure of several. */
	async #tolerant(what: keyof typeof FAILURES, work: () => Promise<void>): Promise<void> {
		try {
			await work();
			this.#failing.delete(what);
		} catch (error) {
			if (!(error instanceof RecantError)) throw error;
			if (!this.#failing.has(what)) this.#options.log.warn({ err: error }, FAILURES[what]);
			this.#failing.add(what);
		}
	}

	/** What may pass puts the job off, as often as it takes; thrown, it would use up the job's attempts. */
	async #take(job: RollbackJob): Promise<RollbackJobOutcome> {
		try {
			return await this.#work(job);
		} catch (error) {
			if (!(error instanceof RetryableError)) throw error;
			this.#options.log.warn({ ...job, err: error }, "a rollback's job is put off");
			return { type: "later", delayMs: AGAIN_MS };
		}
	}

	async #work(job: RollbackJob): Promise<RollbackJobOutcome> {
		const { rollbackId, help } = job;
		if (help !== undefined) return this.#remindedOf({ rollbackId, attempt: help.attempt });
		const { coordinator, chain: find, inlineRollbacks } = this.#options;
		const record = await coordinator.store.load(rollbackId);
		if (record === undefined || !isActive(record.state) || record.paused) return { type: "done" };
		const chain = find(record.chainId);
		if (chain === undefined) return { type: "later", delayMs: AGAIN_MS };
		if (chain.leads && inlineRollbacks) {
			chain.rollbackDue();
			return { type: "later", delayMs: AGAIN_MS };
		}
		const outcome =
			record.state === "prepared"
				? { type: "prepared" as const }
				: await coordinator.run(rollbackId, chain.deriver, undefined);
		chain.rollbackDue();
		return OVER.has(outcome.type) ? { type: "done" } : { type: "later", delayMs: AGAIN_MS };
	}

	async #remindedOf(of: AttemptOf): Promise<RollbackJobOutcome> {
		const outcome = await this.#options.fanOut?.help(of);
		return outcome === "left" ? { type: "later", delayMs: HELP_AGAIN_MS } : { type: "done" };
	}
}
