/**
 * Stands for BullMQ and its server in simulations: delivers jobs at least once, to whichever consumer has
 * room.
 *
 * 1. A job belongs to one consumer while its lock holds. The lock is renewed for as long as the consumer's
 *    process runs; when it does not, the job comes again after the lock and one look for stalled jobs.
 * 2. What a consumer says of a job that is not its own any more is refused: the job is another's by then.
 * 3. A job's id swallows what is enqueued while the job exists, and no longer.
 */
import { FatalError, RetryableError } from "../../../src/domain/errors.ts";
import { LIMITS } from "../../../src/domain/limits.ts";
import { QUEUE_TIMING, type QueueTiming } from "../../../src/queue/queue-timing.ts";
import { redeliveryDelayMs, rollbackJobId } from "../../../src/queue/rollback-job.ts";
import type {
	RollbackJob,
	RollbackJobOutcome,
	RollbackQueue,
} from "../../../src/rollback/rollback-queue.ts";

/** Of a delivery of which nothing is heard. */
const NOBODYS = 0;

type Handler = (job: RollbackJob) => Promise<RollbackJobOutcome>;

export interface FakeQueueOptions {
	/** Calls `work` once after `ms` of the simulated time; the answer takes it back. */
	readonly in: (ms: number, work: () => void) => () => void;
	/** In [0, 1). For jitter and for the order of delivery. */
	readonly random: () => number;
	/** Whether a delivery comes to a second consumer as well; left out: never. */
	readonly duplicates?: () => boolean;
	/** Whether the newest waiting job comes first; left out: never. */
	readonly reorders?: () => boolean;
	/** Left out: that of the service. */
	readonly timing?: Pick<QueueTiming, "backoffMs" | "lockMs" | "stalledCheckMs">;
}

interface StoredJob {
	readonly id: string;
	readonly job: RollbackJob;
	state: "waiting" | "active" | "delayed";
	/** Tells one delivery from the next. */
	token: number;
	holder: string | undefined;
	attemptsMade: number;
	stalledCount: number;
	/** Takes back what is to happen to it by the clock. */
	cancel: () => void;
}

interface Consumer {
	readonly process: string;
	readonly handler: Handler;
	running: number;
	/** SIGSTOP: it takes nothing, and renews no lock. */
	isStopped: boolean;
	isClosing: boolean;
	/** Of those that wait for the jobs under way. */
	readonly idle: (() => void)[];
}

export class FakeQueueServer {
	readonly #options: FakeQueueOptions;
	readonly #timing: NonNullable<FakeQueueOptions["timing"]>;
	readonly #jobs = new Map<string, StoredJob>();
	readonly #consumers = new Map<string, Consumer>();
	/** Whoever was killed: what it had sent may come late, and nobody is there to be served. */
	readonly #gone = new Set<string>();
	#tokens = 0;
	/** Whose turn it is to be asked first. */
	#turn = 0;

	constructor(options: FakeQueueOptions) {
		this.#options = options;
		this.#timing = options.timing ?? QUEUE_TIMING;
	}

