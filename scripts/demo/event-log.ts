/** Recant's event stream, read in the background from the log's begin on. */
import type { EventAnswer } from "../../src/client/answers.ts";
import type { RecantClient } from "../../src/client/client.ts";
import { ToolError } from "../support/tool-error.ts";

/** Far more than any step takes on a busy machine. */
const DEADLINE_MS = 30_000;

export class EventLog {
	readonly #seen: EventAnswer[] = [];
	readonly #reading = new AbortController();
	#failure: unknown;
	#more = Promise.withResolvers<void>();

	/** Resolves when the first event is there: nothing after that is missed. */
	static async open(client: RecantClient, chainId: number): Promise<EventLog> {
		const log = new EventLog();
		void log.#read(client, `${chainId}:0`);
		await log.first("the event stream begins", (event) => event);
		return log;
	}

	/** What the first event that fits says, of the past as well. Throws ToolError `demo_failed`. */
	async first<Found>(
		what: string,
		find: (event: EventAnswer) => Found | undefined,
	): Promise<Found> {
		let expired = false;
		const timer = setTimeout(() => {
			expired = true;
			this.#wake();
		}, DEADLINE_MS);
		try {
			for (let next = 0; ; ) {
				for (; next < this.#seen.length; next += 1) {
					const event = this.#seen[next];
					const found = event && find(event);
					if (found !== undefined) return found;
				}
				if (expired || this.#failure !== undefined) throw unseen(what, this.#failure);
				await this.#more.promise;
			}
		} finally {
			clearTimeout(timer);
		}
	}

	close(): void {
		this.#reading.abort();
	}

	async #read(client: RecantClient, after: string): Promise<void> {
		try {
			for await (const { event } of client.events({ after }, this.#reading.signal)) {
				this.#seen.push(event);
				this.#wake();
			}
		} catch (error) {
			if (!this.#reading.signal.aborted) this.#failure = error;
		}
		this.#wake();
	}

	/** Everyone who waits looks again. */
	#wake(): void {
		this.#more.resolve();
		this.#more = Promise.withResolvers<void>();
	}
}

function unseen(what: string, cause: unknown): ToolError {
	return new ToolError("demo_failed", {
		message: `no event came that says: ${what}`,
		hint: "RECANT_LOG_LEVEL=info shows what the service does meanwhile",
		cause,
	});
}
