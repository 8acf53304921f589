/**
 * Keeps a rollback's progress: which stage, how far, how long each took. Writes to Postgres at each
 * stage's begin and then at most every `PROGRESS_MS`, so that progress costs less than the work.
 */
import type { Clock } from "../domain/clock.ts";
import type { RollbackRecord, Stage } from "./rollback-record.ts";
import type { RollbackStore, StageProgress } from "./rollback-store.ts";

/** Often enough for a progress bar. */
const PROGRESS_MS = 200;

export interface StageEvent extends StageProgress {
	readonly rollback: RollbackRecord;
	/** Undefined until there is a rate to tell it from. */
	readonly etaMs: number | undefined;
}

export class StageClock {
	readonly #store: RollbackStore;
	readonly #rollback: RollbackRecord;
	readonly #onProgress: (event: StageEvent) => void;
	/** Waited for before each stage: lets tests stop a process there. */
	readonly #beforeStage: (stage: Stage, rollback: RollbackRecord) => Promise<void>;
	readonly #clock: Clock;
	readonly #ended: Partial<Record<Stage, number>> = {};
	#stage: { readonly name: Stage; readonly total: number; readonly startedAt: number } | undefined;
	#written = 0;
	/** Progress under way; rejects when the attempt was overtaken. */
	#writing: Promise<void> = Promise.resolve();

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
	}

	/** Milliseconds of every stage that has ended, and of the present one so far. */
	get stageMs(): Readonly<Partial<Record<Stage, number>>> {
		const now = this.#clock.now();
		const stage = this.#stage;
		return stage === undefined
			? { ...this.#ended }
			: { ...this.#ended, [stage.name]: round(now - stage.startedAt) };
	}

	async begin(stage: Stage, total: number): Promise<void> {
		await this.#writing;
		await this.#beforeStage(stage, this.#rollback);
		const now = this.#clock.now();
		if (this.#stage !== undefined) {
			this.#ended[this.#stage.name] = round(now - this.#stage.startedAt);
		}
		this.#stage = { name: stage, total, startedAt: now };
		await this.#write(0);
	}

	/**
	 * Says how many of the stage's items are done, of how many if that was not known before; waits for
	 * nothing. A refusal is the next begin's.
	 */
	advance(done: number, total?: number): void {
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
		const elapsed = this.#written - stage.startedAt;
		const etaMs = done === 0 ? undefined : Math.round((elapsed / done) * (stage.total - done));
		this.#onProgress({ ...progress, rollback: this.#rollback, etaMs });
		await this.#store.progress(this.#rollback.rollbackId, this.#rollback.attempt, progress);
	}
}

function round(ms: number): number {
	return Math.round(ms * 100) / 100;
}
