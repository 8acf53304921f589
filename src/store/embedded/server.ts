/** One server process of the embedded Postgres: launching it, and ending it. */
import { closeSync, openSync } from "node:fs";
import { readdir, readFile, stat, truncate } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FatalError } from "../../domain/errors.ts";
import { isRunning, programName, waitForExit } from "../../resilience/running-process.ts";
import type { PostgresBinaries } from "./binaries.ts";
import type { PostgresHome } from "./cluster.ts";
import { type Postmaster, readPidFile } from "./pid-file.ts";
import { type PostgresIdentity, spawnProgram } from "./process.ts";

/** Recovery after a crash replays at most max_wal_size (1 GB), half a minute on a slow disk. */
const READY_MS = 120_000;
const READY_POLL_MS = 10;
/** A port may be taken between its choice and its use, and a killed server's children may linger. */
const LAUNCH_ATTEMPTS = 5;
const LAUNCH_PAUSE_MS = 200;
/** A fast shutdown writes a checkpoint of shared_buffers. */
const FAST_STOP_MS = 30_000;
/** An immediate one only kills; the server itself gives its children five seconds. */
const IMMEDIATE_STOP_MS = 10_000;
/** A log file above this at a start is emptied; in a quiet day it has some kilobytes. */
const LOG_FILE_BYTES = 10_485_760;
/** Lines of the start's output that go into an error. */
const STARTUP_LINES = 10;
/** A Unix socket's path, with the byte that ends it: 108 on Linux, 104 on macOS and the BSDs. */
const SOCKET_PATH_BYTES = process.platform === "linux" ? 107 : 103;

/** Path of the Unix socket; undefined where it would be too long for the system. */
export function socketPath(socketDir: string, port: number): string | undefined {
	const path = join(socketDir, `.s.PGSQL.${port}`);
	return Buffer.byteLength(path) <= SOCKET_PATH_BYTES ? path : undefined;
}

/** A list in Postgres's syntax: quoted, since a comma would end the path; empty for TCP only. */
function socketFolder({ socketDir }: PostgresHome): string {
	const fits = socketPath(socketDir, 65_535) !== undefined;
	return fits ? `"${socketDir.replaceAll('"', '""')}"` : "";
}

/**
 * Settings of the server, given at each start so that they change with Recant. What is not named
 * keeps Postgres's default: above all fsync, synchronous_commit and full_page_writes.
 */
function serverSettings(home: PostgresHome, port: number): Readonly<Record<string, string>> {
	return {
		listen_addresses: "127.0.0.1",
		port: String(port),
		unix_socket_directories: socketFolder(home),
		unix_socket_permissions: "0700",
		// With the default 128 MB a rollback's time grew 1.8 times from 10,000 to 1,000,000 memories.
		shared_buffers: "256MB",
		// Pools of the service and its queue together take some forty.
		max_connections: "60",
		timezone: "UTC",
		log_timezone: "UTC",
		// One file a weekday, emptied when its day comes again. Errors of statements are not logged:
		// the client gets them, and they would carry the contents of memories into the log.
		logging_collector: "on",
		log_directory: home.logDir,
		log_filename: "postgres-%a.log",
		log_rotation_age: "1d",
		log_rotation_size: "0",
		log_truncate_on_rotation: "on",
		log_min_messages: "log",
		log_min_error_statement: "panic",
		log_checkpoints: "off",
	};
}

/**
 * Launches a server of the cluster and waits until it accepts connections.
 *
 * @throws FatalError `database_unreachable` with the last lines of what it said.
 */
export async function launchServer(options: {
	readonly home: PostgresHome;
	readonly identity: PostgresIdentity;
	readonly binaries: PostgresBinaries;
	readonly settings: Readonly<Record<string, string>>;
}): Promise<Postmaster> {
	await emptyLargeLogs(options.home);
	for (let attempt = 1; ; attempt += 1) {
		const outcome = await launchOnce(options);
		if (typeof outcome !== "string") {
			return outcome;
		}
		const passing = /could not bind|could not create any|still in use/.test(outcome);
		if (!passing || attempt === LAUNCH_ATTEMPTS) {
			throw didNotStart(options.home, outcome);
		}
		await sleep(LAUNCH_PAUSE_MS);
	}
}

