/** How the source behaves when providers fail, over real HTTP. */
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ChainSource } from "../../src/follower/chain-source.ts";
import { createChainSource } from "../../src/rpc/chain-source.ts";
import type { RpcLog } from "../../src/rpc/rpc-log.ts";
import { chainScript, SCRIPTED_TRUST } from "../support/scripted-chain.ts";
import { answering, rpcError, startScriptedNode } from "../support/scripted-node.ts";
import { atTestEnd } from "../support/test-end.ts";

const TIMEOUT_MS = 200;
const KEY = "9aa3d95b3bc440fa88ea12eaa4456161";

function sourceOf(urls: readonly string[], log?: RpcLog): ChainSource {
	const source = createChainSource({
		urls,
		pollIntervalMs: 60_000,
		timeoutMs: TIMEOUT_MS,
		trust: SCRIPTED_TRUST,
		log,
	});
	atTestEnd(() => source.close());
	return source;
}

/** The clock by which providers are put aside stands still, so that a busy machine changes nothing. */
beforeEach(() => {
	vi.useFakeTimers({ toFake: ["performance"] });
});
afterEach(() => {
	vi.useRealTimers();
});

/** Past the first two pauses of a provider, which are 250 and 500 ms at most. */
function passPause(): void {
	vi.advanceTimersByTime(501);
}

const UNAVAILABLE = { code: "rpc_unavailable", retryable: true };
const FAILED = { code: "rpc_failed", retryable: true };

