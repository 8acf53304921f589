/**
 * The connections to Postgres: a pool for queries in SQL, a client of its own for migrations (drizzle
 * replaces the JSON serializers of the client that it is given).
 *
 * Every error that leaves this module is a RecantError: what the server or the network did becomes
 * `database_unavailable` when trying again can help, else `internal`.
 */
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { drizzle } from "drizzle-orm/postgres-js";
import { migrate } from "drizzle-orm/postgres-js/migrator";
import postgres from "postgres";
import { FatalError, RecantError, RetryableError } from "../domain/errors.ts";
import { type Connection, ConnectionPool, type OpenConnection } from "./connection-pool.ts";
import type { Sql, Tx } from "./sql.ts";

/** Connections of one process: two a chain for writing, the rest for readers. */
const POOL_SIZE = 12;
const CONNECT_TIMEOUT_S = 5;
/** For queries that are under way at the end. */
const CLOSE_TIMEOUT_S = 5;
/** Any number will do, as long as all processes of Recant use the same. */
const MIGRATION_LOCK = 7_263_226n;
const MIGRATIONS_FOLDER = fileURLToPath(new URL("../../drizzle", import.meta.url));

export class Database {
	readonly url: string;
	readonly #pool: ConnectionPool;

	private constructor(url: string, pool: ConnectionPool) {
		this.url = url;
		this.#pool = pool;
	}

	/**
	 * Connects and brings the schema up to date. `socketPath`: Unix socket of the same server. Throws
	 * `database_unreachable`.
	 */
	static async open(url: string, socketPath?: string): Promise<Database> {
		await migrateSchema(url);
		const open: OpenConnection = (onGone) => {
			const sql = client(url, { socketPath, onGone });
			return { sql, end: (timeoutS) => sql.end({ timeout: timeoutS }) };
		};
		return new Database(url, new ConnectionPool(POOL_SIZE, open));
	}

	/** Runs one statement, or several that need not be consistent with each other. */
	async run<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result> {
		return this.#lend(({ sql }) => work(sql));
	}

	/** One snapshot for everything that `work` reads. */
	async snapshot<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result> {
		return this.#lend((connection) => inSnapshot(connection, work));
	}

	async transaction<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result> {
		return this.#lend((connection) => inTransaction(connection, "begin", work));
	}

	async close(): Promise<void> {
		await this.#pool.close(CLOSE_TIMEOUT_S);
	}

	async #lend<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result> {
		try {
			return await this.#pool.lend(work);
		} catch (error) {
			throw asDatabaseError(error);
		}
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
		if (!isBroken(error)) await rollBack(connection);
		else connection.discard();
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
		if (!isBroken(error)) await rollBack(connection);
		else connection.discard();
		throw error;
	}
}

async function rollBack(connection: Connection): Promise<void> {
	if (connection.gone) return;
	try {
		await connection.sql.unsafe("rollback");
	} catch {
		// What went wrong first is what the caller hears of; the server rolls back what it lost.
		connection.discard();
	}
}

/** Whether the connection is gone, or will be: a server that shuts down says so first. */
function isBroken(error: unknown): boolean {
	if (error instanceof RecantError) return false;
	const code = codeOf(error);
	return code !== "" && (!SQLSTATE.test(code) || code.startsWith("57P"));
}

/** Five characters with a digit among them: `EPIPE` is none. */
const SQLSTATE = /^(?=.*\d)[0-9A-Z]{5}$/;

function codeOf(error: unknown): string {
	return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
}

/** One connection, made at the first query and, where we make the socket, never again. */
function client(
	url: string,
	{
		socketPath,
		onGone,
	}: { readonly socketPath?: string | undefined; readonly onGone?: () => void },
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

async function migrateSchema(url: string): Promise<void> {
	const sql = client(url, {});
	try {
		await sql`select pg_advisory_lock(${MIGRATION_LOCK})`;
		await migrate(drizzle(sql as unknown as postgres.Sql), {
			migrationsFolder: MIGRATIONS_FOLDER,
			migrationsSchema: "recant_migrations",
		});
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

function reason(error: unknown): string {
	if (error instanceof AggregateError) return error.errors.map(reason).join("; ");
	if (error instanceof Error)
		return error.cause === undefined ? error.message : reason(error.cause);
	return String(error);
}

/** Classes of SQLSTATE in which the server or the network is at fault for the moment. */
const PASSING_CLASSES = ["08", "40", "53", "55", "57", "58"];

function asDatabaseError(error: unknown): RecantError {
	if (error instanceof RecantError) return error;
	const code =
		typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
	const passing = !/^[0-9A-Z]{5}$/.test(code) || PASSING_CLASSES.includes(code.slice(0, 2));
	if (!(error instanceof Error) || (code === "" && !/connect|socket|closed/i.test(error.message))) {
		return internal(error);
	}
	if (!passing) return internal(error);
	return new RetryableError("database_unavailable", {
		message: `Postgres did not answer: ${reason(error)}`,
		hint: "it is tried again; check the database server if this goes on",
		cause: error,
	});
}

function internal(error: unknown): FatalError {
	return new FatalError("internal", {
		message: `a query failed: ${reason(error)}`,
		hint: "this is a defect of Recant; please report it with the log",
		cause: error,
	});
}
