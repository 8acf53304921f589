import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import postgres from "postgres";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isRunning, waitForExit } from "../../src/resilience/running-process.ts";
import { findPostgresBinaries } from "../../src/store/embedded/binaries.ts";
import { findPostmaster } from "../../src/store/embedded/pid-file.ts";
import {
	type EmbeddedPostgres,
	type EmbeddedPostgresOptions,
	startEmbeddedPostgres,
} from "../../src/store/embedded/postgres.ts";
import { stopServer } from "../../src/store/embedded/server.ts";

const STORE = new URL("../../src/store/embedded/postgres.ts", import.meta.url).href;
const CONFIG = new URL("../../src/config/data-directory.ts", import.meta.url).href;
const isRoot = process.getuid?.() === 0;
/** An initdb takes ten times as long as a kill waits. */
const MOST_KILLS = 5;

let base: string;
let home: string;
let cluster: string;
const children: ChildProcess[] = [];
const servers = new Set<number>();
/** Processes that a test has sent SIGSTOP. */
const frozen: number[] = [];

beforeEach(async () => {
	base = await mkdtemp(join(tmpdir(), "recant-pg-"));
	home = join(base, "postgres");
	cluster = join(home, "cluster");
});

afterEach(async () => {
	for (const child of children.splice(0)) {
		await kill(child);
	}
	// A child may have started a server that this process was never told of.
	for (const name of await readdir(base, { recursive: true })) {
		if (name.endsWith("postmaster.pid")) {
			const found = await findPostmaster(dirname(join(base, name)));
			if (found.kind === "running") {
				servers.add(found.postmaster.pid);
			}
		}
	}
	for (const pid of servers) {
		// What does not stop, or was stopped by a signal in a test that failed, is killed.
		await stopServer(pid, 5_000).catch(() => process.kill(pid, "SIGKILL"));
	}
	for (const pid of frozen.splice(0)) {
		if (await isRunning(pid)) {
			process.kill(pid, "SIGKILL");
		}
	}
	servers.clear();
	await rm(base, { recursive: true, force: true, maxRetries: 5 });
});

async function start(options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> {
	const server = await startEmbeddedPostgres({ dataDir: home, ...options });
	servers.add(server.pid);
	return server;
}

async function query(server: { readonly url: string }, text: string): Promise<unknown[]> {
	const sql = postgres(server.url, { max: 1, onnotice: () => undefined });
	try {
		return [...(await sql.unsafe(text))];
	} finally {
		await sql.end();
	}
}

/** Another process that opens the data directory, starts Postgres in it, says how it went, and stays. */
function serviceIn(root: string, ids: { uid?: number; gid?: number } = {}) {
	const script = `
		import { openDataDirectory } from ${JSON.stringify(CONFIG)};
		import { startEmbeddedPostgres } from ${JSON.stringify(STORE)};
		setInterval(() => undefined, 1000);
		try {
			const { postgres } = await openDataDirectory(${JSON.stringify(root)});
			const { url, pid, adopted } = await startEmbeddedPostgres({ dataDir: postgres });
			console.log(JSON.stringify({ url, pid, adopted }));
		} catch (error) {
			console.log(JSON.stringify({ code: error.code, message: error.message, fields: error.fields }));
		}`;
	const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
		stdio: ["ignore", "pipe", "inherit"],
		cwd: "/",
		detached: true,
		...ids,
	});
	children.push(child);
	const line = once(createInterface({ input: child.stdout }), "line");
	return { child, answer: line.then(([text]) => JSON.parse(String(text))) };
}

async function kill(child: ChildProcess, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
	if (child.exitCode === null && child.signalCode === null) {
		child.kill(signal);
		await once(child, "exit");
	}
}

/**
 * The home of a service that was killed in the middle of initdb. Nothing holds initdb back, so where it
 * was done before the kill came, as on a busy machine, another service is killed.
 */
async function leftInInitdb(): Promise<string> {
	for (let kills = 0; kills < MOST_KILLS; kills += 1) {
		const root = join(base, `.recant-${kills}`);
		const path = join(root, "postgres");
		const service = serviceIn(root);
		let answered = false;
		void service.answer.then(() => {
			answered = true;
		});
		while (!answered && !(await hasDraft(path))) await sleep(5);
		await sleep(100);
		await kill(service.child);
		if (await hasDraft(path)) return path;
	}
	throw new RangeError(`initdb was done before each of ${MOST_KILLS} kills`);
}

async function hasDraft(path: string): Promise<boolean> {
	// Not there before the service has made it.
	const names = await readdir(path).catch((): string[] => []);
	return names.some((name) => name.startsWith("cluster-draft-"));
}