describe("one provider", () => {
	test.each(["hang", "hang_in_body"] as const)("that does %s is given up in time", async (how) => {
		const node = await startScriptedNode(() => how);
		const startedMs = Date.now();
		await expect(sourceOf([node.url]).latest()).rejects.toMatchObject({
			...UNAVAILABLE,
			fields: { method: "eth_getBlockByNumber", reason: "timeout", provider: node.url },
		});
		expect(Date.now() - startedMs).toBeLessThan(TIMEOUT_MS + 500);
	});

	test("that is not there is unavailable", async () => {
		const node = await startScriptedNode(() => "hang");
		await node.stop();
		await expect(sourceOf([node.url]).chainId()).rejects.toMatchObject({
			...UNAVAILABLE,
			message: expect.stringContaining("ECONNREFUSED"),
		});
	});

	test.each([
		["a page of HTML", { body: "<html>" }, FAILED],
		["nothing", { body: "" }, FAILED],
		["a list", { body: [] }, FAILED],
		["null", { body: null }, FAILED],
		["another call's answer", { body: { jsonrpc: "2.0", id: 7, result: "0x1" } }, FAILED],
		["neither result nor error", { body: { jsonrpc: "2.0", id: 0 } }, FAILED],
		["an error without code", { body: { id: 0, error: { message: "no" } } }, FAILED],
		["a chain id of 0", { body: { id: 0, result: "0x0" } }, FAILED],
		["a server error", { status: 503, body: "busy" }, UNAVAILABLE],
		["a missing key", { status: 401, body: "{}" }, UNAVAILABLE],
		["too many requests", { status: 429, body: "slow down" }, UNAVAILABLE],
		[
			"too many requests as an RPC error",
			{ status: 429, body: { id: 0, error: { code: -32000, message: "slow" } } },
			UNAVAILABLE,
		],
		[
			"a limited rate under status 200",
			{ body: { id: 0, error: { code: 429, message: "compute units" } } },
			UNAVAILABLE,
		],
	])("that answers %s is put aside", async (what, answer, expected) => {
		const node = await startScriptedNode(() => answer);
		const source = sourceOf([node.url]);
		await expect(source.chainId()).rejects.toMatchObject(expected);
		const state = /too many|limited/.test(what) ? "limited" : "failing";
		expect(source.health()).toMatchObject([{ state, consecutiveFailures: 1 }]);
		await expect(source.chainId()).rejects.toMatchObject(UNAVAILABLE);
		expect(node.requests).toHaveLength(1);
	});

	test("that answers with an error of the node is not put aside", async () => {
		const node = await startScriptedNode(answering(() => rpcError(-32000, "header not found")));
		const source = sourceOf([node.url]);
		for (let call = 0; call < 2; call += 1)
			await expect(source.latest()).rejects.toMatchObject({
				...FAILED,
				message: expect.stringContaining("header not found"),
			});
		expect(node.requests).toHaveLength(2);
		expect(source.health()).toMatchObject([
			{ state: "ok", lastError: expect.stringContaining("-32000") },
		]);
	});

	test("that cuts a connection is asked once more at once", async () => {
		const node = await startScriptedNode(() => {
			node.answerWith(chainScript({ head: 3 }));
			return "reset";
		});
		const source = sourceOf([node.url]);
		expect((await source.latest()).number).toBe(3n);
		expect(node.requests).toHaveLength(2);
		expect(source.health()).toMatchObject([{ state: "ok", consecutiveFailures: 0 }]);
	});

	test("that always cuts the connection is asked twice", async () => {
		const node = await startScriptedNode(() => "reset");
		await expect(sourceOf([node.url]).latest()).rejects.toMatchObject(UNAVAILABLE);
		expect(node.requests).toHaveLength(2);
	});

	test("is asked again after the pause, and is well again", async () => {
		const node = await startScriptedNode(() => ({ status: 500, body: "" }));
		const source = sourceOf([node.url]);
		await expect(source.latest()).rejects.toMatchObject(UNAVAILABLE);
		node.answerWith(chainScript({ head: 3 }));
		passPause();
		expect((await source.latest()).number).toBe(3n);
		expect(source.health()).toMatchObject([{ state: "ok", consecutiveFailures: 0 }]);
	});

	test("waits longer after each failure", async () => {
		const node = await startScriptedNode(() => ({ status: 500, body: "" }));
		const source = sourceOf([node.url]);
		await expect(source.latest()).rejects.toMatchObject(UNAVAILABLE);
		passPause();
		await expect(source.latest()).rejects.toMatchObject(UNAVAILABLE);
		const error: unknown = await source.latest().catch((reason: unknown) => reason);
		expect(error).toMatchObject({ fields: { providers: 1, waitMs: expect.any(Number) } });
		expect((error as { fields: { waitMs: number } }).fields.waitMs).toBeGreaterThanOrEqual(250);
		expect(node.requests).toHaveLength(2);
	});

	test("is waited for as long as it asks, with a bound", async () => {
		const headers = { "retry-after": "86400" };
		const node = await startScriptedNode(() => ({ status: 429, headers, body: "" }));
		const source = sourceOf([node.url]);
		await expect(source.latest()).rejects.toMatchObject(UNAVAILABLE);
		const error: unknown = await source.latest().catch((reason: unknown) => reason);
		const { waitMs } = (error as { fields: { waitMs: number } }).fields;
		expect(waitMs).toBeGreaterThan(50_000);
		expect(waitMs).toBeLessThanOrEqual(60_000);
	});

	test("that fails twenty calls at once has failed once", async () => {
		const node = await startScriptedNode(() => ({ status: 500, body: "" }));
		const source = sourceOf([node.url]);
		await Promise.allSettled(Array.from({ length: 20 }, () => source.latest()));
		expect(node.requests).toHaveLength(20);
		expect(source.health()).toMatchObject([{ consecutiveFailures: 1 }]);
	});
});