	/** What there is, in the order in which it came. */
	get jobs(): readonly Pick<
		StoredJob,
		"attemptsMade" | "holder" | "id" | "job" | "stalledCount" | "state"
	>[] {
		return [...this.#jobs.values()].map(({ cancel: _cancel, token: _token, ...job }) => job);
	}

	/** A process's connection; each life of a process has a name of its own. */
	queue(process: string): RollbackQueue {
		let isClosed = false;
		const open = () => {
			if (isClosed) throw unavailable("this process has closed it");
		};
		return {
			backend: "redis",
			enqueue: async (job) => {
				open();
				this.#enqueue(job);
			},
			consume: async (handler) => {
				open();
				if (this.#consumers.has(process)) throw consumedTwice();
				if (this.#gone.has(process)) return;
				this.#consumers.set(process, newConsumer(process, handler));
				this.#deliver();
			},
			close: async (deadlineMs) => {
				if (isClosed) return;
				isClosed = true;
				await this.#close(process, deadlineMs);
			},
		};
	}

	/** SIGKILL: its jobs come again when their locks have lapsed. */
	kill(process: string): void {
		this.#gone.add(process);
		this.#consumers.delete(process);
		this.#cutOff(process);
	}

	/** SIGSTOP: as of one that was killed, unless it goes on before its locks have lapsed. */
	stop(process: string): void {
		const consumer = this.#consumers.get(process);
		if (consumer === undefined) return;
		consumer.isStopped = true;
		this.#lapse(process, () => consumer.isStopped);
	}

	/** SIGCONT. */
	goOn(process: string): void {
		const consumer = this.#consumers.get(process);
		if (consumer === undefined) return;
		consumer.isStopped = false;
		this.#deliver();
	}

	/** FLUSHALL: every job is gone; what is under way goes on, and is heard by nobody. */
	flush(): void {
		for (const job of this.#jobs.values()) job.cancel();
		this.#jobs.clear();
	}

	#enqueue(job: RollbackJob): void {
		const id = rollbackJobId(job);
		if (this.#jobs.has(id)) return;
		this.#jobs.set(id, {
			id,
			job: Object.freeze({ ...job }),
			state: "waiting",
			token: NOBODYS,
			holder: undefined,
			attemptsMade: 0,
			stalledCount: 0,
			cancel: () => undefined,
		});
		this.#deliver();
	}

	/** Gives what waits to whoever has room, at the next moment: never inside of the caller's own. */
	#deliver(): void {
		this.#options.in(0, () => {
			for (;;) {
				const consumer = this.#free();
				const job = this.#next();
				if (consumer === undefined || job === undefined) return;
				this.#hand(job, consumer);
			}
		});
	}

	#next(): StoredJob | undefined {
		const waiting = [...this.#jobs.values()].filter(({ state }) => state === "waiting");
		return this.#options.reorders?.() === true ? waiting.at(-1) : waiting[0];
	}

	/** In turns. */
	#free(): Consumer | undefined {
		const free = [...this.#consumers.values()].filter(
			({ running, isStopped, isClosing }) =>
				running < LIMITS.rollbackConcurrency && !isStopped && !isClosing,
		);
		this.#turn += 1;
		return free[this.#turn % Math.max(1, free.length)];
	}

	#hand(job: StoredJob, consumer: Consumer): void {
		this.#tokens += 1;
		job.state = "active";
		job.token = this.#tokens;
		job.holder = consumer.process;
		this.#run(job, consumer, job.token);
		if (this.#options.duplicates?.() !== true) return;
		const second = this.#free();
		// Nobody listens to what becomes of it.
		if (second !== undefined) this.#run(job, second, NOBODYS);
	}

	#run(job: StoredJob, consumer: Consumer, token: number): void {
		consumer.running += 1;
		const over = (settle: () => void) => {
			consumer.running -= 1;
			if (consumer.running === 0) for (const wake of consumer.idle.splice(0)) wake();
			const isOwn = token !== NOBODYS && job.token === token;
			if (isOwn && this.#jobs.get(job.id) === job) settle();
			this.#deliver();
		};
		consumer.handler(job.job).then(
			(outcome) => over(() => this.#settle(job, outcome)),
			(error: unknown) => over(() => this.#failed(job, error)),
		);
	}

	#settle(job: StoredJob, outcome: RollbackJobOutcome): void {
		if (outcome.type === "done") this.#jobs.delete(job.id);
		else this.#delay(job, redeliveryDelayMs(outcome.delayMs));
	}

	#failed(job: StoredJob, error: unknown): void {
		job.attemptsMade += 1;
		const most = job.job.help === undefined ? LIMITS.rollbackAttempts : 1;
		if (error instanceof FatalError || job.attemptsMade >= most) {
			this.#jobs.delete(job.id);
			return;
		}
		const longestMs = this.#timing.backoffMs * 2 ** (job.attemptsMade - 1);
		this.#delay(job, longestMs * (0.5 + this.#options.random() / 2));
	}

	#delay(job: StoredJob, ms: number): void {
		job.state = "delayed";
		job.holder = undefined;
		job.cancel = this.#options.in(ms, () => {
			job.state = "waiting";
			this.#deliver();
		});
	}

	/** After the locks of what it holds have lapsed, if it is still gone then. */
	#lapse(process: string, isGone: () => boolean): void {
		const { lockMs, stalledCheckMs } = this.#timing;
		for (const job of this.#jobs.values()) {
			if (job.holder !== process) continue;
			const { token } = job;
			// Renewed at half of it, so that between a half and the whole of it is left.
			const leftMs = lockMs * (0.5 + this.#options.random() / 2);
			const lookMs = stalledCheckMs * this.#options.random();
			job.cancel = this.#options.in(leftMs + lookMs, () => {
				if (job.token === token && job.state === "active" && isGone()) this.#stalled(job);
			});
		}
	}

	#stalled(job: StoredJob): void {
		job.stalledCount += 1;
		if (job.stalledCount > LIMITS.rollbackAttempts) {
			this.#jobs.delete(job.id);
			return;
		}
		job.state = "waiting";
		job.holder = undefined;
		job.token = NOBODYS;
		this.#deliver();
	}

	async #close(process: string, deadlineMs: number): Promise<void> {
		const consumer = this.#consumers.get(process);
		if (consumer === undefined) return;
		consumer.isClosing = true;
		if (consumer.running > 0) {
			await new Promise<void>((resolve) => {
				const cancel = this.#options.in(deadlineMs, resolve);
				consumer.idle.push(() => {
					cancel();
					resolve();
				});
			});
		}
		this.#consumers.delete(process);
		this.#cutOff(process);
	}

	/** Nothing that is still said of its jobs counts. */
	#cutOff(process: string): void {
		for (const job of this.#jobs.values()) if (job.holder === process) job.token = NOBODYS;
		this.#lapse(process, () => true);
	}
}

function newConsumer(process: string, handler: Handler): Consumer {
	return { process, handler, running: 0, isStopped: false, isClosing: false, idle: [] };
}

function unavailable(why: string): RetryableError {
	return new RetryableError("queue_unavailable", {
		message: `the rollback queue is not available: ${why}`,
		hint: "rollbacks are worked on without it, and their jobs are delivered when it is back",
	});
}

function consumedTwice(): FatalError {
	return new FatalError("internal", {
		message: "the rollback queue is consumed twice by one process",
		hint: "this is a defect of Recant; please report it with the log",
	});
}
