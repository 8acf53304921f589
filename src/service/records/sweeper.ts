/** Deletes rows that are past their keeping, a bounded part at a time, so that tables stay bounded. */
import { RecantError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Logger } from "../../domain/logger.ts";

/** Deletes at most LIMITS.sweepRows rows, and answers how many. */
export type Sweep = () => Promise<number>;

export interface SweeperOptions {
	/** By name of what is swept. */
	readonly sweeps: Readonly<Record<string, Sweep>>;
	readonly log: Pick<Logger, "info" | "warn">;
	/** Tests shorten it; default LIMITS.sweepMs. */
	readonly everyMs?: number;
}

export class Sweeper {
	readonly #options: SweeperOptions;
	#timer: NodeJS.Timeout | undefined;
	#sweeping: Promise<void> | undefined;
	#stopped = false;

	constructor(options: SweeperOptions) {
		this.#options = options;
	}

	start(): void {
		this.#timer = setInterval(() => void this.sweep(), this.#options.everyMs ?? LIMITS.sweepMs);
		void this.sweep();
	}

	/** Resolves when the statement under way has ended. */
	async stop(): Promise<void> {
		this.#stopped = true;
		clearInterval(this.#timer);
		await this.#sweeping;
	}

	/** One look at every table; nothing while one is under way. */
	sweep(): Promise<void> {
		this.#sweeping ??= this.#all().finally(() => {
			this.#sweeping = undefined;
		});
		return this.#sweeping;
	}

	async #all(): Promise<void> {
		const { sweeps, log } = this.#options;
		for (const [what, sweep] of Object.entries(sweeps)) {
			try {
				const rows = await this.#one(sweep);
				if (rows > 0) log.info({ what, rows }, "rows past their keeping were deleted");
			} catch (error) {
				if (!(error instanceof RecantError)) throw error;
				log.warn(
					{ what, err: error },
					"rows past their keeping were not deleted; the next look does",
				);
			}
		}
	}

	async #one(sweep: Sweep): Promise<number> {
		let rows = 0;
		for (let step = 0; step < LIMITS.sweepSteps && !this.#stopped; step += 1) {
			const deleted = await sweep();
			rows += deleted;
			if (deleted < LIMITS.sweepRows) break;
		}
		return rows;
	}
}
