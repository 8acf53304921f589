/**
 * The connections to Postgres: a pool for queries in SQL, and a client of its own for migrations.
 *
 * Every error that leaves this module is a RecantError: what the server or the network did becomes
 * `database_unavailable` when trying again can help, else `internal`.
 *
 * A snapshot that the server did not answer is asked again here, since it changes nothing. Everything
 * else is sent once: whether a commit took place, its caller finds out by reading.
 */
import { connect, type Socket } from "node:net";
import postgres from "postgres";
import { FatalError, RecantError, RetryableError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { StoreHealth } from "../domain/store-health.ts";
import { type GuardLog, StoreGuard } from "../resilience/store-guard.ts";
import { withinTime } from "../resilience/time-limit.ts";
import { type Connection, ConnectionPool, type OpenConnection } from "./connection-pool.ts";
import { asDatabaseError, endsSession, reason } from "./database-errors.ts";
import { migrate } from "./migrate.ts";
import { SilenceWatch } from "./silence-watch.ts";
import type { Sql, Tx } from "./sql.ts";

/** Connections of one process: two a chain for writing, the rest for readers. */
const POOL_SIZE = 12;
const CONNECT_TIMEOUT_S = 5;
/** For queries that are under way at the end. */
const CLOSE_TIMEOUT_S = 5;
/**
 * A process that stands still in the middle of a transaction, or a machine that vanished without a word,
 * would keep a chain's row locked and its lease out of reach. Longer than a lease: whoever is silent for so
 * long has lost the chain already.
 */
const TRANSACTION_IDLE_MS = 5_000;
/** One message, and so one round trip. */
const BEGIN = `begin; set local idle_in_transaction_session_timeout = ${TRANSACTION_IDLE_MS}`;

/** As OpenConnection, for a connection that listens. */
type OpenListener = (
	onNotify: (channel: string, text: string) => void,
	onGone: () => void,
) => ReturnType<OpenConnection>;

export class Database {
	readonly url: string;
	readonly #listener: OpenListener;
	readonly #pool: ConnectionPool;
	readonly #guard: StoreGuard;
	readonly #silence: SilenceWatch;
	/** Errors with which the server answered: it is there, whatever it said. */
	readonly #answers = new WeakSet<RecantError>();

	private constructor(
		url: string,
		{ open, listener }: { readonly open: OpenConnection; readonly listener: OpenListener },
		log: GuardLog | undefined,
	) {
		this.url = url;
		this.#listener = listener;
		this.#pool = new ConnectionPool(POOL_SIZE, open, () => this.#guard.lost(connectionLost()));
		this.#guard = new StoreGuard({
			name: "postgres",
			isAway: (error) =>
				error instanceof RecantError &&
				error.code === "database_unavailable" &&
				!this.#answers.has(error),
			refusal: notAsked,
			pool: () => this.#pool.health(),
			log,
		});
		this.#silence = new SilenceWatch({
			longestMs: () => this.#pool.longestLentMs(),
			probe: () => answered(open),
			onSilent: (error) => {
				this.#guard.lost(error);
				this.#pool.discardLent();
			},
		});
	}

	/**
	 * Connects and brings the schema up to date. `socketPath`: Unix socket of the same server. Throws
	 * `database_unreachable`.
	 */
	static async open(url: string, socketPath?: string, log?: GuardLog): Promise<Database> {
		await migrateSchema(url);
		const open: OpenConnection = (onGone) => {
			const sql = client(url, { socketPath, onGone });
			return { sql, end: (timeoutS) => sql.end({ timeout: timeoutS }) };
		};
		const listener: OpenListener = (onNotify, onGone) => {
			const sql = client(url, { socketPath, onGone, onNotify });
			return { sql, end: (timeoutS) => sql.end({ timeout: timeoutS }) };
		};
		return new Database(url, { open, listener }, log);
	}

	/** False from when the server is seen to be away until its next answer. */
	get isUp(): boolean {
		return this.#guard.isUp;
	}

	health(): StoreHealth {
		return this.#guard.health();
	}

	/** Asks whether the server is there and free, so that `health` is as of now; never fails. */
	async probe(): Promise<void> {
		try {
			await withinTime(LIMITS.databaseProbeMs, () => this.run((sql) => sql`select 1`), busy);
		} catch (error) {
			this.#guard.lost(error);
		}
	}

	/** Runs one statement, or several that need not be consistent with each other. */
	async run<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result> {
		return this.#guard.run(() => this.#lend(({ sql }) => work(sql)));
	}

	/** One snapshot for everything that `work` reads; run anew when the server did not answer. */
	async snapshot<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result> {
		return this.#guard.read(() => this.#lend((connection) => inSnapshot(connection, work)));
	}

	async transaction<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result> {
		return this.#guard.run(() =>
			this.#lend((connection) => inTransaction(connection, BEGIN, work)),
		);
	}

	/** A connection beside the pool, for `listen`; `onNotify` gets what is said on its channels. */
	openListener(onNotify: (channel: string, text: string) => void, onGone: () => void) {
		return this.#listener(onNotify, onGone);
	}

	async close(): Promise<void> {
		this.#silence.close();
		await this.#pool.close(CLOSE_TIMEOUT_S);
	}

	async #lend<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result> {
		return this.#pool.lend(async (connection) => {
			try {
				return await work(connection);
			} catch (error) {
				const isOver = endsSession(error);
				if (isOver) connection.discard();
				const known = asDatabaseError(error, connection.gone);
				if (!isOver && !connection.gone) this.#answers.add(known);
				throw known;
			}
		});
	}
}

