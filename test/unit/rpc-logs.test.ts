/** Logs of blocks and ranges, over real HTTP. */
import { describe, expect, test } from "vitest";
import type { ChainSource, LogBlock, LogFilter } from "../../src/follower/chain-source.ts";
import { createChainSource } from "../../src/rpc/chain-source.ts";
import {
	chainScript,
	SCRIPTED_ADDRESS,
	SCRIPTED_TOPIC,
	SCRIPTED_TRUST,
	type ScriptedChain,
	scriptedLog,
	word,
} from "../support/scripted-chain.ts";
import { rpcError, type ScriptedNode, startScriptedNode } from "../support/scripted-node.ts";
import { atTestEnd } from "../support/test-end.ts";

const FILTER: LogFilter = { addresses: [SCRIPTED_ADDRESS], topics: [SCRIPTED_TOPIC] };
const BLOCK_7: LogBlock = { number: 7n, hash: word(7) };
const FAILED = { code: "rpc_failed", retryable: true };

function sourceOf(url: string): ChainSource {
	const source = createChainSource({
		urls: [url],
		pollIntervalMs: 60_000,
		timeoutMs: 1_000,
		trust: SCRIPTED_TRUST,
	});
	atTestEnd(() => source.close());
	return source;
}

interface Started {
	readonly node: ScriptedNode;
	readonly source: ChainSource;
}

/** A node that answers `logs` to every eth_getLogs, whatever was asked. */
async function startWith(chain: ScriptedChain, logs?: unknown): Promise<Started> {
	const node = await startScriptedNode(
		chainScript(chain, ({ method }) => (method === "eth_getLogs" ? logs : undefined)),
	);
	return { node, source: sourceOf(node.url) };
}

describe("the logs of a block", () => {
	test("are asked for by hash, filtered, in one request", async () => {
		const { node, source } = await startWith({ head: 9 });
		const logs = await source.logsOfBlock(BLOCK_7, FILTER);
		expect(logs).toMatchObject([{ blockNumber: 7n, blockHash: word(7), logIndex: 0 }]);
		expect(node.requests).toHaveLength(1);
		expect(node.requests[0]).toContainEqual(
			expect.objectContaining({
				method: "eth_getLogs",
				params: [{ blockHash: word(7), address: [SCRIPTED_ADDRESS], topics: [[SCRIPTED_TOPIC]] }],
			}),
		);
	});

	test("may be none", async () => {
		const { source } = await startWith({ head: 9 }, []);
		expect(await source.logsOfBlock(BLOCK_7, FILTER)).toEqual([]);
	});

	test("are not none when the node does not know the block", async () => {
		const { source } = await startWith({ head: 6 }, []);
		await expect(source.logsOfBlock(BLOCK_7, FILTER)).rejects.toMatchObject({
			...FAILED,
			fields: { method: "eth_getLogs", reason: "lacking" },
		});
	});

	test.each([
		["an error", rpcError(-32000, "unknown block")],
		["null", null],
		["a removed log", [{ ...scriptedLog(7), removed: true }]],
		["another block's log", [scriptedLog(8)]],
		["another contract's log", [{ ...scriptedLog(7), address: `0x${"bb".repeat(20)}` }]],
		["another event's log", [{ ...scriptedLog(7), topics: [word(1)] }]],
		["a log without an event", [{ ...scriptedLog(7), topics: [] }]],
	])("fail when the node answers %s", async (_, logs) => {
		const { source } = await startWith({ head: 9 }, logs);
		await expect(source.logsOfBlock(BLOCK_7, FILTER)).rejects.toMatchObject(FAILED);
	});

	test("that were removed are told to who watches, and asked of the next provider", async () => {
		const removed = [{ ...scriptedLog(7), removed: true }];
		const script = chainScript({ head: 9 }, ({ method }) =>
			method === "eth_getLogs" ? removed : undefined,
		);
		const nodes = [
			await startScriptedNode(script),
			await startScriptedNode(chainScript({ head: 9 })),
		];
		const source = createChainSource({
			urls: nodes.map(({ url }) => url),
			pollIntervalMs: 60_000,
			timeoutMs: 1_000,
			trust: SCRIPTED_TRUST,
		});
		atTestEnd(() => source.close());
		const told: unknown[] = [];
		const stop = source.watch((signal) => told.push(signal));
		expect(await source.logsOfBlock(BLOCK_7, FILTER)).toMatchObject([{ blockNumber: 7n }]);
		expect(told).toEqual(["removed_logs"]);
		expect(source.health()[0]).toMatchObject({ state: "failing", consecutiveFailures: 1 });
		stop();
		nodes[1]?.answerWith(script);
		await expect(source.logsOfBlock(BLOCK_7, FILTER)).rejects.toMatchObject({ code: "rpc_failed" });
		expect(told).toHaveLength(1);
	});

	test("of no contracts are none, and of no named events are all", async () => {
		const { node, source } = await startWith({ head: 9 });
		expect(await source.logsOfBlock(BLOCK_7, { ...FILTER, addresses: [] })).toEqual([]);
		expect(node.requests).toEqual([]);
		expect(await source.logsOfBlock(BLOCK_7, { ...FILTER, topics: [] })).toHaveLength(1);
	});
});

