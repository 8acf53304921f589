/**
 * Connections to Postgres, each lent to one piece of work at a time.
 *
 * Each is a client of postgres.js of its own that connects once. Its own pool connects again by itself
 * and then runs the next query of a transaction outside of it; it takes a dead connection back as an
 * open one; and a write to either ends the process from a timer. Here:
 *
 * 1. A connection that is gone is never lent again, and answers every further query with an error.
 * 2. A lent connection has nobody else's queries on it, so a transaction needs nothing but itself.
 */
import { RetryableError } from "../domain/errors.ts";
import type { PoolHealth } from "../domain/store-health.ts";
import type { Sql } from "./sql.ts";

/**
 * Pieces of work that wait for a connection: as many as HTTP takes connections, eightfold, since one
 * request is rarely more than a few. They wait for milliseconds, so a longer queue means a stand-still.
 */
const MOST_WAITING = 4_096;

export interface Connection {
	readonly sql: Sql;
	/** True: what is asked on it fails. */
	readonly gone: boolean;
	/** Gives it up, with whatever is under way on it. */
	discard(): void;
}

/** Opens a client with one connection, at its first query; `onGone` is called once, when it is over. */
export type OpenConnection = (onGone: () => void) => {
	readonly sql: Sql;
	readonly end: (timeoutS: number) => Promise<void>;
};

export class ConnectionPool {
	readonly #open: OpenConnection;
	readonly #size: number;
	readonly #onLost: () => void;
	readonly #lent = new Set<PooledConnection>();
	/** The last used is lent first, so that what load does not need stays unused. */
	readonly #idle: PooledConnection[] = [];
	readonly #waiting: PromiseWithResolvers<PooledConnection>[] = [];
	#closed = false;

	/** `onLost` is called when a connection ends that nobody here ended. */
	constructor(size: number, open: OpenConnection, onLost: () => void) {
		this.#size = size;
		this.#open = open;
		this.#onLost = onLost;
	}

	health(): PoolHealth {
		return { size: this.#size, busy: this.#lent.size, waiting: this.#waiting.length };
	}

	/** Lends a connection to `work`. Throws `RetryableError("database_unavailable")` past the limit, and once closed. */
	async lend<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result> {
		const connection = await this.#take();
		try {
			return await work(connection);
		} finally {
			this.#giveBack(connection);
		}
	}

	/**
	 * Ends every connection: those at work when they are done, or after `timeoutS` seconds. Whoever waits for one
	 * is refused at once: nothing is begun any more.
	 */
	async close(timeoutS: number): Promise<void> {
		this.#closed = true;
		for (const waiting of this.#waiting.splice(0)) waiting.reject(closed());
		const all = [...this.#idle, ...this.#lent];
		await Promise.all(all.map((connection) => connection.end(timeoutS)));
	}

	/** Milliseconds since the longest lent connection was lent; 0: none is. */
	longestLentMs(): number {
		const now = performance.now();
		return Math.max(0, ...[...this.#lent].map((connection) => now - connection.lentAtMs));
	}

	/** Gives up every lent connection, with what is under way on it. */
	discardLent(): void {
		for (const connection of this.#lent) connection.discard();
	}

	async #take(): Promise<PooledConnection> {
		if (this.#closed) throw closed();
		const idle = this.#idle.pop();
		if (idle !== undefined) return this.#note(idle);
		if (this.#lent.size < this.#size) return this.#note(this.#connect());
		if (this.#waiting.length >= MOST_WAITING) throw overloaded(this.#waiting.length);
		const turn = Promise.withResolvers<PooledConnection>();
		this.#waiting.push(turn);
		return turn.promise;
	}

	#note(connection: PooledConnection): PooledConnection {
		connection.lentAtMs = performance.now();
		this.#lent.add(connection);
		return connection;
	}

	#giveBack(connection: PooledConnection): void {
		this.#lent.delete(connection);
		const next = this.#waiting.shift();
		if (next !== undefined) {
			next.resolve(this.#note(connection.gone ? this.#connect() : connection));
		} else if (!connection.gone) this.#idle.push(connection);
	}

	#connect(): PooledConnection {
		return new PooledConnection(this.#open, (gone) => {
			const index = this.#idle.indexOf(gone);
			if (index !== -1) this.#idle.splice(index, 1);
			if (!this.#closed) this.#onLost();
		});
	}
}

class PooledConnection implements Connection {
	readonly sql: Sql;
	/** On the clock of performance.now(). */
	lentAtMs = 0;
	readonly #end: (timeoutS: number) => Promise<void>;
	#gone = false;

	constructor(open: OpenConnection, onGone: (connection: PooledConnection) => void) {
		const opened = open(() => {
			if (this.#gone) return;
			this.#gone = true;
			onGone(this);
			// From here on the client refuses every query by itself.
			void this.end(0);
		});
		this.sql = opened.sql;
		this.#end = opened.end;
	}

	get gone(): boolean {
		return this.#gone;
	}

	discard(): void {
		this.#gone = true;
		void this.end(0);
	}

	async end(timeoutS: number): Promise<void> {
		await this.#end(timeoutS);
	}
}

function closed(): RetryableError {
	return new RetryableError("database_unavailable", {
		message: "the connections to Postgres are closed: this process is ending",
		hint: "ask again when it has been started again",
	});
}

function overloaded(waiting: number): RetryableError {
	return new RetryableError("database_unavailable", {
		message: `${waiting} pieces of work wait for a connection to Postgres`,
		hint: "try again later; see whether Postgres answers slowly",
		fields: { waiting, limit: MOST_WAITING },
	});
}
