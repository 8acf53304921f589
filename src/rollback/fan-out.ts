/**
 * Fans the costly part of a preparation out to whoever is free: texts that were never embedded.
 *
 * Of the stages only embedding is worth it (measured, 10,000 changes over 8 collections: loading and
 * rewinding 170 ms, deriving 90 ms, embedding by an endpoint of 20 ms a request 2,400 ms); results of the
 * others would cost more on their way through Postgres than they take. An embedder that keeps nothing takes
 * no time worth the name, and is never fanned out.
 *
 * 1. Tasks are of one attempt and count as long as it is the newest (task-store.ts).
 * 2. Their results are embeddings, kept by model and text, so that it does no harm when a task is done
 *    twice, or for an attempt that was overtaken.
 * 3. Whoever fans out takes tasks as well: progress depends on no other process.
 * 4. A task whose taker is gone is another's after `CLAIM_MS`. After `LIMITS.rollbackTaskTakes` takings
 *    it is nobody's, and the attempt fails: a task that ends each process which takes it must end.
 * 5. A process that failed at a task leaves the rest of that attempt to others.
 */
import { type Clock, everyInTurn, systemClock } from "../domain/clock.ts";
import { FatalError, RetryableError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Logger } from "../domain/logger.ts";
import type { Embedder } from "../vectors/embedder.ts";
import {
	modelOf,
	readEmbeddingTask,
	splitTexts,
	TASK_SIZES,
	type TaskSizes,
} from "./embedding-task.ts";
import type { RollbackJob, RollbackQueue } from "./rollback-queue.ts";
import type { AttemptOf, TakenTask, TaskStore } from "./task-store.ts";

/** A dead taker is noticed after this at the latest; renewed at a third of it. A task takes a tenth of it. */
const CLAIM_MS = 3_000;
/** Tasks that one process works on at once: one asks the embedder while the other keeps its vectors. */
const LANES = 2;
/** How often a progress bar hears of tasks that are done, here and elsewhere. */
const TELL_MS = 250;
/** Between two looks at tasks that others work on: a fraction of what one takes. */
const LOOK_MS = 20;
/**
 * Reminders of one attempt. Whoever gets one takes tasks until none is left, so there is none a task: a job
 * costs 5 to 10 ms. More processes than these come by the clock.
 */
const REMINDERS = 3;
/** Attempts that one look by the clock finds: one a chain that rolls back. */
const FOUND_ATTEMPTS = 16;

export interface FanOutOptions {
	readonly store: TaskStore;
	readonly embedder: Embedder;
	readonly queue: Pick<RollbackQueue, "enqueue">;
	/** Name of this process, as in leases. */
	readonly holder: string;
	readonly log: Logger;
	readonly clock?: Clock | undefined;
	/** Tests take smaller ones. */
	readonly sizes?: TaskSizes | undefined;
}

export class FanOut {
	readonly #options: FanOutOptions;
	readonly #clock: Clock;
	/** Attempts whose tasks are worked on here. */
	readonly #working = new Set<string>();
	#stopped = false;
	/** The last attempts at whose tasks this process failed. */
	readonly #failedAt = new Set<string>();

	constructor(options: FanOutOptions) {
		this.#options = options;
		this.#clock = options.clock ?? systemClock;
	}

