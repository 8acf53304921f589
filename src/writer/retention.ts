/**
 * Takes away what nobody can ask for any more, under the lease, in small steps.
 *
 * Retention follows finality: an orphaned branch stays until LIMITS.orphanRetentionBlocks of finalized
 * blocks lie above its head, and nothing that the window needs is touched. The log is never cut.
 */
import { windowFloor } from "../chain/finality.ts";
import type { ChainId, Height } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Logger } from "../domain/logger.ts";
import type { ChainState } from "./chain-state.ts";

/** Often enough that a step stays small; rarely enough that it costs nothing. */
const EVERY_MS = 30_000;

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

export class Retention {
	readonly #store: RetentionStore;
	readonly #state: () => ChainState;
	readonly #log: Logger;
	#timer: NodeJS.Timeout | undefined;
	#running: Promise<void> = Promise.resolve();

	constructor(options: {
		readonly store: RetentionStore;
		readonly state: () => ChainState;
		readonly log: Logger;
	}) {
		this.#store = options.store;
		this.#state = options.state;
		this.#log = options.log;
	}

	start(): void {
		this.#timer = setTimeout(() => {
			this.#running = this.#step().then((more) => {
				if (this.#timer === undefined) return;
				if (more) setImmediate(() => this.start());
				else this.start();
			});
		}, EVERY_MS);
		this.#timer.unref();
	}

	async stop(): Promise<void> {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		await this.#running;
	}

	async #step(): Promise<boolean> {
		const { chainId, fence, head, finalized } = this.#state();
		if (head === undefined || finalized === undefined) return false;
		try {
			return await this.#store.prune(chainId, fence, {
				orphansBelow: finalized - BigInt(LIMITS.orphanRetentionBlocks),
				floor: windowFloor({ head: head.number, finalized }),
			});
		} catch (error) {
			this.#log.warn(
				{ chainId, err: error },
				"what is past its time could not be deleted; tried again",
			);
			return false;
		}
	}
}
