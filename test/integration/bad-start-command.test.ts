import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { beforeEach, describe, expect, inject, it, vi } from "vitest";
import { freePort } from "../../scripts/support/free-port.ts";
import { startAnvil } from "../support/anvil.ts";
import { createTestDatabase } from "../support/postgres.ts";
import {
	type Ended,
	failedStarts,
	processesNaming,
	runCommand,
	startCommand,
} from "../support/recant-command.ts";
import { until } from "../support/running-service.ts";
import { testDir } from "../support/temp-dir.ts";
import { atTestEnd } from "../support/test-end.ts";

/** Each test starts one or several processes of the whole service. */
vi.setConfig({ testTimeout: 120_000 });

/** Nothing listens there, so no chain needs a node. */
const NO_NODE = "http://127.0.0.1:9";

let dir: string;
let variables: Record<string, string>;

beforeEach(async () => {
	dir = testDir("bad-start");
	variables = {
		RECANT_DATA_DIR: join(dir, "data"),
		RECANT_PORT: "0",
		RECANT_RPC_URL: NO_NODE,
		DATABASE_URL: inject("databaseUrl"),
	};
});

async function start(more: Record<string, string> = {}): Promise<Ended> {
	return runCommand(["start"], { ...variables, ...more });
}

/** `error:` and `hint:`, exit code 1, no trace of the inside, and nothing left behind. */
function expectFailure(ended: Ended, code: string, message: RegExp): void {
	const { stderr, stdout } = ended;
	const lines = stderr.split("\n").filter((line) => !line.startsWith("{"));
	expect(lines.join("\n")).toMatch(new RegExp(`^error: .* \\(${code}\\)\nhint: .+\n$`, "s"));
	expect(stderr).toMatch(message);
	expect({ code: ended.code, signal: ended.signal }).toEqual({ code: 1, signal: null });
	expect(stdout).toBe("");
	expect(stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
	expect(stderr).not.toContain('"stack"');
	expect(stderr).not.toMatch(/Error: /);
	expect(processesNaming(dir)).toEqual([]);
}

type Failure = readonly [what: string, message: RegExp, variables: Record<string, string>];

/** The same of several, in one process. */
async function expectFailures(code: string, failures: readonly Failure[]): Promise<void> {
	const ended = await failedStarts(failures.map(([, , more]) => ({ ...variables, ...more })));
	for (const [index, [what, message]] of failures.entries()) {
		const one = ended[index];
		expect(one, what).toBeDefined();
		if (one !== undefined) expectFailure(one, code, message);
	}
}

async function listening(answer: (server: Server) => void = () => undefined): Promise<number> {
	const server = createServer();
	answer(server);
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	atTestEnd(() => void server.close());
	const address = server.address();
	return typeof address === "object" && address !== null ? address.port : 0;
}

describe("DATABASE_URL", () => {
	it("where nothing listens is named, without its password", async () => {
		const url = `postgres://recant:hush-hush@127.0.0.1:${await freePort()}/recant`;
		const ended = await start({ DATABASE_URL: url });
		expectFailure(
			ended,
			"database_unreachable",
			/recant:\*\*\*@127\.0\.0\.1:\d+\/recant .*REFUSED/,
		);
		expect(ended.stderr).not.toContain("hush-hush");
	});

	it("where something listens that never answers is given up", async () => {
		const port = await listening((server) => server.on("connection", (socket) => socket.resume()));
		const ended = await start({ DATABASE_URL: `postgres://recant@127.0.0.1:${port}/recant` });
		expectFailure(ended, "database_unreachable", /127\.0\.0\.1/);
	});

	it("of any other kind that cannot be used is named", async () => {
		const port = await listening((server) =>
			server.on("connection", (socket) => {
				socket.on("error", () => undefined);
				socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
			}),
		);
		const missing = new URL(inject("databaseUrl"));
		missing.pathname = "/no_such_database";
		const server = `postgres://recant@127.0.0.1:${port}/recant`;
		const nowhere = "postgres://recant@no-such-host.invalid/recant";
		await expectFailures("database_unreachable", [
			["another server", /127\.0\.0\.1/, { DATABASE_URL: server }],
			["no such host", /no-such-host/, { DATABASE_URL: nowhere }],
			["no such database", /no_such_database/, { DATABASE_URL: missing.href }],
		]);
		await expectFailures("configuration_invalid", [
			["another scheme", /DATABASE_URL/, { DATABASE_URL: "mysql://localhost/recant" }],
		]);
	});
});

describe("REDIS_URL", () => {
	it("where nothing listens is named, and done without", async () => {
		const database = await createTestDatabase("bad redis");
		const port = await freePort();
		const command = startCommand(["start"], {
			...variables,
			DATABASE_URL: database.url,
			REDIS_URL: `redis://:hush-hush@127.0.0.1:${port}`,
		});
		const [url = ""] = await command.says(/http:\/\/127\.0\.0\.1:\d+/);
		const ready = await (await fetch(`${url}/readyz`)).json();
		expect(ready).toMatchObject({
			degraded: expect.arrayContaining(["queue", "redis"]),
			checks: { redis: { ok: false, required: false, detail: expect.stringMatching(`${port}`) } },
		});
		command.kill("SIGTERM");
		const ended = await command.ended;
		expect({ code: ended.code, signal: ended.signal }).toEqual({ code: 0, signal: null });
		expect(ended.stderr).toMatch(/going on without it/);
		expect(ended.stderr + JSON.stringify(ready)).not.toContain("hush-hush");
	});
});

describe("LANCEDB_URI", () => {
	beforeEach(async () => {
		variables["DATABASE_URL"] = (await createTestDatabase("bad vectors")).url;
	});

	it("below a file cannot be written", async () => {
		await writeFile(join(dir, "file"), "");
		const ended = await start({ LANCEDB_URI: join(dir, "file", "vectors") });
		expectFailure(ended, "vectors_unwritable", /file\/vectors cannot be written: ENOTDIR/);
	});

	it("on a file system that takes nothing cannot be written", async () => {
		await expectFailures("vectors_unwritable", [
			["/proc", /\/proc\/vectors cannot be written: ENOENT/, { LANCEDB_URI: "/proc/vectors" }],
			["below /proc", /ENOENT/, { LANCEDB_URI: "/proc/a/b/vectors" }],
		]);
	});

	it("of another installation, or whose stamp cannot be read, is refused", async () => {
		const stamped = async (stamp: string) => {
			const vectors = join(dir, `vectors-${randomUUID()}`);
			await mkdir(vectors);
			await writeFile(join(vectors, "recant-installation.json"), stamp);
			return vectors;
		};
		const other = randomUUID();
		const foreign = await stamped(JSON.stringify({ installationId: other }));
		await expectFailures("data_directory_foreign", [
			["another's", new RegExp(other), { LANCEDB_URI: foreign }],
		]);
		await expectFailures("data_directory_corrupt", [
			["no JSON", /stamp/, { LANCEDB_URI: await stamped("{") }],
			["no id", /stamp/, { LANCEDB_URI: await stamped("{}") }],
		]);
	});
});

describe("RECANT_DATA_DIR", () => {
	const data = () => variables["RECANT_DATA_DIR"] ?? "";

	it("that holds something else is left alone", async () => {
		await mkdir(data());
		await writeFile(join(data(), "thesis.txt"), "years of work");
		expectFailure(await start(), "data_directory_foreign", /thesis\.txt/);
		expect(await readdir(data())).toEqual(["thesis.txt"]);
	});

	it("whose marker is wrong is left alone", async () => {
		const markers: readonly string[] = [
			"{",
			"",
			'{"format":1,"createdAt":"2026-01-01T00:00:00Z"}',
			'{"format":2}',
		];
		const folders = await Promise.all(
			markers.map(async (marker) => {
				const folder = join(dir, `data-${randomUUID()}`);
				await mkdir(folder);
				await writeFile(join(folder, "recant.json"), marker);
				return folder;
			}),
		);
		await expectFailures(
			"data_directory_corrupt",
			folders.map((folder) => [folder, /recant\.json/, { RECANT_DATA_DIR: folder }]),
		);
		for (const [index, folder] of folders.entries()) {
			expect(await readdir(folder)).toEqual(["recant.json"]);
			expect(await readFile(join(folder, "recant.json"), "utf8")).toBe(markers[index]);
		}
	});

	it("that cannot be made is refused", async () => {
		await writeFile(data(), "");
		await expectFailures("data_directory_unwritable", [
			["a file", /data/, {}],
			["/proc", /\/proc\/recant/, { RECANT_DATA_DIR: "/proc/recant" }],
		]);
	});

	it("whose embedded database is of another major version is refused", async () => {
		const { DATABASE_URL: _unset, ...embedded } = variables;
		const first = startCommand(["start"], embedded);
		await first.says(/answers at/);
		first.kill("SIGTERM");
		await first.ended;
		const versions = (await filesNamed(join(data(), "postgres"), "PG_VERSION")).filter(
			(path) => !path.includes("/base/"),
		);
		for (const path of versions) await writeFile(path, "15\n");
		expect(versions).not.toEqual([]);
		const ended = await runCommand(["start"], embedded);
		expectFailure(ended, "database_incompatible", /\b15\b/);
	});

	it("that another process uses is refused, and that process goes on", async () => {
		const { DATABASE_URL: _unset, ...embedded } = variables;
		const first = startCommand(["start"], embedded);
		const [, url = ""] = await first.says(/answers at (\S+)/);
		const second = await runCommand(["start"], embedded);
		expect(second.stderr).toContain(`in use by process ${first.pid}`);
		expect(second.code).toBe(1);
		expect(second.stderr).toMatch(/^error: .*data_directory_in_use\)\nhint: .+\n$/);
		expect((await fetch(`${url}/healthz`)).status).toBe(200);
		expect((await fetch(`${url}/v1/status`)).status).toBe(200);
		first.kill("SIGTERM");
		expect(await first.ended).toMatchObject({ code: 0 });
		await until("its processes to be gone", () => processesNaming(dir).length === 0);
	});
});

