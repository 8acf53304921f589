/**
 * Runs checks: one a chain at a time, only where the chain is led.
 *
 * 1. A check by the clock that finds one of its level still under way or waiting is left out: the next
 *    tick comes soon enough. One of another level waits: two clocks that strike together, as every hour
 *    does with every minute, would otherwise leave out the same one each time.
 * 2. A check that somebody asked for waits for the one under way; LIMITS.consistencyWaiting wait at most.
 * 3. A check that a process began and left is ended as failed by the next one that leads the chain and runs a
 *    check; one that nobody began is run by it.
 */
import { randomUUID } from "node:crypto";
import { RetryableError } from "../domain/errors.ts";
import type { ChainId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Logger } from "../domain/logger.ts";
import { SerialLane } from "../domain/serial-lane.ts";
import type { CheckJob, CheckJobOutcome, CheckQueue, CheckSchedule } from "./check-queue.ts";
import { type CheckedChain, Checker } from "./checker.ts";
import type { ConsistencyRun, NewRun } from "./consistency-run.ts";
import type { ConsistencyStore } from "./consistency-store.ts";
import type { Level } from "./finding.ts";
import type { SampleRequest } from "./sampling.ts";

export interface ConsistencyChecksOptions {
	readonly store: ConsistencyStore;
	readonly queue: CheckQueue;
	readonly schedules: readonly CheckSchedule[];
	/** Undefined: this process does not lead the chain. */
	readonly chain: (chainId: ChainId) => CheckedChain | undefined;
	readonly log: Logger;
}

interface Lane {
	readonly runs: SerialLane;
	/** Run under way, and those that wait. */
	readonly known: Set<string>;
	/** Levels of which a check by the clock is under way, or waits. */
	readonly ticking: Set<Level>;
	/** What an earlier process left was ended, or taken on. */
	tidied: boolean;
}

export class ConsistencyChecks {
	readonly #options: ConsistencyChecksOptions;
	readonly #checker: Checker;
	readonly #lanes = new Map<ChainId, Lane>();
	readonly #ending = new AbortController();

	constructor(options: ConsistencyChecksOptions) {
		this.#options = options;
		this.#checker = new Checker(options);
	}

	/** Sets the clocks, and takes what they and others ask for. */
	start(): void {
		const { queue, schedules } = this.#options;
		queue.start(schedules, (job) => this.#take(job));
	}

	/** In place of `start`: checks can be asked for here, and are run by whoever leads the chain. */
	startAsking(): void {
		this.#options.queue.start([], undefined);
	}

	/** Stops what is under way; it ends as failed. */
	async stop(): Promise<void> {
		this.#ending.abort();
		await Promise.all([...this.#lanes.values()].map(({ runs }) => runs.idle()));
	}

	/**
	 * Records a run and sees to it that it is run, here or where the chain is led. Throws `chain_busy` when
	 * too many wait, and `queue_unavailable`.
	 */
	async request(asked: {
		readonly chainId: ChainId;
		readonly level: Level;
		readonly sample: SampleRequest | undefined;
	}): Promise<ConsistencyRun> {
		const { store, queue, chain } = this.#options;
		const { chainId } = asked;
		const lane = this.#lane(chainId);
		if (lane.known.size >= LIMITS.consistencyWaiting) throw tooMany(chainId);
		const runId = randomUUID();
		const isLed = chain(chainId) !== undefined;
		// Known before its row is there: whoever tidies up meanwhile would take it for one that was left.
		if (isLed) lane.known.add(runId);
		try {
			const run = await store.create({ ...asked, runId, cause: "operator" });
			if (isLed) this.#begin(run);
			else await queue.enqueue({ kind: "run", chainId, runId });
			return run;
		} catch (error) {
			lane.known.delete(runId);
			throw error;
		}
	}

	#begin(run: ConsistencyRun): void {
		const { chainId } = run;
		this.#run(run).catch((err: unknown) =>
			this.#options.log.warn({ chainId, err }, "a check could not be run"),
		);
	}

	async #take(job: CheckJob): Promise<CheckJobOutcome> {
		const { store, chain } = this.#options;
		if (this.#ending.signal.aborted || chain(job.chainId) === undefined) return "later";
		if (job.kind === "run") {
			const run = await store.load(job.runId);
			if (run?.state === "queued" && !this.#lane(job.chainId).known.has(run.runId)) {
				await this.#run(run);
			}
			return "done";
		}
		await this.#tick(job);
		return "done";
	}

	async #tick({ chainId, level }: { readonly chainId: ChainId; readonly level: Level }) {
		const { ticking } = this.#lane(chainId);
		if (ticking.has(level)) return;
		ticking.add(level);
		const run: NewRun = {
			runId: randomUUID(),
			chainId,
			level,
			cause: "schedule",
			sample: undefined,
		};
		try {
			await this.#run(await this.#options.store.create(run));
		} finally {
			ticking.delete(level);
		}
	}

	/** Resolves when the run has ended. */
	async #run(run: ConsistencyRun): Promise<void> {
		const { store, chain } = this.#options;
		const { chainId, runId } = run;
		const lane = this.#lane(chainId);
		lane.known.add(runId);
		await lane.runs
			.run(async () => {
				if (!lane.tidied) await this.#tidy(chainId, lane);
				const checked = chain(chainId);
				if (checked === undefined) await store.end(runId, NOT_LED);
				else await this.#checker.run(run, checked, this.#ending.signal);
			})
			.finally(() => lane.known.delete(runId));
	}

	/** What an earlier process left behind. */
	async #tidy(chainId: ChainId, lane: Lane): Promise<void> {
		const { store } = this.#options;
		await store.endInterrupted(chainId, lane.known);
		for (const left of await store.queued(chainId, LIMITS.consistencyWaiting)) {
			if (!lane.known.has(left.runId)) this.#begin(left);
		}
		lane.tidied = true;
	}

	#lane(chainId: ChainId): Lane {
		const known = this.#lanes.get(chainId);
		if (known !== undefined) return known;
		const lane: Lane = {
			runs: new SerialLane(),
			known: new Set(),
			ticking: new Set(),
			tidied: false,
		};
		this.#lanes.set(chainId, lane);
		return lane;
	}
}

const NOT_LED = {
	state: "failed",
	score: undefined,
	rules: {},
	counts: { info: 0, warning: 0, error: 0, critical: 0 },
	error: {
		code: "lease_lost",
		message: "this process leads the chain no longer",
		hint: "run the check again",
	},
} as const;

function tooMany(chainId: ChainId): RetryableError {
	return new RetryableError("chain_busy", {
		message: `${LIMITS.consistencyWaiting} checks of chain ${chainId} are waiting already`,
		hint: "wait until they have run; see the chain's consistency runs",
		fields: { chainId, waiting: LIMITS.consistencyWaiting },
	});
}