describe("the embedded Postgres", () => {
	it("starts, stops, and keeps its data", async () => {
		const first = await start();
		expect(first.adopted).toBe(false);
		await query(first, "create table kept (n int); insert into kept values (42)");
		await first.stop();
		await first.stop();
		expect(await isRunning(first.pid)).toBe(false);
		expect((await stat(join(home, "password"))).mode & 0o777).toBe(0o600);
		expect((await stat(home)).mode & 0o777).toBe(0o700);

		const second = await start();
		expect(second.adopted).toBe(false);
		expect(await query(second, "select n from kept")).toEqual([{ n: 42 }]);
	});

	it("serves postgres.js and pg, by its URL and by its socket, and nobody without the password", async () => {
		const server = await start();
		const settings = `select current_setting('shared_buffers') as buffers,
			current_setting('fsync') as fsync, current_setting('listen_addresses') as listen,
			current_setting('server_encoding') as encoding,
			(select datlocale from pg_database where datname = current_database()) as locale`;
		const wanted = [
			{ buffers: "256MB", fsync: "on", listen: "127.0.0.1", encoding: "UTF8", locale: "C.UTF-8" },
		];
		expect(await query(server, settings)).toEqual(wanted);

		const path = server.socketPath ?? "";
		const sql = postgres(server.url, { max: 1, path });
		expect([...(await sql`select inet_server_addr() as address`)]).toEqual([{ address: null }]);
		await sql.end();

		for (const host of ["127.0.0.1", dirname(path)]) {
			const { username: user, password } = new URL(server.url);
			const client = new pg.Client({ host, port: server.port, user, password, database: user });
			await client.connect();
			expect((await client.query(settings)).rows).toEqual(wanted);
			await client.end();
		}

		const stranger = new URL(server.url);
		stranger.password = "guess";
		await expect(query({ url: stranger.href }, "select 1")).rejects.toThrow(/password/);
	});

	it("takes paths with blanks, commas and quotes, and does without a socket where the path is long", async () => {
		const server = await start({ dataDir: join(base, "a, b 'c' \"d\"") });
		expect(server.socketPath).toBeDefined();
		await server.stop();
		const long = join(base, "x".repeat(100));
		await mkdir(long);
		const other = await start({ dataDir: join(long, "postgres") });
		expect(other.socketPath).toBeUndefined();
		expect(await query(other, "select 1 as one")).toEqual([{ one: 1 }]);
	});

	it.runIf(isRoot)("runs as an unprivileged user for root where one can reach it", async () => {
		await chmod(base, 0o711);
		const server = await start();
		expect((await stat(cluster)).uid).not.toBe(0);
		expect(await query(server, "select 1 as one")).toEqual([{ one: 1 }]);
	});

	it.runIf(isRoot)("runs for an ordinary user", async () => {
		await chmod(base, 0o777);
		const { answer } = serviceIn(join(base, ".recant"), { uid: 65_534, gid: 65_534 });
		const { url, code } = await answer;
		expect(code).toBeUndefined();
		expect((await stat(join(base, ".recant", "postgres", "cluster"))).uid).toBe(65_534);
		expect(await query({ url }, "select 1 as one")).toEqual([{ one: 1 }]);
	});
});

describe("a service that ends without stopping it", () => {
	it.each([["SIGKILL"], ["SIGINT"]] as const)(
		"leaves a server that the next start adopts (%s)",
		async (signal) => {
			const service = serviceIn(join(base, ".recant"));
			const { url, pid } = await service.answer;
			await query({ url }, "create table kept (n int); insert into kept values (42)");
			// The whole group, as Ctrl-C in a terminal does.
			process.kill(-(service.child.pid ?? 0), signal);
			await once(service.child, "exit");
			expect(await isRunning(pid)).toBe(true);

			const dataDir = join(base, ".recant", "postgres");
			const messages: string[] = [];
			const server = await start({ dataDir, log: (message) => messages.push(message) });
			expect(server).toMatchObject({ adopted: true, pid, url });
			expect(messages.join()).toContain(`adopted the running Postgres, process ${pid}`);
			expect(await query(server, "select n from kept")).toEqual([{ n: 42 }]);
			await server.stop();
			expect(await isRunning(pid)).toBe(false);
		},
	);

	it("keeps a second service out while it lives, whoever comes first", async () => {
		const root = join(base, ".recant");
		const services = [serviceIn(root), serviceIn(root)];
		const answers = await Promise.all(services.map(({ answer }) => answer));
		const winner = answers.findIndex(({ pid }) => pid !== undefined);
		const loser = answers[1 - winner];
		expect(answers[winner]).toMatchObject({ adopted: false });
		expect(loser).toMatchObject({
			code: "data_directory_in_use",
			fields: { pid: services[winner]?.child.pid },
		});
	});

	it("may have been killed in the middle of initdb: it is done again", async () => {
		home = await leftInInitdb();
		expect(await readdir(home)).not.toContain("cluster");

		const server = await start();
		expect(await query(server, "select 1 as one")).toEqual([{ one: 1 }]);
		expect((await readdir(home)).filter((name) => name.startsWith("cluster-"))).toEqual([]);
	});
});

