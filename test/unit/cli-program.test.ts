import { afterEach, describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit-code.ts";
import { runCli } from "../../src/cli/program.ts";
import { FatalError } from "../../src/domain/errors.ts";
import type { ProviderHealth, ProviderState } from "../../src/follower/chain-source.ts";
import { type HttpServer, serveHttp } from "../../src/http/server.ts";
import type { RecantService } from "../../src/service/recant-service.ts";
import type { RollbackView } from "../../src/service/rollback-view.ts";
import { AT, CHAIN, MEMORY, ROLLBACK, type TestHttp, testHttp, UUID } from "./http-fixture.ts";

interface Outcome {
	readonly code: number;
	readonly stdout: string;
	readonly stderr: string;
}

interface CliOptions {
	readonly isTTY?: boolean;
	readonly columns?: number;
	readonly env?: Readonly<Record<string, string>>;
}

interface ServedCli extends TestHttp {
	readonly url: string;
	run(args: string, options?: CliOptions): Promise<Outcome>;
}

const running: HttpServer[] = [];

afterEach(async () => {
	await Promise.all(running.splice(0).map((server) => server.close(0)));
});

async function cli(args: readonly string[], options: CliOptions = {}): Promise<Outcome> {
	const out: string[] = [];
	const err: string[] = [];
	const { isTTY = false, columns, env = {} } = options;
	const code = await runCli(
		args,
		{
			stdout: { isTTY, columns, write: (text) => out.push(text) },
			stderr: { isTTY, columns, write: (text) => err.push(text) },
		},
		env,
	);
	return { code, stdout: out.join(""), stderr: err.join("") };
}

async function served(overrides: Partial<RecantService> = {}): Promise<ServedCli> {
	const http = testHttp({ overrides });
	const log = { error: () => undefined };
	const server = await serveHttp({ app: http.app, host: "127.0.0.1", port: 0, log });
	running.push(server);
	return {
		...http,
		url: server.url,
		run: (args, options = {}) =>
			cli(args.split(" "), { ...options, env: { RECANT_URL: server.url, ...options.env } }),
	};
}

/** Nothing listens there: it was bound and let go. */
async function deadUrl(): Promise<string> {
	const { url } = await served();
	await Promise.all(running.splice(0).map((server) => server.close(0)));
	return url;
}

describe("exit codes", () => {
	it("are in the help, which ends with 0", async () => {
		const { code, stdout, stderr } = await cli(["--help"]);
		expect(code).toBe(EXIT.ok);
		for (const number of Object.values(EXIT)) expect(stdout).toContain(`\n  ${number}  `);
		expect(stderr).toBe("");
	});

	it.each([
		"frob",
		"status --frob",
		"rollback",
		"rollback --to x",
		"rollback --to -1",
		"state --at soon",
		"state --layer deep",
		"state --limit 0",
		"search a --k 201",
		"search",
		"blocks --fork b",
		"status --url nowhere",
		"status extra words",
	])("are 2 for `%s`, without a request", async (args) => {
		const { run, calls } = await served();
		const { code, stdout, stderr } = await run(args);
		expect(code).toBe(EXIT.usage);
		expect(stdout).toBe("");
		expect(stderr).toMatch(/^error: .*\n.*hint: /s);
		expect(calls).toEqual([]);
	});

	it("are 1 for what the service reports, with its code and hint and no stack", async () => {
		const { run } = await served();
		const { code, stdout, stderr } = await run("state --chain mainnet");
		expect(code).toBe(EXIT.failed);
		expect(stdout).toBe("");
		expect(stderr).toBe("error: no chain mainnet (unknown_chain)\nhint: see /v1/status\n");
	});

	it("are 3 where nothing answers, with a way out", async () => {
		const { code, stderr } = await cli(["status", "--url", await deadUrl()]);
		expect(code).toBe(EXIT.unreachable);
		expect(stderr).toMatch(/^error: no answer from .*ECONNREFUSED/);
		expect(stderr).toContain("hint: start the service with `recant start`");
		expect(stderr).not.toContain("    at ");
	});

	it("show the stack when asked to", async () => {
		const env = { RECANT_URL: await deadUrl(), RECANT_LOG_LEVEL: "debug" };
		const { stderr } = await cli(["status"], { env });
		expect(stderr).toContain("    at ");
	});

	it("are 4 for a halted chain, whose problem is shown", async () => {
		const problem = { code: "fork_below_finality", message: "a deep fork", hint: "see docs" };
		const halted = { ...CHAIN, state: "halted" as const, problem };
		const { service } = testHttp();
		const status = async () => ({ ...(await service.status()), chains: [halted] });
		const { run } = await served({ status });
		const { code, stdout } = await run("status");
		expect(code).toBe(EXIT.halted);
		expect(stdout).toContain("anvil: a deep fork (fork_below_finality)\n  hint: see docs");
	});
});

describe("status", () => {
	it("says of each provider that is not well why it is not, and nothing of the others", async () => {
		const provider = (name: string, state: ProviderState, more: Partial<ProviderHealth> = {}) => ({
			url: `http://${name}`,
			state,
			latencyMs: 3.5,
			errorRate: 0.25,
			consecutiveFailures: 0,
			lastError: undefined,
			breaker: "closed" as const,
			since: new Date(0),
			head: 20n,
			blocksOff: undefined,
			requests: { atMost: 32, underWay: 1, waiting: 0, callsPerSecond: undefined },
			batchCalls: 100,
			logRangeBlocks: 10_000,
			...more,
		});
		const providers = [
			provider("well", "ok"),
			provider("late", "lagging", { blocksOff: 70n }),
			provider("early", "ahead", { blocksOff: 900n }),
			provider("alone", "astray"),
			provider("other", "wrong_chain", { lastError: "answered chain 5, not 1" }),
			provider("liar", "untrue", { lastError: "a wrong hash" }),
			provider("busy", "limited", {
				requests: { ...provider("", "ok").requests, callsPerSecond: 7.7 },
			}),
			provider("dead", "failing", { lastError: "ECONNREFUSED" }),
		];
		const { service } = testHttp();
		const status = async () => ({ ...(await service.status()), chains: [{ ...CHAIN, providers }] });
		const { run } = await served({ status });
		const { stdout } = await run("status");
		const lines = stdout.split("\n").filter((line) => line.startsWith("anvil: http://"));
		expect(lines).toEqual([
			"anvil: http://late lags 70 blocks behind the others",
			"anvil: http://early is put aside: 900 blocks ahead of the others",
			"anvil: http://alone is put aside: it is on another branch than most of the others",
			"anvil: http://other is put aside: it serves another chain: answered chain 5, not 1",
			"anvil: http://liar is put aside: its answers are not true: a wrong hash",
			"anvil: http://busy limits our requests",
			"anvil: http://dead is failing: ECONNREFUSED",
		]);
	});
});

describe("output", () => {
	it.each(["status", "state", "search sky", "blocks", "rollback --to 3 --dry-run"])(
		"of `%s` is a table for people and one document with --json",
		async (args) => {
			const { run } = await served();
			const table = await run(args);
			expect(table).toMatchObject({ code: EXIT.ok, stderr: "" });
			expect(table.stdout).toContain("│");
			const json = await run(`${args} --json`);
			expect(json).toMatchObject({ code: EXIT.ok, stderr: "" });
			expect(JSON.parse(json.stdout)).toBeTypeOf("object");
			const before = await run(`--json ${args}`);
			expect(before.stdout).toBe(json.stdout);
		},
	);

	it("has colours on a terminal only, and not with NO_COLOR", async () => {
		const { run } = await served();
		expect((await run("status", { isTTY: true, columns: 100 })).stdout).toContain("\u001b[32m");
		expect((await run("status")).stdout).not.toContain("\u001b");
		const plain = await run("status", { isTTY: true, columns: 100, env: { NO_COLOR: "1" } });
		expect(plain.stdout).not.toContain("\u001b");
	});

	it("is cut to a terminal's width, and whole in a pipe", async () => {
		const content = { text: "x".repeat(500) };
		const memories = async () => ({ at: AT, items: [{ ...MEMORY, content }], cursor: undefined });
		const { run } = await served({ memories });
		expect((await run("state")).stdout).toContain("x".repeat(500));
		const { stdout } = await run("state", { isTTY: true, columns: 120, env: { NO_COLOR: "1" } });
		const lines = stdout.split("\n").slice(1);
		for (const line of lines) expect(line.length).toBeLessThanOrEqual(120);
		expect(stdout).toContain("…");
	});

	it("shortens hashes where a terminal has no room for what a memory says", async () => {
		const [token, holder] = [`0x${"5f".repeat(20)}`, `0x${"70".repeat(20)}`];
		const memory = { ...MEMORY, id: `holder:${token}:${holder}` };
		const memories = async () => ({ at: AT, items: [memory], cursor: undefined });
		const { run } = await served({ memories });
		expect((await run("state")).stdout).toContain(memory.id);
		const { stdout } = await run("state", { isTTY: true, columns: 100, env: { NO_COLOR: "1" } });
		expect(stdout).toContain("holder:0x5f5f5f…:0x707070… ");
		for (const line of stdout.split("\n").slice(1)) expect(line.length).toBeLessThanOrEqual(100);
	});

	it("shows control characters of a memory, and does not send them", async () => {
		const evil = { ...MEMORY, id: "a\u001b]0;owned\u0007\u202e", content: { "\u009b31m": "\r" } };
		const memories = async () => ({ at: AT, items: [evil], cursor: undefined });
		const { run } = await served({ memories });
		const { stdout } = await run("state");
		for (const sent of ["\u001b", "\u0007", "\u009b", "\u202e", "\r"]) {
			expect(stdout).not.toContain(sent);
		}
		expect(stdout).toContain("\\u001b]0;owned\\u0007\\u202e");
	});
});

describe("the chain", () => {
	it("may be left out when there is one", async () => {
		const { run, last } = await served();
		await run("blocks");
		expect(last("blocks")[0]).toBe("31337");
	});

	it("must be named when there are several", async () => {
		const { service } = testHttp();
		const chains = [CHAIN, { ...CHAIN, chainId: 1, name: "mainnet" }];
		const { run } = await served({ status: async () => ({ ...(await service.status()), chains }) });
		const { code, stderr } = await run("blocks");
		expect(code).toBe(EXIT.usage);
		expect(stderr).toContain("anvil (31337), mainnet (1)");
		expect((await run("blocks --chain anvil")).code).toBe(EXIT.ok);
	});
});

describe("arguments", () => {
	it("reach the service", async () => {
		const { run, last } = await served();
		await run("state --at latest --layer episodic --namespace ledger --limit 7");
		expect(last("memories")[1]).toMatchObject({
			at: { at: { kind: "tag", tag: "latest" } },
			layer: "episodic",
			namespace: "ledger",
			limit: 7,
		});
		await run("search sky --at 0 --k 3 --layer semantic");
		expect(last("search")[1]).toMatchObject({
			text: "sky",
			at: { at: { kind: "height", height: 0n } },
			k: 3,
			layers: ["semantic"],
		});
		await run("state --cursor abc");
		expect(last("memories")[1]).toMatchObject({ cursor: "abc" });
	});
});

/** A rollback that is one stage further at each look. */
function advancing(...views: readonly Partial<RollbackView>[]) {
	let look = 0;
	return async (): Promise<RollbackView> => {
		const view = views[Math.min(look, views.length - 1)];
		look += 1;
		return { ...ROLLBACK, ...view };
	};
}

describe("rollback", () => {
	it("shows each stage in a pipe, then what it did", async () => {
		const { run } = await served({
			startRollback: async () => ({ ...ROLLBACK, stage: "plan" }),
			rollback: advancing({ stage: "replay" }, { state: "committed", stage: undefined }),
		});
		const { code, stdout } = await run("rollback --to 0");
		expect(code).toBe(EXIT.ok);
		expect(stdout).toMatch(/^plan .*\nreplay .* 1\/4\n.*: committed\n/);
		expect(stdout).toContain("derived anew");
		expect(stdout).not.toContain("\u001b");
	});

	it("says how many actions were taken on what no longer holds", async () => {
		const counts = { ...ROLLBACK.counts, withdrawn: 0, flagged: 2, cleared: 1, actions: 3 };
		const { run } = await served({ rollback: advancing({ state: "committed", counts }) });
		const { stdout } = await run("rollback --to 0");
		expect(stdout).toContain("withdrawn 0, flagged 2, cleared 1\n");
		expect(stdout).toContain("actions that were taken on what no longer holds: 3");
	});

	it("redraws one line on a terminal, with the time left", async () => {
		const progress = { done: 2, total: 4, ratePerSecond: 1, etaMs: 2_000 };
		const { run } = await served({
			rollback: advancing({ progress }, { state: "committed" }),
		});
		const { stdout } = await run("rollback --to 0", { isTTY: true, columns: 100 });
		expect(stdout).toContain("\r\u001b[K");
		expect(stdout).toContain("[############------------] 2/4, 1.00/s, 2.0 s left");
	});

	it("is one document with --json", async () => {
		const { run } = await served({ rollback: advancing({ state: "committed" }) });
		const { stdout } = await run("rollback --to 0 --json");
		expect(JSON.parse(stdout)).toMatchObject({ state: "committed" });
	});

	it("that fails ends with 4 and says why", async () => {
		const error = { code: "verification_failed", message: "a digest differs", hint: "repair" };
		const { run } = await served({ rollback: advancing({ state: "failed", error }) });
		const { code, stdout } = await run("rollback --to 0");
		expect(code).toBe(EXIT.halted);
		expect(stdout).toContain("a digest differs (verification_failed)\n  hint: repair");
	});

	it("that is replaced is followed by what replaces it", async () => {
		const other = "5f0c2c5e-58c4-4a8e-8a55-0d4f3a2b7c11";
		const { run, last } = await served({
			rollback: advancing(
				{ state: "superseded", supersededBy: other as RollbackView["id"] },
				{ state: "committed", id: other as RollbackView["id"] },
			),
		});
		const { code, stdout } = await run("rollback --to 0");
		expect(code).toBe(EXIT.ok);
		expect(last("rollback")[1]).toBe(other);
		expect(stdout).toContain(other);
	});

	it("is not watched with --no-wait", async () => {
		const { run, calls } = await served();
		const { code, stdout } = await run("rollback --to 0 --no-wait");
		expect(code).toBe(EXIT.ok);
		expect(stdout).toContain(UUID);
		expect(calls.map(({ method }) => method)).toEqual(["status", "startRollback"]);
	});

	it("that is not done in time ends with 4 and goes on", async () => {
		const { run } = await served();
		const { code, stdout } = await run("rollback --to 0 --timeout 1");
		expect(code).toBe(EXIT.halted);
		expect(stdout).toContain("it goes on");
	});

	it("that the service refuses ends with 1", async () => {
		const error = new FatalError("below_finality", { message: "0 is final", hint: "go higher" });
		const { run } = await served({ startRollback: () => Promise.reject(error) });
		const { code, stderr } = await run("rollback --to 0");
		expect(code).toBe(EXIT.failed);
		expect(stderr).toBe("error: 0 is final (below_finality)\nhint: go higher\n");
	});
});
