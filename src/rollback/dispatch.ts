/**
 * Brings recorded rollbacks to the queue, and takes their jobs.
 *
 * The outbox is read after every record and every second, so a rollback always gets its job, whatever
 * dies when. A job is a reminder: the rollback's row and claim decide what is to be done about it.
 */
import { type Clock, systemClock } from "../domain/clock.ts";
import { RecantError, RetryableError } from "../domain/errors.ts";
import type { ChainId } from "../domain/ids.ts";
import type { Logger } from "../domain/logger.ts";
import type { BranchDeriver } from "./branch-deriver.ts";
import type { RollbackCoordinator } from "./coordinator.ts";
import type { RollbackJob, RollbackJobOutcome, RollbackQueue } from "./rollback-queue.ts";
import { isActive } from "./rollback-record.ts";

const LOOK_MS = 1_000;
/** After which a job looks again at a rollback that somebody works on. */
const AGAIN_MS = 1_000;

export interface Outbox {
	waiting(): Promise<readonly (RollbackJob & { readonly outboxId: bigint })[]>;
	forget(outboxId: bigint): Promise<void>;
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
	readonly log: Logger;
	readonly clock?: Clock | undefined;
}

export class RollbackDispatch {
	readonly #options: DispatchOptions;
	readonly #clock: Clock;
	#stopLooking: () => void = () => undefined;
	#relaying: Promise<void> | undefined;
	#failing = false;

	constructor(options: DispatchOptions) {
		this.#options = options;
		this.#clock = options.clock ?? systemClock;
	}

	async start(): Promise<void> {
		await this.#options.queue.consume((job) => this.#take(job));
		this.#stopLooking = this.#clock.every(LOOK_MS, () => this.relay());
		this.relay();
	}

	async stop(): Promise<void> {
		this.#stopLooking();
		await this.#relaying;
	}

	/** Something may be in the outbox. */
	relay(): void {
		this.#relaying ??= this.#relay().finally(() => {
			this.#relaying = undefined;
		});
	}

	async #relay(): Promise<void> {
		const { outbox, queue, log } = this.#options;
		try {
			for (const { outboxId, ...job } of await outbox.waiting()) {
				await queue.enqueue(job);
				await outbox.forget(outboxId);
			}
			this.#failing = false;
		} catch (error) {
			if (!(error instanceof RecantError)) throw error;
			if (!this.#failing)
				log.warn({ err: error }, "the queue does not take jobs; it is tried again");
			this.#failing = true;
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

	async #work({ rollbackId }: RollbackJob): Promise<RollbackJobOutcome> {
		const { coordinator, chain: find, inlineRollbacks } = this.#options;
		const record = await coordinator.store.load(rollbackId);
		if (record === undefined || !isActive(record.state)) return { type: "done" };
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
		const over = outcome.type === "over" || outcome.type === "failed";
		return over ? { type: "done" } : { type: "later", delayMs: AGAIN_MS };
	}
}