describe("several providers", () => {
	test("are asked in order, and the first again when it is well", async () => {
		const first = await startScriptedNode(() => ({ status: 503, body: "" }));
		const second = await startScriptedNode(chainScript({ head: 2 }));
		const source = sourceOf([first.url, second.url]);
		expect((await source.latest()).number).toBe(2n);
		expect((await source.latest()).number).toBe(2n);
		expect(first.requests).toHaveLength(1);
		expect(source.health().map((provider) => provider.state)).toEqual(["failing", "ok"]);
		first.answerWith(chainScript({ head: 3 }));
		passPause();
		expect((await source.latest()).number).toBe(3n);
		expect(second.requests).toHaveLength(2);
	});

	test("stand in for one that lacks what was asked for", async () => {
		const first = await startScriptedNode(chainScript({ head: 2 }));
		const second = await startScriptedNode(chainScript({ head: 9 }));
		const filter = { addresses: [`0x${"aa".repeat(20)}`], topics: [] } as const;
		const range = { from: 0n, to: 9n };
		const source = sourceOf([first.url, second.url]);
		expect((await source.logsOfRange(range, filter)).logs).toHaveLength(10);
		expect(source.health().map((provider) => provider.state)).toEqual(["ok", "ok"]);
	});

	test("that all fail are named in one error", async () => {
		const nodes = await Promise.all([1, 2].map(() => startScriptedNode(() => "hang")));
		const urls = nodes.map((node) => node.url);
		await expect(sourceOf(urls).latest()).rejects.toMatchObject({
			...UNAVAILABLE,
			message: expect.stringMatching(new RegExp(urls.join(".+"))),
		});
	});

	test("fail with rpc_failed when one of them did answer", async () => {
		const silent = await startScriptedNode(() => "hang");
		const wrong = await startScriptedNode(answering(() => "nonsense"));
		await expect(sourceOf([silent.url, wrong.url]).latest()).rejects.toMatchObject(FAILED);
	});
});

describe("a source", () => {
	test("needs an URL", () => {
		expect(() => sourceOf([])).toThrow(expect.objectContaining({ code: "configuration_invalid" }));
	});

	test("tells its log when a provider begins to fail and when it answers again, once each", async () => {
		const node = await startScriptedNode(() => ({ status: 500, body: "" }));
		const lines: string[] = [];
		const log = {
			info: (_: unknown, message: string) => void lines.push(message),
			warn: (_: unknown, message: string) => void lines.push(message),
		};
		const source = sourceOf([node.url], log);
		for (let call = 0; call < 2; call += 1) await source.latest().catch(passPause);
		node.answerWith(chainScript({ head: 1 }));
		await source.latest();
		await source.latest();
		expect(lines).toEqual(["provider is failing", "provider answers again"]);
	});

	test("never shows a secret: not in errors, their causes, its log or its health", async () => {
		const body = { id: 0, error: { code: -32000, message: `project ${KEY} of pass-word` } };
		const node = await startScriptedNode((calls) =>
			calls[0]?.method === "eth_chainId" ? { body } : { status: 403, body: `no ${KEY}` },
		);
		const url = node.url.replace("//", "//someone:pass-word@");
		const seen: unknown[] = [];
		const log = {
			info: (...line: unknown[]) => void seen.push(line),
			warn: (...line: unknown[]) => void seen.push(line),
		};
		const source = sourceOf([`${url}/v3/${KEY}?secret=${KEY}`], log);
		for (const call of [() => source.chainId(), () => source.latest(), () => source.latest()])
			seen.push(await call().catch((error: unknown) => describeError(error)));
		seen.push(source.health());
		const text = JSON.stringify(seen);
		expect(text).toContain("/v3/***");
		expect(text).not.toMatch(/9aa3d95b|pass-word|someone/);
	});

	test("that is closed ends what is under way and answers nothing more", async () => {
		const node = await startScriptedNode(() => "hang");
		const source = createChainSource({ urls: [node.url], pollIntervalMs: 1e6, timeoutMs: 60_000 });
		const underWay = expect(source.latest()).rejects.toMatchObject(UNAVAILABLE);
		await pause(50);
		await source.close();
		await underWay;
		await expect(source.latest()).rejects.toMatchObject({
			...UNAVAILABLE,
			message: expect.stringContaining("closed"),
		});
	});
});

/** Everything of an error that a log might print. */
function describeError(error: unknown): unknown {
	if (!(error instanceof Error)) return error;
	return {
		...error,
		message: error.message,
		stack: error.stack,
		cause: describeError(error.cause),
	};
}