async function filesNamed(folder: string, name: string): Promise<readonly string[]> {
	const files = await readdir(folder, { recursive: true, withFileTypes: true });
	return files.filter((file) => file.name === name).map((file) => join(file.parentPath, file.name));
}

describe("RECANT_PORT", () => {
	it("that is in use is named, and neither database nor node are left behind", async () => {
		const port = await listening();
		const { DATABASE_URL: _database, RECANT_RPC_URL: _node, ...defaults } = variables;
		const ended = await runCommand(["start"], { ...defaults, RECANT_PORT: `${port}` });
		expectFailure(ended, "port_in_use", new RegExp(`port ${port}`));
		const left = await filesNamed(join(dir, "data"), "postmaster.pid");
		expect(left).toEqual([]);
		expect((await readdir(join(dir, "data"))).filter((name) => name.startsWith("lock."))).toEqual(
			[],
		);
	});
});

describe("a chain's file", () => {
	const valid = `export default {
		id: 31337, name: "mine", rpc: { urls: ["${NO_NODE}"] }, namespaces: ["mine"],
		contracts: { T: { abi: [], address: "0x5fbdb2315678afecb367f032d93f642f64180aa3" } },
		handlers: {},
	};`;
	const files: readonly (readonly [string, string, RegExp])[] = [
		["throws", 'throw new Error("it is Monday");', /mine\.ts.*it is Monday/],
		["throws no error", 'throw "a string";', /mine\.ts.*a string/],
		["is no TypeScript", "export default {{{", /mine\.ts/],
		["imports what is not there", 'import "./nothing.ts";\nexport default {};', /nothing\.ts/],
		["exports nothing", "export const chain = 1;", /mine\.ts.*default export/],
		["exports null", "export default null;", /mine\.ts/],
		["lacks its id", valid.replace("id: 31337, ", ""), /mine\.ts: .*\bid\b/],
		["lacks its URLs", valid.replace(/rpc: \{[^}]*\},/, ""), /mine\.ts: .*\brpc\b/],
		["has no URL", valid.replace(/urls: \[[^\]]*\]/, "urls: []"), /mine\.ts: .*rpc\.urls/],
		["has a URL of another kind", valid.replace(NO_NODE, "ftp://a"), /rpc\.urls\.0.*http/],
		["has an id of zero", valid.replace("31337", "0"), /mine\.ts: .*\bid\b/],
		["has an address that is none", valid.replace("0x5fbd", "0x5fzz"), /contracts\.T\.address/],
		["lacks its namespaces", valid.replace('["mine"]', "[]"), /namespaces/],
		["has a field too many", valid.replace("id:", "colour: 1, id:"), /colour/],
		[
			"handles an unknown event",
			valid.replace("handlers: {}", 'handlers: { "T:Gone"() {} }'),
			/T:Gone/,
		],
		["has a handler that is none", valid.replace("handlers: {}", 'handlers: { "T:A": 7 }'), /T:A/],
		[
			"has a start block that is no bigint",
			valid.replace("id:", "startBlock: 7, id:"),
			/startBlock/,
		],
		[
			"names an id twice",
			`${valid.replace("export default", "const a =")}\nexport default [a, a];`,
			/collide/,
		],
	];
	const ALSO_BY_THE_COMMAND: readonly string[] = ["throws", "is no TypeScript", "lacks its URLs"];

	it("that cannot be used is named with what is wrong", async () => {
		const failures = files.map(async ([what, text, message]): Promise<Failure> => {
			return [what, message, { RECANT_CHAINS_DIR: await folderWith(text) }];
		});
		await expectFailures("chains_file_invalid", await Promise.all(failures));
		expect(existsSync(join(dir, "data"))).toBe(false);
	});

	it.each(files.filter(([what]) => ALSO_BY_THE_COMMAND.includes(what)))(
		"that %s ends the command",
		async (_what, text, message) => {
			const ended = await start({ RECANT_CHAINS_DIR: await folderWith(text) });
			expectFailure(ended, "chains_file_invalid", message);
		},
	);

	async function folderWith(text: string): Promise<string> {
		const folder = join(dir, `chains-${randomUUID()}`);
		await mkdir(folder);
		await writeFile(join(folder, "mine.ts"), text);
		return folder;
	}

	it("that is not there is asked for", async () => {
		await mkdir(join(dir, "empty"));
		await expectFailures("chains_file_invalid", [
			["missing", /none/, { RECANT_CHAINS_DIR: join(dir, "none") }],
			["empty", /holds no/, { RECANT_CHAINS_DIR: join(dir, "empty") }],
		]);
	});
});

