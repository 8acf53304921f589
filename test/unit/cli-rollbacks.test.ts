import { afterEach, describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit-code.ts";
import { runCli } from "../../src/cli/program.ts";
import { FatalError } from "../../src/domain/errors.ts";
import { type HttpServer, serveHttp } from "../../src/http/server.ts";
import type { RecantService } from "../../src/service/recant-service.ts";
import { ROLLBACK_ORDERS, type RollbackView } from "../../src/service/rollback-view.ts";
import { CHAIN, CHAIN_ID, ROLLBACK, testHttp, UUID } from "./http-fixture.ts";

const running: HttpServer[] = [];

afterEach(async () => {
	await Promise.all(running.splice(0).map((server) => server.close(0)));
});

async function served(overrides: Partial<RecantService> = {}) {
	const http = testHttp({ overrides });
	const log = { error: () => undefined };
	const server = await serveHttp({ app: http.app, host: "127.0.0.1", port: 0, log });
	running.push(server);
	const run = async (args: string) => {
		const [out, err]: [string[], string[]] = [[], []];
		const code = await runCli(
			args.split(" "),
			{ stdout: { write: (text) => out.push(text) }, stderr: { write: (text) => err.push(text) } },
			{ RECANT_URL: server.url },
		);
		return { code, out: out.join(""), err: err.join("") };
	};
	return { ...http, run };
}

const FAILED: RollbackView = {
	...ROLLBACK,
	state: "failed",
	failedStage: "replay",
	stageMs: { plan: 4, rewind: 1_200, replay: 61_000 },
	error: { code: "handler_failed", message: "it threw", hint: "mend it, then retry" },
};

describe("recant rollbacks list", () => {
	it("has each one's state, and how long its stages took, of those too that failed", async () => {
		const { run } = await served({
			rollbacks: async () => ({
				items: [{ ...ROLLBACK, paused: true }, FAILED],
				cursor: "more",
			}),
		});
		const { code, out } = await run("rollbacks list");
		expect(code).toBe(EXIT.ok);
		expect(out).toContain("running, paused");
		expect(out).toContain("failed at replay");
		expect(out).toContain("plan 4 ms, rewind 1.2 s, replay 1 min 1 s");
		expect(out).toContain("more: --cursor more");
	});

	it("is one document with --json, and says when there are none", async () => {
		const { run } = await served({ rollbacks: async () => ({ items: [], cursor: undefined }) });
		expect(JSON.parse((await run("rollbacks list --json")).out)).toEqual({ items: [] });
		expect((await run("rollbacks list")).out).toBe("no rollbacks\n");
	});
});

describe("recant rollbacks watch", () => {
	it("shows rate and time left until it ends, and ends with 4 when it failed", async () => {
		const progress = { done: 30, total: 120, ratePerSecond: 15, etaMs: 6_000 };
		const views = [{ ...ROLLBACK, progress }, { ...ROLLBACK, stage: "verify" as const }, FAILED];
		const { run } = await served({ rollback: async () => views.shift() ?? FAILED });
		const { code, out } = await run(`rollbacks watch ${UUID}`);
		expect(code).toBe(EXIT.halted);
		expect(out).toContain("30/120, 15.0/s, 6.0 s left");
		expect(out).toContain(": failed at replay\n");
		expect(out).toContain("  hint: mend it, then retry\n");
		expect(out).toContain("  plan 4 ms, rewind 1.2 s, replay 1 min 1 s\n");
	});

	it("says what the fork was followed on, and nothing where none was seen", async () => {
		const evidence = {
			signals: ["other_hash", "tag_off_chain"],
			depth: 70,
			polls: 3,
			heldMs: 1_004,
			because: "quorum",
		} as const;
		const said = async (
			support: { confirming: number; denying: number; silent: number } | undefined,
		) => {
			const { run } = await served({
				rollback: async () => ({ ...FAILED, evidence: { ...evidence, support } }),
			});
			return (await run(`rollbacks watch ${UUID}`)).out;
		};
		const looks = "followed on (quorum): depth 70, 3 looks over 1004 ms";
		const signals = "; other_hash, tag_off_chain\n";
		const two = { confirming: 2, denying: 1, silent: 1 };
		expect(await said(two)).toContain(`${looks}, 2 of 3 providers that answered${signals}`);
		expect(await said(undefined)).toContain(looks + signals);
		const { run } = await served({ rollback: async () => FAILED });
		expect((await run(`rollbacks watch ${UUID}`)).out).not.toContain("followed on");
		const { run: asJson } = await served({
			rollback: async () => ({ ...FAILED, evidence: { ...evidence, support: two } }),
		});
		const { out } = await asJson(`rollbacks watch ${UUID} --json`);
		expect(JSON.parse(out)).toMatchObject({ evidence: { ...evidence, support: two } });
	});
});

describe("recant rollbacks", () => {
	it.each(ROLLBACK_ORDERS)("%s says how it stands then", async (order) => {
		const { run, last } = await served();
		const { code, out } = await run(`rollbacks ${order} ${UUID}`);
		expect(code).toBe(EXIT.ok);
		expect(out).toContain(`rollback ${UUID} to height 0: running`);
		expect(last("orderRollback")).toEqual([CHAIN_ID.toString(), UUID, order]);
	});

	it("says how one that is paused goes on", async () => {
		const { run } = await served({ orderRollback: async () => ({ ...ROLLBACK, paused: true }) });
		const { out } = await run(`rollbacks pause ${UUID}`);
		expect(out).toContain(`\`recant rollbacks resume ${UUID}\` lets it go on`);
	});

	it("ends with 1 when the order is refused, and says why", async () => {
		const over = new FatalError("rollback_over", { message: "it is failed", hint: "retry it" });
		const { run } = await served({ orderRollback: () => Promise.reject(over) });
		const { code, err } = await run(`rollbacks cancel ${UUID}`);
		expect(code).toBe(EXIT.failed);
		expect(err).toBe("error: it is failed (rollback_over)\nhint: retry it\n");
	});
});

describe("recant status", () => {
	it("shows how far a rollback is, how fast it goes, and that it is paused", async () => {
		const progress = { done: 30, total: 120, ratePerSecond: 150, etaMs: 600 };
		const rollback: RollbackView = { ...ROLLBACK, paused: true, progress };
		const { run } = await served({ chain: async () => ({ ...CHAIN, rollback }) });
		const { out } = await run(`status --chain ${CHAIN_ID}`);
		expect(out).toContain(`rollback ${UUID} is at replay 30/120, 150/s, 600 ms left, paused\n`);
	});
});
