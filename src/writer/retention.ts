/**
 * Takes away what nobody can ask for any more, under the lease, in small steps.
 *
 * Retention follows finality: an orphaned branch stays until LIMITS.orphanRetentionBlocks of finalized
 * blocks lie above its head, and nothing that the window needs is touched. The log is cut only where the
 * chain's file says so, and only below the oldest verified snapshot.
 */

import { type Clock, systemClock } from "../domain/clock.ts";
import type { ChainId, Height } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Logger } from "../domain/logger.ts";
import type { ChainState } from "./chain-state.ts";
import { floorOf } from "./own-chain.ts";

/** Soon after a start: what a process that died left behind goes first. */
const FIRST_MS = 5_000;
/** Often enough that a step stays small; rarely enough that it costs nothing. */
const EVERY_MS = 30_000;
/** Between steps while there is more: commits wait for a step's end, and come first then. */
const PAUSE_MS = 100;
/** Log entries that one step cuts: a transaction of tens of milliseconds. */
const CUT_ENTRIES = 5_000;

export interface RetentionStore {
	/**
	 * Deletes branches whose last height is below `orphansBelow`, checkpoints below `floor` that are not
	 * at the interval, requests' keys past their time and rollbacks past their number. Bounded; answers
	 * whether there is more.
	 */
	prune(
		chainId: ChainId,
		fence: bigint,
		bounds: { readonly orphansBelow: Height; readonly floor: Height },
	): Promise<boolean>;
}

export interface LogCutter {
	/**
	 * Deletes at most `limit` of the lowest log entries that neither a snapshot in state `verified` nor an
	 * operation that is not final needs; nothing when the lease is another's. Answers whether there is
	 * more.
	 */
	cutLog(chainId: ChainId, fence: bigint, limit: number): Promise<boolean>;
}

export class Retention {
	readonly #store: RetentionStore;
	readonly #logCutter: LogCutter | undefined;
	readonly #state: () => ChainState;
	readonly #log: Logger;
	readonly #clock: Clock;
	/** Takes the next step back; undefined: none is to come. */
	#cancel: (() => void) | undefined;
	#running: Promise<void> = Promise.resolve();

	constructor(options: {
		readonly store: RetentionStore;
		/** Undefined: the log is kept whole. */
		readonly logCutter: LogCutter | undefined;
		readonly state: () => ChainState;
		readonly log: Logger;
		readonly clock?: Clock | undefined;
	}) {
		this.#store = options.store;
		this.#logCutter = options.logCutter;
		this.#state = options.state;
		this.#log = options.log;
		this.#clock = options.clock ?? systemClock;
	}

	start(): void {
		this.#wait(FIRST_MS);
	}

	async stop(): Promise<void> {
		this.#cancel?.();
		this.#cancel = undefined;
		await this.#running;
	}

	#wait(ms: number): void {
		this.#cancel = this.#clock.after(ms, () => {
			this.#running = this.#step().then((more) => {
				if (this.#cancel !== undefined) this.#wait(more ? PAUSE_MS : EVERY_MS);
			});
		});
	}

	async #step(): Promise<boolean> {
		const state = this.#state();
		const { chainId, fence, finalized } = state;
		const floor = floorOf(state);
		if (floor === undefined || finalized === undefined) return false;
		try {
			const more = await this.#store.prune(chainId, fence, {
				orphansBelow: finalized - BigInt(LIMITS.orphanRetentionBlocks),
				floor,
			});
			const uncut = await this.#logCutter?.cutLog(chainId, fence, CUT_ENTRIES);
			return more || uncut === true;
		} catch (error) {
			this.#log.warn(
				{ chainId, err: error },
				"what is past its time could not be deleted; tried again",
			);
			return false;
		}
	}
}