describe("the environment", () => {
	it("that is wrong in several places is told at once", async () => {
		const ended = await start({
			RECANT_PORT: "eighty",
			RECANT_LOG_LEVEL: "loud",
			EMBEDDER: "magic",
			RECANT_API_KEYS: "short",
		});
		expectFailure(ended, "configuration_invalid", /RECANT_PORT/);
		for (const name of ["RECANT_LOG_LEVEL", "EMBEDDER", "RECANT_API_KEYS"]) {
			expect(ended.stderr).toContain(name);
		}
		expect(ended.stderr).not.toContain("short");
	});

	it("that would open the service to others without keys is refused", async () => {
		const ended = await start({ RECANT_HOST: "0.0.0.0" });
		expectFailure(ended, "configuration_invalid", /RECANT_API_KEYS/);
	});

	it("with an address of another machine is refused", async () => {
		const database = await createTestDatabase("bad host");
		const ended = await start({
			DATABASE_URL: database.url,
			RECANT_HOST: "192.0.2.1",
			RECANT_API_KEYS: "k".repeat(32),
		});
		expectFailure(ended, "configuration_invalid", /192\.0\.2\.1/);
	});

	it("whose chain is served by a node of another id starts, and the status names both", async () => {
		const anvil = await startAnvil({ chainId: 777 });
		const database = await createTestDatabase("bad chain id");
		const service = startCommand(["start"], {
			...variables,
			DATABASE_URL: database.url,
			RECANT_RPC_URL: anvil.rpcUrl,
		});
		const [, url = ""] = await service.says(/answers at (\S+)/);
		let status: Ended | undefined;
		await until("the chain to be halted", async () => {
			status = await runCommand(["status", "--url", url], {});
			return status.code === 4;
		});
		expect(status?.stdout).toMatch(/777.*31337/);
		expect(status?.stdout).toContain("hint:");
		service.kill("SIGTERM");
		expect(await service.ended).toMatchObject({ code: 0, signal: null });
	});
});