describe("a postmaster.pid without a server", () => {
	it("is left by a SIGKILL of Postgres itself: nothing acknowledged is lost", async () => {
		const first = await start();
		await query(first, "create table kept (n int)");
		await query(first, "insert into kept values (42)");
		process.kill(first.pid, "SIGKILL");
		expect(await waitForExit(first.pid, 5_000)).toBe(true);
		const second = await start();
		expect(second.adopted).toBe(false);
		expect(await query(second, "select n from kept")).toEqual([{ n: 42 }]);
	});

	it.each([
		["names another program's process", () => `${process.pid}\n${cluster}\n1\n5432\n\n\n\nready\n`],
		["is garbage", () => "\u0000\u0001 what?"],
		["is empty", () => ""],
	])("is removed when it %s", async (_what, content) => {
		await (await start()).stop();
		await writeFile(join(cluster, "postmaster.pid"), content());
		const messages: string[] = [];
		const server = await start({ log: (message) => messages.push(message) });
		expect(server.adopted).toBe(false);
		expect(messages.join()).toContain("stale postmaster.pid");
		expect(await query(server, "select 1 as one")).toEqual([{ one: 1 }]);
	});
});

describe("a cluster that cannot be served", () => {
	it("of another major version is refused, and left as it is", async () => {
		await (await start()).stop();
		await writeFile(join(cluster, "PG_VERSION"), "15\n");
		await expect(start()).rejects.toMatchObject({
			code: "database_incompatible",
			fields: { found: "15", wanted: 18 },
		});
		expect(await readFile(join(cluster, "PG_VERSION"), "utf8")).toBe("15\n");
		await writeFile(join(cluster, "PG_VERSION"), "18\n");
		await start();
	});

	it("without a version is corrupt, and is not made anew", async () => {
		await (await start()).stop();
		await rm(join(cluster, "PG_VERSION"));
		await expect(start()).rejects.toMatchObject({ code: "data_directory_corrupt" });
		expect(await readdir(cluster)).toContain("base");
	});

	it("without its password is corrupt", async () => {
		await (await start()).stop();
		await rm(join(home, "password"));
		await expect(start()).rejects.toMatchObject({
			code: "data_directory_corrupt",
			fields: { path: join(home, "password") },
		});
	});

	it("with another password leaves no server behind", async () => {
		const server = await start();
		await query(server, "alter role recant password 'another'");
		const messages: string[] = [];
		await expect(start({ log: (message) => messages.push(message) })).rejects.toMatchObject({
			code: "database_unreachable",
			message: expect.stringContaining("password"),
		});
		expect(messages.join()).toContain(`ended the running Postgres, process ${server.pid}`);
		expect((await findPostmaster(cluster)).kind).toBe("none");
	});

	it("that does not start says why", async () => {
		await (await start()).stop();
		await writeFile(join(cluster, "postgresql.conf"), "no_such_setting = 1\n");
		await expect(start()).rejects.toMatchObject({
			code: "database_unreachable",
			message: expect.stringContaining("no_such_setting"),
		});
	});

	it("in a place that cannot be written is told from the others", async () => {
		await writeFile(home, "");
		for (const dataDir of [home, join(home, "below")]) {
			await expect(start({ dataDir })).rejects.toMatchObject({ code: "data_directory_unwritable" });
		}
	});

	it("for lack of programs names DATABASE_URL", () => {
		for (const platform of ["sunos", "win32"] as const) {
			expect(() => findPostgresBinaries(platform)).toThrow(
				expect.objectContaining({
					code: "postgres_missing",
					hint: expect.stringContaining("DATABASE_URL"),
				}),
			);
		}
	});
});

describe("stopping", () => {
	it("ends open transactions at once", async () => {
		const server = await start();
		await query(server, "create table kept (n int)");
		const client = new pg.Client(server.url);
		client.on("error", () => undefined);
		await client.connect();
		await client.query("begin; insert into kept values (1)");
		const cut = expect(client.query("select pg_sleep(60)")).rejects.toThrow();
		const before = Date.now();
		await server.stop();
		expect(Date.now() - before).toBeLessThan(10_000);
		await cut;
		expect(await query(await start(), "select n from kept")).toEqual([]);
	});

	it("goes on to an immediate shutdown when a fast one hangs, and loses nothing", async () => {
		const server = await start();
		await query(server, "create table kept (n int); insert into kept values (42)");
		const [row] = await query(
			server,
			"select pid from pg_stat_activity where backend_type = 'checkpointer'",
		);
		const { pid } = row as { pid: number };
		// A fast shutdown waits for its last checkpoint.
		frozen.push(pid);
		process.kill(pid, "SIGSTOP");
		await stopServer(server.pid, 300);
		expect(await isRunning(server.pid)).toBe(false);
		expect(await waitForExit(pid, 10_000)).toBe(true);
		expect(await query(await start(), "select n from kept")).toEqual([{ n: 42 }]);
	});
});
