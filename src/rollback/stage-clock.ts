/**
 * Keeps a rollback's progress: which stage, how far, how long each took. Writes to Postgres at each
 * stage's begin and then at most every `PROGRESS_MS`, so that progress costs less than the work.
 */
import type { Clock } from "../domain/clock.ts";
import { type RecantError, RetryableError } from "../domain/errors.ts";
import { type Pace, paceOf } from "./rollback-progress.ts";
import type { RollbackRecord, Stage } from "./rollback-record.ts";
import type { RollbackStore, StageProgress } from "./rollback-store.ts";

/** Often enough for a progress bar. */
const PROGRESS_MS = 200;

export interface StageEvent extends StageProgress, Pace {
	readonly rollback: RollbackRecord;
}

export class StageClock {
	readonly #store: RollbackStore;
	readonly #rollback: RollbackRecord;
	readonly #onProgress: (event: StageEvent) => void;
	/** Waited for before each stage: lets tests stop a process there. */
	readonly #beforeStage: (stage: Stage, rollback: RollbackRecord) => Promise<void>;
	readonly #clock: Clock;
	readonly #ended: Partial<Record<Stage, number>>;
	#stage: { readonly name: Stage; readonly total: number; readonly startedAt: number } | undefined;
	#written = 0;
	/** Progress under way; rejects when the attempt was overtaken. */
	#writing: Promise<void> = Promise.resolve();
	#over: RecantError | undefined;

	constructor(
		store: RollbackStore,
		rollback: RollbackRecord,
		hooks: {
			readonly onProgress: (event: StageEvent) => void;
			readonly beforeStage: (stage: Stage, rollback: RollbackRecord) => Promise<void>;
			readonly clock: Clock;
		},
	) {
		this.#store = store;
		this.#rollback = rollback;
		this.#onProgress = hooks.onProgress;
		this.#beforeStage = hooks.beforeStage;
		this.#clock = hooks.clock;
		// Another process may have prepared it: its stages are this attempt's.
		this.#ended = rollback.state === "prepared" ? { ...rollback.stageMs } : {};
	}

	/** The stage under way; before the first, the first. */
	get stage(): Stage {
		return this.#stage?.name ?? (this.#rollback.state === "prepared" ? "verify" : "plan");
	}

	/** Milliseconds of every stage that has ended, and of the present one so far. */
	get stageMs(): Readonly<Partial<Record<Stage, number>>> {
		const now = this.#clock.now();
		const stage = this.#stage;
		return stage === undefined
			? { ...this.#ended }
			: { ...this.#ended, [stage.name]: round(now - stage.startedAt) };
	}

	/**
	 * The attempt is over, and why. What of it is still under way ends at its next step here; what it writes is
	 * refused by its number, as of every attempt that is not the newest.
	 */
	end(reason: RecantError): void {
		this.#over ??= reason;
	}

	/** Whether the attempt is over. */
	get isOver(): boolean {
		return this.#over !== undefined;
	}

	/** Throws why it is over. For work that takes long, and says nothing of how far it is. */
	requireGoing(): void {
		if (this.#over !== undefined) throw this.#over;
	}

	/** Throws `RetryableError("rollback_paused")`, and the stage has not begun then; and why it is over. */
	async begin(stage: Stage, total: number): Promise<void> {
		await this.beginWith(stage, total, async () => undefined);
	}

	/**
	 * As `begin`, while `ahead` is under way: what the stage needs first, and is of no consequence where the stage
	 * does not begin. Both have ended when this does.
	 */
	async beginWith<Result>(
		stage: Stage,
		total: number,
		ahead: () => Promise<Result>,
	): Promise<Result> {
		await this.#writing;
		await this.#beforeStage(stage, this.#rollback);
		this.requireGoing();
		const now = this.#clock.now();
		const last = this.#stage;
		if (last !== undefined) this.#ended[last.name] = round(now - last.startedAt);
		const { rollbackId, attempt } = this.#rollback;
		const progress = { stage, done: 0, total, stageMs: { ...this.#ended } };
		const [begun, had] = await Promise.allSettled([
			this.#store.begin(rollbackId, attempt, progress),
			ahead(),
		]);
		if (begun.status === "rejected") throw begun.reason;
		if (!begun.value) throw paused(rollbackId, stage);
		this.#written = now;
		this.#stage = { name: stage, total, startedAt: now };
		this.#onProgress({ ...progress, ...NO_PACE, rollback: this.#rollback });
		if (had.status === "rejected") throw had.reason;
		return had.value;
	}

	/**
	 * Says how many of the stage's items are done, of how many if that was not known before; waits for
	 * nothing. A refusal is the next begin's. Throws why the attempt is over.
	 */
	advance(done: number, total?: number): void {
		this.requireGoing();
		if (this.#clock.now() - this.#written < PROGRESS_MS) return;
		if (total !== undefined && this.#stage !== undefined) this.#stage = { ...this.#stage, total };
		const last = this.#writing;
		this.#writing = last.then(() => this.#write(done));
		this.#writing.catch(() => undefined);
	}

	async #write(done: number): Promise<void> {
		const stage = this.#stage;
		if (stage === undefined) return;
		this.#written = this.#clock.now();
		const progress = { stage: stage.name, done, total: stage.total, stageMs: { ...this.#ended } };
		const pace = paceOf({ ...progress, elapsedMs: this.#written - stage.startedAt });
		this.#onProgress({ ...progress, ...pace, rollback: this.#rollback });
		await this.#store.progress(this.#rollback.rollbackId, this.#rollback.attempt, progress);
	}
}

const NO_PACE: Pace = { ratePerSecond: undefined, etaMs: undefined };

function paused(rollbackId: RollbackRecord["rollbackId"], stage: Stage): RetryableError {
	return new RetryableError("rollback_paused", {
		message: `rollback ${rollbackId} is paused before its stage ${stage}`,
		hint: "it goes on when an operator resumes it",
		fields: { rollbackId, stage },
	});
}

function round(ms: number): number {
	return Math.round(ms * 100) / 100;
}
