/**
 * One write at a time for each table of this process. Writers of other processes are not seen here;
 * the version that a write got tells of them.
 */
import { RetryableError } from "../domain/errors.ts";

/** Writes of one table that wait: a flusher and a compactor need two, more is a loop gone wrong. */
const WAITING_WRITES = 16;

interface Turns {
	last: Promise<unknown>;
	waiting: number;
}

export class WriteTurns {
	readonly #tables = new Map<string, Turns>();

	/** Runs `write` after those before it. Throws `RetryableError("vectors_unavailable")` when full. */
	async take<Result>(table: string, write: () => Promise<Result>): Promise<Result> {
		const turns = this.#tables.get(table) ?? { last: Promise.resolve(), waiting: 0 };
		this.#tables.set(table, turns);
		if (turns.waiting >= WAITING_WRITES) throw tooMany(table);
		turns.waiting += 1;
		const mine = turns.last.then(write);
		// The next write runs after a failed one too; the error goes to the caller of this one.
		turns.last = mine.catch(() => undefined);
		try {
			return await mine;
		} finally {
			turns.waiting -= 1;
			if (turns.waiting === 0) this.#tables.delete(table);
		}
	}

	/** Waits for every write that has begun or waits. */
	async settle(): Promise<void> {
		await Promise.all([...this.#tables.values()].map((turns) => turns.last));
	}
}

function tooMany(table: string): RetryableError {
	return new RetryableError("vectors_unavailable", {
		message: `${WAITING_WRITES} writes of table ${table} are waiting already`,
		hint: "the vectors' store is slow or down; the writes are kept and tried again",
		fields: { table, waiting: WAITING_WRITES },
	});
}