/** Asks for next to nothing on a connection of its own. */
async function answered(open: OpenConnection): Promise<void> {
	const { sql, end } = open(() => undefined);
	try {
		await sql`select 1`;
	} finally {
		// One that does not answer is not waited for.
		void end(0);
	}
}

/**
 * Sends the begin with the first query, and waits for neither it nor the end: nothing is written, so
 * all that counts is that the server takes them in this order.
 */
async function inSnapshot<Result>(
	connection: Connection,
	work: (tx: Tx) => Promise<Result>,
): Promise<Result> {
	const { sql } = connection;
	const begun = sql.unsafe("begin isolation level repeatable read read only").execute();
	// Work that goes on without its snapshot must not go on at all.
	begun.catch(() => connection.discard());
	try {
		const [result] = await Promise.all([work(sql), begun]);
		sql.unsafe("commit").catch(() => connection.discard());
		return result;
	} catch (error) {
		await rollBack(connection, error);
		throw error;
	}
}

/** A transaction whose end is unknown takes its connection with it, and so is over for the server. */
async function inTransaction<Result>(
	connection: Connection,
	begin: string,
	work: (tx: Tx) => Promise<Result>,
): Promise<Result> {
	const { sql } = connection;
	try {
		await sql.unsafe(begin);
		const result = await work(sql);
		await sql.unsafe("commit");
		return result;
	} catch (error) {
		await rollBack(connection, error);
		throw error;
	}
}

/** A session that `cause` ended is discarded by whoever lent it. */
async function rollBack(connection: Connection, cause: unknown): Promise<void> {
	if (connection.gone || endsSession(cause)) return;
	try {
		await connection.sql.unsafe("rollback");
	} catch {
		// What went wrong first is what the caller hears of; the server rolls back what it lost.
		connection.discard();
	}
}

/** One connection, made at the first query and, where we make the socket, never again. */
function client(
	url: string,
	{
		socketPath,
		onGone,
		onNotify,
	}: {
		readonly socketPath?: string | undefined;
		readonly onGone?: () => void;
		readonly onNotify?: (channel: string, text: string) => void;
	},
): Sql {
	const { searchParams } = new URL(url);
	const tls = searchParams.has("sslmode") || searchParams.has("ssl");
	let connected = false;
	const socket = (): Socket => {
		if (connected) {
			onGone?.();
			throw connectionLost();
		}
		connected = true;
		return openSocket(new URL(url), socketPath);
	};
	return postgres(url, {
		max: 1,
		connect_timeout: CONNECT_TIMEOUT_S,
		idle_timeout: 0,
		max_lifetime: null,
		connection: { application_name: "recant", search_path: "recant" },
		types: { bigint: postgres.BigInt },
		transform: { undefined: null },
		onnotice: () => undefined,
		...(onGone === undefined ? {} : { onclose: onGone }),
		...(onNotify === undefined ? {} : { onnotify: onNotify }),
		...(tls ? {} : { socket }),
	} as postgres.Options<Record<string, postgres.PostgresType>>) as unknown as Sql;
}

/**
 * postgres.js leaves Nagle's algorithm on, which holds large messages back by up to 40 ms. It waits for
 * the connection itself, and only then hears of a failure.
 */
function openSocket(url: URL, socketPath: string | undefined): Socket {
	const port = url.port === "" ? 5432 : Number(url.port);
	const host = url.hostname.replace(/^\[|\]$/g, "");
	return socketPath === undefined ? connect({ host, port, noDelay: true }) : connect(socketPath);
}

function connectionLost(): RetryableError {
	return new RetryableError("database_unavailable", {
		message: "Postgres closed the connection before it was ready",
		hint: "it is tried again; check the database server if this goes on",
	});
}

function busy(): RetryableError {
	return new RetryableError("database_unavailable", {
		message: `Postgres did not answer within ${LIMITS.databaseProbeMs} ms`,
		hint: "it is down, or every connection is busy: see the pool in /readyz",
	});
}

function notAsked(lastError: string): RetryableError {
	return new RetryableError("database_unavailable", {
		message: `Postgres does not answer: ${lastError}`,
		hint: "it is asked again every second; check the database server if this goes on",
	});
}

async function migrateSchema(url: string): Promise<void> {
	const sql = client(url, {});
	try {
		await migrate(sql);
	} catch (error) {
		throw new FatalError("database_unreachable", {
			message: `Postgres at ${shownUrl(url)} could not be opened: ${reason(error)}`,
			hint: "check DATABASE_URL, that the server runs, and that the user may create schemas",
			cause: error,
		});
	} finally {
		await sql.end({ timeout: 1 });
	}
}

/** The URL without its password. */
function shownUrl(url: string): string {
	const parsed = new URL(url);
	if (parsed.password !== "") parsed.password = "***";
	return parsed.toString();
}