/** The server, or why it did not come up. */
async function launchOnce(options: {
	readonly home: PostgresHome;
	readonly identity: PostgresIdentity;
	readonly binaries: PostgresBinaries;
	readonly settings: Readonly<Record<string, string>>;
}): Promise<Postmaster | string> {
	const { home, identity, binaries } = options;
	const settings = { ...serverSettings(home, await freePort()), ...options.settings };
	const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
	const output = openSync(home.startupLog, "w", 0o600);
	const child = spawnProgram(identity, binaries.postgres, ["-D", home.cluster, ...args], output);
	closeSync(output);
	// The server outlives the service on purpose, so it does not keep the service's event loop alive.
	child.unref();
	const failed = new Promise<string>((resolve) => {
		child.once("error", (error) => resolve(error.message));
		child.once("exit", () => resolve(startupOutput(home)));
	});
	const { pid } = child;
	return pid === undefined ? failed : Promise.race([failed, waitUntilReady(home, pid)]);
}

async function waitUntilReady(home: PostgresHome, pid: number): Promise<Postmaster | string> {
	const deadline = Date.now() + READY_MS;
	while (Date.now() < deadline && (await isRunning(pid))) {
		const postmaster = await readPidFile(home.cluster);
		if (postmaster?.pid === pid && postmaster.status === "ready") {
			return postmaster;
		}
		await sleep(READY_POLL_MS);
	}
	if (await isRunning(pid)) {
		await stopServer(pid);
		return `it was not ready after ${READY_MS} ms; ${await startupOutput(home)}`;
	}
	return startupOutput(home);
}

async function startupOutput(home: PostgresHome): Promise<string> {
	const lines = (await readFile(home.startupLog, "utf8")).trim().split("\n");
	return lines.slice(-STARTUP_LINES).join("\n");
}

/**
 * Waits while a server that was found is still coming up.
 *
 * @returns the server when it is ready, undefined when it ended or did not become ready in time.
 */
export async function awaitFoundServer(
	home: PostgresHome,
	found: Postmaster,
): Promise<Postmaster | undefined> {
	const deadline = Date.now() + READY_MS;
	while (Date.now() < deadline && (await isRunning(found.pid))) {
		const now = await readPidFile(home.cluster);
		if (now?.pid === found.pid && now.status === "ready") {
			return now;
		}
		await sleep(READY_POLL_MS);
	}
	return undefined;
}

/**
 * Ends a server: fast (open transactions are rolled back, everything is written), and if that takes
 * too long immediately, which the next start repairs from the log. Nothing acknowledged is lost.
 *
 * @throws FatalError `database_unreachable` if it still runs after both.
 */
export async function stopServer(pid: number, fastStopMs = FAST_STOP_MS): Promise<void> {
	const name = await programName(pid);
	if (name !== undefined && name !== "postgres") {
		// The server has died meanwhile, and its pid is another program's.
		return;
	}
	for (const [signal, deadlineMs] of [
		["SIGINT", fastStopMs],
		["SIGQUIT", IMMEDIATE_STOP_MS],
	] as const) {
		if (await isRunning(pid)) {
			process.kill(pid, signal);
		}
		if (await waitForExit(pid, deadlineMs)) {
			return;
		}
	}
	throw new FatalError("database_unreachable", {
		message: `the embedded Postgres, process ${pid}, does not stop`,
		hint: "look at what the process waits for (a hanging disk?); the next start adopts it",
		fields: { pid },
	});
}

async function freePort(): Promise<number> {
	const server = createServer();
	await new Promise<void>((resolve, reject) => {
		server.once("error", reject);
		server.listen(0, "127.0.0.1", resolve);
	});
	const address = server.address();
	await new Promise((resolve) => server.close(resolve));
	return typeof address === "object" && address !== null ? address.port : 0;
}

async function emptyLargeLogs(home: PostgresHome): Promise<void> {
	for (const name of await readdir(home.logDir)) {
		const path = join(home.logDir, name);
		if ((await stat(path)).size > LOG_FILE_BYTES) {
			await truncate(path);
		}
	}
}

function didNotStart(home: PostgresHome, why: string): FatalError {
	return new FatalError("database_unreachable", {
		message: `the embedded Postgres in ${home.cluster} did not start: ${why}`,
		hint: `see ${home.startupLog} and ${home.logDir}`,
		fields: { path: home.cluster },
	});
}