describe("the logs of a range", () => {
	test("are in order, and cover both bounds", async () => {
		const { node, source } = await startWith({ head: 99 });
		const { logs, blocks } = await source.logsOfRange({ from: 10n, to: 20n }, FILTER);
		expect(logs.map((log) => log.blockNumber)).toEqual(numbers(10, 20));
		expect(logRequests(node)).toBe(1);
		expect(blocks.map((block) => [block.number, block.hash])).toEqual(
			numbers(10, 20).map((height) => [height, word(height)]),
		);
		// Their blocks are asked for in one go, but for the last, which came with the logs.
		expect(node.requests.map((calls) => calls.length)).toEqual([2, 10]);
	});

	test.each([
		// Which it names: one refusal and five chunks.
		["blocks", { head: 2_999, maxRangeBlocks: 700 }, { first: 6, later: 5 }],
		// 3,000, 1,500 and 750 are refused, 375 works: three refusals and eight chunks.
		["logs", { head: 2_999, maxLogs: 700 }, { first: 11, later: 8 }],
	])("are split where the node limits the %s, which is remembered", async (_, chain, requests) => {
		const { node, source } = await startWith(chain);
		const range = { from: 0n, to: 2_999n };
		const first = await source.logsOfRange(range, FILTER);
		expect(first.logs.map((log) => log.blockNumber)).toEqual(numbers(0, 2_999));
		const before = logRequests(node);
		expect(before).toBe(requests.first);
		expect(await source.logsOfRange(range, FILTER)).toEqual(first);
		expect(logRequests(node) - before).toBe(requests.later);
	});

	test("are split where the node only says that a limit is exceeded", async () => {
		const node = await startScriptedNode(
			chainScript({ head: 999 }, ({ method, params: [first] }) => {
				if (method !== "eth_getLogs") return undefined;
				const { fromBlock, toBlock } = first as { fromBlock: string; toBlock: string };
				const isTooLarge = Number(toBlock) - Number(fromBlock) >= 300;
				return isTooLarge ? rpcError(-32005, "limit exceeded") : undefined;
			}),
		);
		const { logs } = await sourceOf(node.url).logsOfRange({ from: 0n, to: 999n }, FILTER);
		expect(logs).toHaveLength(1_000);
	});

	test("are asked for in larger ranges again, slowly", async () => {
		const { node, source } = await startWith({ head: 999, maxRangeBlocks: 100 });
		for (let round = 0; round < 20; round += 1)
			await source.logsOfRange({ from: 0n, to: 999n }, FILTER);
		const before = logRequests(node);
		await source.logsOfRange({ from: 0n, to: 999n }, FILTER);
		// Ten chunks of 100 would be best; the first answers came with chunks of 62.
		expect(logRequests(node) - before).toBeLessThanOrEqual(14);
	});

	test("fail when the node refuses even one block", async () => {
		const { node, source } = await startWith({ head: 999, maxLogs: 0 });
		await expect(source.logsOfRange({ from: 0n, to: 999n }, FILTER)).rejects.toMatchObject({
			...FAILED,
			fields: { reason: "range_refused" },
		});
		expect(node.requests.length).toBeLessThanOrEqual(11);
		expect(source.health()).toMatchObject([{ state: "ok" }]);
	});

	test("are asked for in a smaller range after a timeout", async () => {
		const { node, source } = await startWith({ head: 99 });
		node.answerWith(() => "hang");
		const range = { from: 0n, to: 99n };
		await expect(source.logsOfRange(range, FILTER)).rejects.toMatchObject({
			code: "rpc_unavailable",
		});
		node.answerWith(chainScript({ head: 99, maxRangeBlocks: 50 }));
		const ask = () => source.logsOfRange(range, FILTER).catch(() => ({ logs: [] }));
		await expect.poll(async () => (await ask()).logs).toHaveLength(100);
		expect(logRequests(node)).toBe(3);
	});

	test("are not none above the node's head", async () => {
		const { source } = await startWith({ head: 9 });
		await expect(source.logsOfRange({ from: 8n, to: 12n }, FILTER)).rejects.toMatchObject({
			...FAILED,
			fields: { reason: "lacking" },
		});
	});

	test.each([
		["a log outside of it", [scriptedLog(21)]],
		["a removed log", [{ ...scriptedLog(15), removed: true }]],
		["one place twice", [scriptedLog(15), scriptedLog(15)]],
		["a range that is in the future", rpcError(-32000, "block range extends beyond head block")],
	])("fail when the node answers %s", async (_, logs) => {
		const { node, source } = await startWith({ head: 99 }, logs);
		await expect(source.logsOfRange({ from: 10n, to: 20n }, FILTER)).rejects.toMatchObject(FAILED);
		expect(node.requests).toHaveLength(1);
	});

	test("of no contracts, and of an empty range, ask nothing", async () => {
		const { node, source } = await startWith({ head: 9 });
		const none = { logs: [], blocks: [] };
		expect(await source.logsOfRange({ from: 0n, to: 9n }, { addresses: [], topics: [] })).toEqual(
			none,
		);
		expect(await source.logsOfRange({ from: 5n, to: 4n }, FILTER)).toEqual(none);
		expect(node.requests).toEqual([]);
	});
});

/** Requests in which logs were asked for. */
function logRequests(node: ScriptedNode): number {
	return node.requests.filter((calls) => calls.some(({ method }) => method === "eth_getLogs"))
		.length;
}

function numbers(from: number, to: number): readonly bigint[] {
	return Array.from({ length: to - from + 1 }, (_, index) => BigInt(from + index));
}