describe("the command line", () => {
	it.each([
		[["begin"], 2],
		[["start", "--now"], 2],
		[["blocks", "--limit", "x"], 2],
		[["blocks", "--limit", "201"], 2],
		[["state", "--at", "-1"], 2],
		[["rollback"], 2],
		[["rollback", "--to", "1.5"], 2],
		[["search"], 2],
		[["status", "--url", "ftp://a"], 2],
		[["status", "--url", "http://127.0.0.1:9"], 3],
	])("%j ends with %i and a hint", async (args, code) => {
		const ended = await runCommand(args, {});
		expect(ended.code).toBe(code);
		expect(ended.stderr).toMatch(/^error: /);
		expect(ended.stderr).toMatch(/^hint: /m);
		expect(ended.stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
	});
});

describe("a signal", () => {
	it("during the start ends it, and leaves nothing behind", async () => {
		const { DATABASE_URL: _unset, ...embedded } = variables;
		const started = startCommand(["start"], embedded);
		let early: Ended | undefined;
		void started.ended.then((ended) => {
			early = ended;
		});
		await until("the database to come up", () => {
			return early !== undefined || processesNaming(dir).length > 0;
		});
		expect(early).toBeUndefined();
		started.kill("SIGTERM");
		const ended = await started.ended;
		expect(ended.signal).toBeNull();
		expect(ended.code).toBe(0);
		await until("its processes to be gone", () => processesNaming(dir).length === 0);
	});
});
