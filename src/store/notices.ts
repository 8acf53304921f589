/**
 * Notices between the processes on one database, by LISTEN and NOTIFY.
 *
 * 1. A notice is sent in the transaction of what it is about, so whoever hears it finds it committed.
 * 2. A notice is a hint: nothing is lost with it. After a reconnect `onResumed` is called once, since notices
 *    of meanwhile are gone; and whoever waits for one looks now and then as well.
 * 3. The connection is the listener's own. One that fell silent is given up like one that broke.
 *
 * A transaction that notifies takes a lock of the whole server's at its commit, so such transactions end one
 * after the other. Those of one chain do that anyway: the inbox counts in turns, and one process commits.
 */
import { type Clock, systemClock } from "../domain/clock.ts";
import { RetryableError } from "../domain/errors.ts";
import { type Notice, noticeText, parseNotice } from "../domain/notice.ts";
import { withinTime } from "../resilience/time-limit.ts";
import type { Database } from "./database.ts";
import { asDatabaseError } from "./database-errors.ts";
import type { Queryable, Sql } from "./sql.ts";

/** A constant of this module: it stands in SQL as it is. */
export const CHANNEL = "recant_notices";
/**
 * Between two tries to connect: doubled from the first to the most, less up to half at random; from the first
 * again after a connection that held for a heartbeat. One that is taken away as soon as it is there costs as
 * little as one that is refused.
 */
const AGAIN_MS = { first: 100, most: 5_000 };
const MOST_DOUBLINGS = 6;
/** How often a connection on which nothing comes is asked whether it is there. */
const HEARTBEAT_MS = 5_000;
const ANSWER_MS = 5_000;
const CLOSE_TIMEOUT_S = 1;

/** Says it with the transaction that `sql` is in. */
export async function sendNotice(sql: Queryable, notice: Notice): Promise<void> {
	await sql`select pg_notify(${CHANNEL}, ${noticeText(notice)})`;
}

export interface NoticesOptions {
	readonly database: Database;
	readonly log: { warn(fields: object, message: string): void };
	readonly clock?: Clock | undefined;
}

export interface NoticeListener {
	readonly onNotice: (notice: Notice) => void;
	/** Listening from now on; what was said before was not heard. */
	readonly onResumed: () => void;
}

interface Listening {
	readonly sql: Sql;
	readonly end: (timeoutS: number) => Promise<void>;
}

export class Notices {
	readonly #options: NoticesOptions;
	readonly #clock: Clock;
	#listening: Listening | undefined;
	#listener: NoticeListener | undefined;
	#closed = false;
	#failures = 0;
	#cancel: () => void = () => undefined;
	#stopBeating: () => void = () => undefined;

	constructor(options: NoticesOptions) {
		this.#options = options;
		this.#clock = options.clock ?? systemClock;
	}

	/** Resolves when the first try is over, whatever came of it: without notices processes look by themselves. */
	async start(listener: NoticeListener): Promise<void> {
		this.#stopBeating = this.#clock.every(HEARTBEAT_MS, () => void this.#beat());
		await this.#listen(listener);
	}

	/** Says it by itself; a notice that could not be sent is made up for by the looks of those concerned. */
	send(notice: Notice): void {
		const { database, log } = this.#options;
		database
			.run((sql) => sendNotice(sql, notice))
			.catch((err: unknown) => log.warn({ err, ...notice }, "a notice could not be sent"));
	}

	async close(): Promise<void> {
		this.#closed = true;
		this.#cancel();
		this.#stopBeating();
		const listening = this.#listening;
		this.#listening = undefined;
		await listening?.end(CLOSE_TIMEOUT_S);
	}

	async #listen(listener: NoticeListener): Promise<void> {
		const { database } = this.#options;
		this.#listener = listener;
		const opened: Listening = database.openListener(
			(_channel, text) => {
				const notice = parseNotice(text);
				if (notice !== undefined && this.#listening === opened) listener.onNotice(notice);
			},
			() => this.#lost(opened, undefined),
		);
		this.#listening = opened;
		try {
			await withinTime(ANSWER_MS, () => opened.sql.unsafe(`listen ${CHANNEL}`).execute(), silent);
		} catch (error) {
			this.#lost(opened, error);
			return;
		}
		if (this.#listening === opened) listener.onResumed();
	}

	async #beat(): Promise<void> {
		const listening = this.#listening;
		if (listening === undefined) return;
		try {
			await withinTime(ANSWER_MS, () => listening.sql`select 1`, silent);
			// Not as soon as it listens: it may have been there for a moment.
			if (this.#listening === listening) this.#failures = 0;
		} catch (error) {
			this.#lost(listening, error);
		}
	}

	/** Of several signs that one connection is gone the first counts. */
	#lost(gone: Listening, error: unknown): void {
		if (this.#listening !== gone) return;
		this.#listening = undefined;
		void gone.end(0);
		if (this.#closed) return;
		this.#failures += 1;
		if (this.#failures === 1) {
			const err = asDatabaseError(error ?? silent(), true);
			this.#options.log.warn({ err }, "notices are not heard for now; processes look instead");
		}
		const doublings = Math.min(this.#failures - 1, MOST_DOUBLINGS);
		const most = Math.min(AGAIN_MS.most, AGAIN_MS.first * 2 ** doublings);
		this.#cancel = this.#clock.after(most * (0.5 + this.#clock.random() / 2), () => {
			if (!this.#closed && this.#listener !== undefined) void this.#listen(this.#listener);
		});
	}
}

function silent(): RetryableError {
	return new RetryableError("database_unavailable", {
		message: `Postgres closed the listening connection, or did not answer it within ${ANSWER_MS} ms`,
		hint: "it is connected to again; meanwhile processes look for what is new by themselves",
	});
}