	/**
	 * Resolves when the embedder knows these texts, or knows them as fast as by itself: few texts are left to
	 * it. Throws `rollback_fenced`, `not_ready` after `stop`, what the embedder throws, and
	 * `rollback_interrupted` for a task that was taken too often. `onProgress` is told what share of them is
	 * done, in [0, 1].
	 */
	async embed(
		of: AttemptOf,
		texts: readonly string[],
		onProgress: (share: number) => void = () => undefined,
	): Promise<void> {
		const { embedder, store, sizes = TASK_SIZES } = this.#options;
		if (embedder.unknown === undefined || texts.length < sizes.leastTexts) return;
		const unknown = await embedder.unknown([...new Set(texts)]);
		if (unknown.length < sizes.leastTexts) return;
		const bodies = splitTexts(unknown, modelOf(embedder), sizes);
		await store.add(of, bodies);
		this.#working.add(keyOf(of));
		const stopTelling = everyInTurn(this.#clock, TELL_MS, () =>
			this.#shareDone(of, bodies.length).then(onProgress, (err: unknown) => {
				this.#options.log.debug({ ...of, err }, "progress is not told");
			}),
		);
		try {
			void this.#remind(of);
			await this.#seeThrough(of);
		} finally {
			stopTelling();
			this.#working.delete(keyOf(of));
		}
	}

	/**
	 * Takes tasks of that attempt until none is to be taken. left: tasks wait, and this process works on
	 * them already, or failed at one, however: the log has why. Throws what the store throws when it is asked
	 * for what is left.
	 */
	async help(of: AttemptOf): Promise<"done" | "left"> {
		const key = keyOf(of);
		if (this.#failedAt.has(key) || this.#working.has(key)) {
			const { open } = await this.#options.store.open(of, LIMITS.rollbackTaskTakes);
			return open === 0 ? "done" : "left";
		}
		this.#working.add(key);
		try {
			await this.#lanes(of);
			return "done";
		} catch (error) {
			this.#leave(of, error);
			return "left";
		} finally {
			this.#working.delete(key);
		}
	}

	/** The same for every attempt that has tasks to take. For the clock: reminders may be lost. */
	async helpAll(): Promise<void> {
		const attempts = await this.#options.store.waiting(FOUND_ATTEMPTS);
		await Promise.all(attempts.map((of) => this.help(of)));
	}

	/** Takes no further task. */
	stop(): void {
		this.#stopped = true;
	}

	async #shareDone(of: AttemptOf, tasks: number): Promise<number> {
		const { open } = await this.#options.store.open(of, LIMITS.rollbackTaskTakes);
		return (tasks - open) / tasks;
	}

	async #seeThrough(of: AttemptOf): Promise<void> {
		const { store } = this.#options;
		while (!this.#stopped) {
			await this.#lanes(of);
			const { open, spent } = await store.open(of, LIMITS.rollbackTaskTakes);
			if (open === 0) return;
			if (spent > 0) throw takenTooOften(of);
			await this.#clock.sleep(LOOK_MS);
		}
		throw stopping(of);
	}

	/** When one fails the other takes nothing more: what is given back is for another process. */
	async #lanes(of: AttemptOf): Promise<void> {
		const failing = new AbortController();
		const working = Array.from({ length: LANES }, () => this.#lane(of, failing));
		for (const lane of await Promise.allSettled(working)) {
			if (lane.status === "rejected") throw lane.reason;
		}
	}

	async #lane(of: AttemptOf, failing: AbortController): Promise<void> {
		const { store, holder } = this.#options;
		const by = { holder, ttlMs: CLAIM_MS, mostTakes: LIMITS.rollbackTaskTakes };
		while (!this.#stopped && !failing.signal.aborted) {
			const task = await store.take(of, by);
			if (task === undefined) return;
			await this.#do(task, failing);
		}
	}

	async #do(task: TakenTask, failing: AbortController): Promise<void> {
		const { store, embedder, log } = this.#options;
		const stopBeating = everyInTurn(this.#clock, CLAIM_MS / 3, () =>
			store.renew(task, CLAIM_MS).catch((err: unknown) => {
				log.warn({ ...placeOf(task), err }, "the claim on a rollback's task was not renewed");
			}),
		);
		try {
			const { model, texts } = readEmbeddingTask(task.body);
			if (model !== modelOf(embedder)) throw otherModel(model, modelOf(embedder));
			await embedder.embed(texts);
			await store.done(task);
		} catch (error) {
			failing.abort();
			await store.giveBack(task).catch((err: unknown) => {
				log.warn({ ...placeOf(task), err }, "a rollback's task was not given back; it lapses");
			});
			throw error;
		} finally {
			stopBeating();
		}
	}

	/** A helper's failure is not the rollback's: another may do better, and the attempt's own process does it last. */
	#leave(of: AttemptOf, error: unknown): void {
		this.#options.log.warn({ ...of, err: error }, "a rollback's tasks are left to others");
		for (const key of this.#failedAt) {
			if (this.#failedAt.size < FOUND_ATTEMPTS) break;
			this.#failedAt.delete(key);
		}
		this.#failedAt.add(keyOf(of));
	}

	/** A reminder that does not get through costs a look of the clock. */
	async #remind({ rollbackId, attempt }: AttemptOf): Promise<void> {
		const { queue, log } = this.#options;
		const jobs = Array.from(
			{ length: REMINDERS },
			(_, nth): RollbackJob => ({ rollbackId, retries: 0, help: { attempt, nth } }),
		);
		try {
			await Promise.all(jobs.map((job) => queue.enqueue(job)));
		} catch (err) {
			log.info(
				{ rollbackId, err },
				"no reminder of a rollback's tasks; who is free looks by the clock",
			);
		}
	}
}

function keyOf({ rollbackId, attempt }: AttemptOf): string {
	return `${rollbackId}/${attempt}`;
}

function placeOf({ rollbackId, attempt, task }: TakenTask) {
	return { rollbackId, attempt, task };
}

/** Nobody has overtaken it: it must not count against a rollback by hand, see `isPassing`. */
function stopping(of: AttemptOf): RetryableError {
	return new RetryableError("not_ready", {
		message: `rollback ${of.rollbackId} is left to another process: this one is stopping`,
		hint: "it is taken over, or goes on at the next start",
		fields: { ...of },
	});
}

function takenTooOften(of: AttemptOf): RetryableError {
	return new RetryableError("rollback_interrupted", {
		message: `a task of rollback ${of.rollbackId} was taken ${LIMITS.rollbackTaskTakes} times and never done`,
		hint: "see the logs of the processes that prepare rollbacks, the embedder's among them",
		fields: { ...of },
	});
}

function otherModel(asked: string, here: string): FatalError {
	return new FatalError("configuration_invalid", {
		message: `a rollback's task is for the embedder ${asked}, and this process has ${here}`,
		hint: "give every process the same EMBEDDER, EMBEDDER_MODEL and EMBEDDER_DIMENSIONS",
	});
}
