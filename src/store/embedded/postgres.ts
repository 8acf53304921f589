/**
 * The embedded Postgres: a real server from npm's binaries, on 127.0.0.1 and a Unix socket.
 *
 * It runs in a session of its own and so outlives a SIGKILL of the service; the next start adopts it.
 * The caller holds the lock of the data directory, so no other Recant starts or stops a server of the
 * same home meanwhile.
 *
 * Home, with the folder's owner the one as whom Postgres runs:
 * cluster/ (Postgres's data), password, socket/, log/, startup.log.
 */
import { realpath, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import postgres from "postgres";
import { FatalError, RecantError } from "../../domain/errors.ts";
import { findPostgresBinaries, readMajorVersion } from "./binaries.ts";
import {
	clusterOwner,
	ensureCluster,
	ensurePassword,
	makeHome,
	POSTGRES_USER,
	type PostgresHome,
	postgresHome,
} from "./cluster.ts";
import { chooseIdentity } from "./identity.ts";
import { findPostmaster, type Postmaster } from "./pid-file.ts";
import { awaitFoundServer, launchServer, socketPath, stopServer } from "./server.ts";

export interface EmbeddedPostgres {
	/** postgres://…@127.0.0.1:{port}/recant, with the password; for postgres.js, pg and psql. */
	readonly url: string;
	readonly port: number;
	/**
	 * Unix socket of the same server, faster than TCP where a client does not set TCP_NODELAY:
	 * `path` of postgres.js; its folder is `host` of pg. Undefined where its path would be too long.
	 */
	readonly socketPath: string | undefined;
	/** The server's process. */
	readonly pid: number;
	/** True when the server was running already. */
	readonly adopted: boolean;
	/** Ends the server, adopted or not; further calls wait for the same end. */
	stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
	/** Home of the server; made if missing. Its parents must exist. */
	readonly dataDir: string;
	/** Told what was done that an operator may want to know. */
	readonly log?: ((message: string) => void) | undefined;
	/** Server settings that replace Recant's own, by name; an adopted server keeps those it has. */
	readonly settings?: Readonly<Record<string, string>> | undefined;
}

/** An adopted or just started server answers in milliseconds, unless the machine is overloaded. */
const CONNECT_SECONDS = 10;

/**
 * Starts or adopts the server of a home.
 *
 * @throws FatalError `postgres_missing`, `database_incompatible`, `database_unreachable`,
 * `data_directory_corrupt`, `data_directory_unwritable` or `data_directory_in_use`.
 */
export async function startEmbeddedPostgres(
	options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
	const home = postgresHome(resolve(options.dataDir));
	const log = options.log ?? (() => undefined);
	try {
		return await start(home, log, options.settings ?? {});
	} catch (error) {
		throw error instanceof RecantError ? error : unusable(home, error);
	}
}

async function start(
	home: PostgresHome,
	log: (message: string) => void,
	settings: Readonly<Record<string, string>>,
): Promise<EmbeddedPostgres> {
	const binaries = findPostgresBinaries();
	const owner = await clusterOwner(home);
	const paths = [binaries.postgres, home.root];
	const identity = await chooseIdentity({ clusterOwner: owner, paths });
	const majorVersion = await readMajorVersion(binaries, identity);
	await makeHome(home, identity);
	const password = await ensurePassword(home, identity);
	const { created } = await ensureCluster({ home, identity, binaries, majorVersion });
	if (created) {
		log(`made a Postgres ${majorVersion} cluster in ${home.cluster}`);
	}
	const adopted = await adoptServer(home, password, log);
	const postmaster = adopted ?? (await launchServer({ home, identity, binaries, settings }));
	try {
		await ensureDatabase(postmaster, password);
	} catch (error) {
		await stopServer(postmaster.pid);
		throw error;
	}
	return handle({ home, postmaster, password, adopted: adopted !== undefined });
}

function handle(server: {
	readonly home: PostgresHome;
	readonly postmaster: Postmaster;
	readonly password: string;
	readonly adopted: boolean;
}): EmbeddedPostgres {
	const { postmaster, password, adopted } = server;
	const { pid, port, socketDir } = postmaster;
	let stopping: Promise<void> | undefined;
	return {
		url: `postgres://${POSTGRES_USER}:${password}@127.0.0.1:${port}/${POSTGRES_USER}`,
		port,
		socketPath: socketDir === undefined ? undefined : socketPath(socketDir, port),
		pid,
		adopted,
		stop() {
			stopping ??= stopServer(pid);
			return stopping;
		},
	};
}

/** The running server of this home if there is one that answers as it should; else there is none after this. */
async function adoptServer(
	home: PostgresHome,
	password: string,
	log: (message: string) => void,
): Promise<Postmaster | undefined> {
	const found = await findPostmaster(home.cluster);
	switch (found.kind) {
		case "none":
			return undefined;
		case "stale":
			log(`removed a stale postmaster.pid: ${found.why}`);
			await rm(join(home.cluster, "postmaster.pid"), { force: true });
			return undefined;
		case "running": {
			const ready = await awaitFoundServer(home, found.postmaster);
			const problem =
				ready === undefined ? "it did not become ready" : await mismatch(home, ready, password);
			if (ready !== undefined && problem === undefined) {
				log(`adopted the running Postgres, process ${ready.pid}`);
				return ready;
			}
			return replace(home, found, problem ?? "", log);
		}
	}
}

/** Ends a server of this home that cannot be adopted; refuses where it may be another's. */
async function replace(
	home: PostgresHome,
	found: { readonly postmaster: Postmaster; readonly certain: boolean },
	problem: string,
	log: (message: string) => void,
): Promise<undefined> {
	const { pid } = found.postmaster;
	if (!found.certain) {
		throw new FatalError("data_directory_in_use", {
			message: `process ${pid} may be a Postgres server of ${home.cluster}, and cannot be adopted: ${problem}`,
			hint: `end process ${pid} if it is one; else remove ${join(home.cluster, "postmaster.pid")}`,
			fields: { path: home.cluster, pid },
		});
	}
	log(`ended the running Postgres, process ${pid}: ${problem}`);
	await stopServer(pid);
	return undefined;
}

/** Why the server on that port is not the one of this home; undefined: it is. */
async function mismatch(
	home: PostgresHome,
	postmaster: Postmaster,
	password: string,
): Promise<string | undefined> {
	const sql = connect(postmaster, password);
	try {
		const [row] = await sql<{ data_directory: string }[]>`show data_directory`;
		const served = await realpath(row?.data_directory ?? "");
		return served === (await realpath(home.cluster)) ? undefined : `it serves ${served}`;
	} catch (error) {
		return error instanceof Error ? error.message : String(error);
	} finally {
		await sql.end();
	}
}

/** A start may have been cut off between the cluster and its database, so this is asked each time. */
async function ensureDatabase(postmaster: Postmaster, password: string): Promise<void> {
	const sql = connect(postmaster, password);
	try {
		const found = await sql`select 1 from pg_database where datname = ${POSTGRES_USER}`;
		if (found.length === 0) {
			await sql`create database ${sql(POSTGRES_USER)}`;
		}
	} finally {
		await sql.end();
	}
}

function connect(postmaster: Postmaster, password: string) {
	return postgres({
		host: "127.0.0.1",
		port: postmaster.port,
		user: POSTGRES_USER,
		password,
		database: "postgres",
		max: 1,
		connect_timeout: CONNECT_SECONDS,
	});
}

function unusable(home: PostgresHome, cause: unknown): FatalError {
	const reason = cause instanceof Error ? cause.message : String(cause);
	const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
	const isFile = ["EACCES", "EPERM", "EROFS", "ENOSPC", "ENOTDIR", "EEXIST"].some(
		(c) => c === code,
	);
	return new FatalError(isFile ? "data_directory_unwritable" : "database_unreachable", {
		message: `the embedded Postgres in ${home.root} cannot be used: ${reason}`,
		hint: isFile
			? "give the user who runs Recant write access to it, or name another RECANT_DATA_DIR"
			: `see ${home.startupLog} and ${home.logDir}, or set DATABASE_URL`,
		fields: { path: home.root },
		cause,
	});
}
