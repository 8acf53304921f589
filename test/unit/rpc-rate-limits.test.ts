/** Providers that limit the rate of what is asked of them, over real HTTP; time is moved by the test. */
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import type { ChainSource } from "../../src/follower/chain-source.ts";
import { createChainSource } from "../../src/rpc/chain-source.ts";
import { ProviderError } from "../../src/rpc/provider-error.ts";
import { parseProviderUrl } from "../../src/rpc/provider-url.ts";
import { Standing } from "../../src/rpc/standing.ts";
import { startAnsweringServer } from "../support/answering-server.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { chainScript, SCRIPTED_ADDRESS, SCRIPTED_TRUST } from "../support/scripted-chain.ts";
import {
	answering,
	rpcError,
	rpcErrorWith,
	type Script,
	type ScriptedCall,
	startScriptedNode,
} from "../support/scripted-node.ts";
import { atTestEnd } from "../support/test-end.ts";

const UNAVAILABLE = { code: "rpc_unavailable", retryable: true };

async function startWith(script: Script) {
	const clock = new ManualClock(1_000_000);
	const node = await startScriptedNode(script);
	const source = createChainSource({
		urls: [node.url],
		pollIntervalMs: 1e9,
		timeoutMs: 60_000,
		trust: SCRIPTED_TRUST,
		clock,
	});
	atTestEnd(() => source.close());
	return { clock, node, source };
}

/** Moves time until the work is done, however it ends. */
async function inTime(clock: ManualClock, work: Promise<unknown>): Promise<void> {
	let isDone = false;
	const end = () => {
		isDone = true;
	};
	const ending = work.then(end, end);
	while (!isDone) {
		await new Promise((resolve) => setTimeout(resolve, 1));
		if (!isDone) clock.pass(50);
	}
	await ending;
}

async function untilAnswered(source: ChainSource, clock: ManualClock, heights: readonly bigint[]) {
	for (let round = 0; round < 1_000; round += 1) {
		const asked = source.blocksByNumber(heights).catch(() => undefined);
		await inTime(clock, asked);
		const blocks = await asked;
		if (blocks !== undefined) return blocks;
		// As the follower does: it comes back a little later.
		clock.pass(100);
	}
	throw new RangeError("it was never answered");
}

describe("a limited provider", () => {
	test.each<[string, Script, number]>([
		[
			"a header in seconds",
			() => ({ status: 429, headers: { "retry-after": "7" }, body: "" }),
			7_000,
		],
		[
			"a header of a server that is halted",
			() => ({ status: 503, headers: { "retry-after": "7" }, body: "" }),
			7_000,
		],
		["words", answering(() => rpcError(-32005, "rate limited, retry in 7 seconds")), 7_000],
		[
			"data of the error",
			answering(() => rpcErrorWith(-32005, "limited", { rate: { backoff_seconds: 7 } })),
			7_000,
		],
		[
			"more than is honoured",
			() => ({ status: 429, headers: { "retry-after": "86400" }, body: "" }),
			LIMITS.rpcRetryAfterMs,
		],
	])("is left alone for as long as it asks by %s", async (_, script, ms) => {
		const { clock, node, source } = await startWith(script);
		await expect(source.latest()).rejects.toMatchObject(UNAVAILABLE);
		clock.pass(ms - 1);
		await expect(source.latest()).rejects.toMatchObject(UNAVAILABLE);
		expect(node.requests).toHaveLength(1);
		node.answerWith(chainScript({ head: 3 }));
		clock.pass(1);
		expect((await source.latest()).number).toBe(3n);
		expect(source.health()).toMatchObject([{ state: "ok" }]);
	});

	test("is left alone also when an answer comes that was under way", () => {
		const clock = new ManualClock();
		const provider = parseProviderUrl("http://127.0.0.1:8545");
		const standing = new Standing({ provider: provider.shown, clock, log: undefined });
		const limited = { kind: "rate_limited", retryAfterMs: 7_000 } as const;
		clock.pass(10);
		standing.failed(new ProviderError({ provider, method: "eth_call" }, limited, "limited"), 0);
		clock.pass(10);
		standing.succeeded(5);
		expect(standing.asideMs).toBe(6_990);
		clock.pass(6_990);
		standing.succeeded(clock.now());
		expect(standing).toMatchObject({ asideMs: 0, consecutiveFailures: 0 });
	});

	test.each(["as a status", "in one answer of the batch", "for the whole batch"])(
		"is given its calls at the rate that it bears, told %s",
		async (how) => {
			const limit = { perSecond: 20, tokens: 20, atMs: 0 };
			const script = chainScript({ head: 100 });
			const { clock, node, source } = await startWith((calls, isBatch) => {
				const now = clock.now();
				const gained = ((now - limit.atMs) * limit.perSecond) / 1_000;
				limit.tokens = Math.min(limit.perSecond, limit.tokens + gained);
				limit.atMs = now;
				if (limit.tokens >= calls.length) {
					limit.tokens -= calls.length;
					return script(calls, isBatch);
				}
				if (how === "as a status") return { status: 429, body: "" };
				const error = { code: 429, message: "compute units per second" };
				if (how === "for the whole batch" || !isBatch) return { body: { id: 0, error } };
				const [first, ...rest] = calls;
				const others = script(rest, true);
				const answers = typeof others === "object" ? others.body : [];
				return { body: [{ id: first?.id, error }, ...(answers as unknown[])] };
			});
			const heights = Array.from({ length: 80 }, (_, height) => BigInt(height));
			const blocks = await untilAnswered(source, clock, heights);
			expect(blocks.map((block) => block?.number)).toEqual(heights);
			expect(source.health()[0]?.requests.callsPerSecond).toBeLessThanOrEqual(25);
			// Once it is known, whole groups get through, and few requests are refused: 4.5 s are the best.
			const before = node.requests.length;
			const startedMs = clock.now();
			for (let group = 0; group < 3; group += 1)
				await untilAnswered(source, clock, heights.slice(0, 30));
			expect(clock.now() - startedMs).toBeLessThan(15_000);
			expect(node.requests.length - before).toBeLessThan(30);
		},
	);
});

test("a question for the head goes past a backlog of ranges and of many blocks", async () => {
	const script = chainScript({ head: 5_000 });
	const server = await startAnsweringServer(({ body }) => {
		const asked: ScriptedCall | ScriptedCall[] = JSON.parse(body);
		const isBatch = Array.isArray(asked);
		const answer = script(isBatch ? asked : [asked], isBatch);
		return { body: typeof answer === "string" ? answer : JSON.stringify(answer.body), afterMs: 20 };
	});
	const source = createChainSource({
		urls: [server.url],
		pollIntervalMs: 1e9,
		timeoutMs: 60_000,
		trust: SCRIPTED_TRUST,
	});
	atTestEnd(() => source.close());
	const filter = { addresses: [SCRIPTED_ADDRESS], topics: [] };
	const heights = Array.from({ length: 20 }, (_, index) => BigInt(index));
	const backlog = Array.from({ length: 200 }, (_, index) =>
		index % 2 === 0
			? source.logsOfRange({ from: 0n, to: 19n }, filter)
			: source.blocksByNumber(heights),
	);
	expect((await source.latest()).number).toBe(5_000n);
	const before = server.asked.findIndex(({ body }) => body.includes("latest"));
	// What was under way already, and what is let through while it is answered; 200 wait else.
	expect(before).toBeLessThan(100);
	await Promise.all(backlog);
	expect(server.asked.length).toBeGreaterThan(250);
});
