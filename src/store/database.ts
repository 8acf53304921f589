/**
 * The connection to Postgres: one pool for queries in SQL, a client of its own for migrations
 * (drizzle replaces the JSON serializers of the client that it is given).
 *
 * Every error that leaves this module is a RecantError: what the server or the network did becomes
 * `database_unavailable` when trying again can help, else `internal`.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { drizzle } from "drizzle-orm/postgres-js";
import { migrate } from "drizzle-orm/postgres-js/migrator";
import postgres from "postgres";
import { FatalError, RecantError, RetryableError } from "../domain/errors.ts";

export type Sql = postgres.Sql<{ bigint: bigint }>;
/** A connection inside a transaction. */
export type Tx = Sql;
/** Either: a query that can run alone or inside a transaction. */
export type Queryable = Sql;

/** Connections of one process: two a chain for writing, the rest for readers. */
const POOL_SIZE = 12;
const CONNECT_TIMEOUT_S = 5;
/** Any number will do, as long as all processes of Recant use the same. */
const MIGRATION_LOCK = 7_263_226n;
const MIGRATIONS_FOLDER = fileURLToPath(new URL("../../drizzle", import.meta.url));

export class Database {
	readonly url: string;
	readonly #sql: Sql;

	private constructor(url: string, sql: Sql) {
		this.url = url;
		this.#sql = sql;
	}

	/**
	 * Connects and brings the schema up to date. `socketPath`: Unix socket of the same server. Throws
	 * `database_unreachable`.
	 */
	static async open(url: string, socketPath?: string): Promise<Database> {
		await migrateSchema(url);
		return new Database(url, client(url, POOL_SIZE, socketPath));
	}

	/** Runs one statement, or several that need not be consistent with each other. */
	async run<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result> {
		try {
			return await work(this.#sql);
		} catch (error) {
			throw asDatabaseError(error);
		}
	}

	/** One snapshot for everything that `work` reads. */
	async snapshot<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result> {
		return this.run((sql) =>
			inTransaction(sql, "begin isolation level repeatable read read only", work),
		);
	}

	async transaction<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result> {
		return this.run((sql) => inTransaction(sql, "begin", work));
	}

	/** Calls `onNotify` at each NOTIFY of the channel, also after a reconnect. */
	async listen(channel: string, onNotify: (payload: string) => void): Promise<() => Promise<void>> {
		const listening = await this.run((sql) => sql.listen(channel, onNotify));
		return () => listening.unlisten();
	}

	async close(): Promise<void> {
		await this.#sql.end({ timeout: 5 });
	}
}

/**
 * `sql.begin` of postgres.js writes its ROLLBACK to a connection that is gone, from a timer, which
 * ends the process; so transactions run on a reserved connection, and one that broke is let be.
 */
async function inTransaction<Result>(
	sql: Sql,
	begin: string,
	work: (tx: Tx) => Promise<Result>,
): Promise<Result> {
	const reserved = await sql.reserve();
	try {
		await reserved.unsafe(begin);
		const result = await work(reserved as unknown as Tx);
		await reserved.unsafe("commit");
		return result;
	} catch (error) {
		if (!isBroken(error)) await reserved.unsafe("rollback");
		throw error;
	} finally {
		reserved.release();
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

function client(url: string, max: number, socketPath?: string): Sql {
	const { searchParams } = new URL(url);
	const tls = searchParams.has("sslmode") || searchParams.has("ssl");
	return postgres(url, {
		max,
		connect_timeout: CONNECT_TIMEOUT_S,
		idle_timeout: 0,
		connection: { application_name: "recant", search_path: "recant" },
		types: { bigint: postgres.BigInt },
		transform: { undefined: null },
		onnotice: () => undefined,
		...(tls ? {} : { socket: () => openSocket(new URL(url), socketPath) }),
	} as postgres.Options<Record<string, postgres.PostgresType>>) as unknown as Sql;
}

/** postgres.js leaves Nagle's algorithm on, which holds large messages back by up to 40 ms. */
async function openSocket(url: URL, socketPath: string | undefined): Promise<Socket> {
	const port = url.port === "" ? 5432 : Number(url.port);
	const host = url.hostname.replace(/^\[|\]$/g, "");
	const socket =
		socketPath === undefined ? connect({ host, port, noDelay: true }) : connect(socketPath);
	const timer = setTimeout(() => socket.destroy(connectTimeout()), CONNECT_TIMEOUT_S * 1_000);
	try {
		await once(socket, "connect");
		return socket;
	} finally {
		clearTimeout(timer);
	}
}

function connectTimeout(): RetryableError {
	return new RetryableError("database_unavailable", {
		message: `no connection to Postgres within ${CONNECT_TIMEOUT_S} s`,
		hint: "check that the server runs and can be reached",
	});
}

async function migrateSchema(url: string): Promise<void> {
	const sql = client(url, 1);
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
