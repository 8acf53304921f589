/**
 * Notices a server that has fallen silent: its machine or the network is gone, nothing closes the
 * connections, and what was asked would wait for as long as the kernel tries, which is minutes to hours.
 *
 * A query may take long, so that alone says nothing. When one has been under way for a while, a new
 * connection is tried; if that is not answered either, everything under way is given up.
 */
import { RetryableError } from "../domain/errors.ts";
import { withinTime } from "../resilience/time-limit.ts";

/** Longer than nearly every statement, so that a busy server is seldom asked for nothing. */
const LONG_MS = 3_000;
/** A server that does not take a connection and answer within this serves nobody. */
const PROBE_MS = 5_000;
const LOOK_MS = 2_000;

export interface SilenceWatchOptions {
	/** Milliseconds since the longest piece of work under way began; 0: none is. */
	readonly longestMs: () => number;
	/** Asks the server something small on a connection of its own. */
	readonly probe: () => Promise<void>;
	readonly onSilent: (error: unknown) => void;
}

export class SilenceWatch {
	readonly #options: SilenceWatchOptions;
	readonly #timer: NodeJS.Timeout;
	#probing = false;

	constructor(options: SilenceWatchOptions) {
		this.#options = options;
		this.#timer = setInterval(() => this.#look(), LOOK_MS);
		this.#timer.unref();
	}

	close(): void {
		clearInterval(this.#timer);
	}

	#look(): void {
		if (this.#probing || this.#options.longestMs() < LONG_MS) return;
		this.#probing = true;
		withinTime(PROBE_MS, () => this.#options.probe(), silent)
			.catch((error: unknown) => this.#options.onSilent(error))
			.finally(() => {
				this.#probing = false;
			});
	}
}

function silent(): RetryableError {
	return new RetryableError("database_unavailable", {
		message: `Postgres did not answer a new connection within ${PROBE_MS} ms`,
		hint: "check the database server and the network to it",
		fields: { probeMs: PROBE_MS },
	});
}
