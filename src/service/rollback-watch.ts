/**
 * Progress of rollbacks that other processes work on, for whoever reads the events here. It is read from the
 * rollback's row while one is active; where nobody reads events, nothing is asked.
 */
import { type Clock, systemClock } from "../domain/clock.ts";
import { RecantError } from "../domain/errors.ts";
import type { ChainId } from "../domain/ids.ts";
import { progressOf } from "../rollback/rollback-progress.ts";
import type { RollbackRecord } from "../rollback/rollback-record.ts";
import type { RollbackStore } from "../rollback/rollback-store.ts";
import type { StageEvent } from "../rollback/stage-clock.ts";

/** As often as a stage writes its progress. */
const PROGRESS_LOOK_MS = 200;
/** For a rollback whose notice was missed. */
const LOOK_MS = 1_000;

export interface RollbackWatchOptions {
	readonly chainIds: readonly ChainId[];
	readonly store: Pick<RollbackStore, "active">;
	/** Name of this process, whose own progress is told as it happens. */
	readonly holder: string;
	readonly isWanted: () => boolean;
	readonly onProgress: (event: StageEvent) => void;
	readonly clock?: Clock | undefined;
}

export class RollbackWatch {
	readonly #options: RollbackWatchOptions;
	readonly #clock: Clock;
	readonly #watched = new Map<ChainId, Promise<void>>();
	readonly #ending = new AbortController();
	#stopLooking: () => void = () => undefined;

	constructor(options: RollbackWatchOptions) {
		this.#options = options;
		this.#clock = options.clock ?? systemClock;
	}

	start(): void {
		const { chainIds } = this.#options;
		this.#stopLooking = this.#clock.every(LOOK_MS, () => {
			for (const chainId of chainIds) this.heard(chainId);
		});
	}

	/** A rollback of this chain may be under way. */
	heard(chainId: ChainId): void {
		if (this.#ending.signal.aborted || !this.#options.isWanted()) return;
		if (this.#watched.has(chainId)) return;
		const watching = this.#follow(chainId)
			.catch((error: unknown) => {
				// Postgres is away: the next look tells.
				if (!(error instanceof RecantError)) throw error;
			})
			.finally(() => this.#watched.delete(chainId));
		this.#watched.set(chainId, watching);
	}

	async stop(): Promise<void> {
		this.#ending.abort();
		this.#stopLooking();
		await Promise.all(this.#watched.values());
	}

	/** Until the chain has no active rollback any more, or nobody wants to know. */
	async #follow(chainId: ChainId): Promise<void> {
		const { store, holder, isWanted, onProgress } = this.#options;
		const { signal } = this.#ending;
		let said = "";
		while (!signal.aborted && isWanted()) {
			const rollback = await store.active(chainId);
			if (rollback === undefined) return;
			const event = rollback.claimHolder === holder ? undefined : eventOf(rollback);
			const says =
				event && JSON.stringify([event.stage, event.done, event.total, rollback.attempt]);
			if (event !== undefined && says !== undefined && says !== said) {
				said = says;
				onProgress(event);
			}
			await this.#clock.sleep(PROGRESS_LOOK_MS, signal);
		}
	}
}

/** Undefined: no stage has begun. */
function eventOf(rollback: RollbackRecord): StageEvent | undefined {
	const { stage, stageMs } = rollback;
	return stage && { rollback, stage, stageMs, ...progressOf(rollback) };
}
