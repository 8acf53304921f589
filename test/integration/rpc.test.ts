/** The node adapter on a real Anvil, by HTTP and by WebSocket. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { devAccount } from "../../scripts/support/dev-accounts.ts";
import { deployToken, type Token } from "../../scripts/support/token.ts";
import type { ChainSource, LogFilter } from "../../src/follower/chain-source.ts";
import { createChainSource } from "../../src/rpc/chain-source.ts";
import { startAnvil } from "../support/anvil.ts";
import { atTestEnd } from "../support/test-end.ts";

const BOB = devAccount(2).address;
/** keccak-256 of Transfer(address,address,uint256). */
const TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
const NEVER_MS = 600_000;
const FAILED = { code: "rpc_failed", retryable: true };
const UNAVAILABLE = { code: "rpc_unavailable", retryable: true };

interface SourceOptions {
	readonly urls: readonly string[];
	readonly pollIntervalMs?: number;
}

function sourceOf({ urls, pollIntervalMs = NEVER_MS }: SourceOptions): ChainSource {
	const source = createChainSource({ urls, pollIntervalMs, timeoutMs: 5_000 });
	atTestEnd(() => source.close());
	return source;
}

function transfersOf(token: Token): LogFilter {
	return { addresses: [token.address], topics: [TRANSFER] };
}

describe.each(["rpcUrl", "wsUrl"] as const)("over Anvil's %s", (transport) => {
	test("blocks, receipts and logs say the same by every way to ask", async () => {
		const node = await startAnvil({ chainId: 4_242 });
		const token = await deployToken(node.rpcUrl);
		const sent = [
			await token.mint({ to: BOB, value: 5n }),
			await token.transfer({ from: 2, to: BOB, value: 1n }),
			await token.transfer({ from: 2, to: BOB, value: 100n }),
		];
		await node.mine(3);
		const source = sourceOf({ urls: [node[transport]] });
		expect(await source.chainId()).toBe(4_242);
		const latest = await source.latest();
		expect(latest.number).toBe(4n);
		const block = await source.blockByNumber(2n);
		if (block === undefined) throw new RangeError("block 2 was mined");
		expect(await source.blockByHash(block.hash)).toEqual(block);
		expect(block.transactions).toEqual(sent.map(({ hash }) => hash));
		const blocks = await source.blocksByNumber([4n, 2n, 5n, 3n]);
		expect(blocks.map((found) => found?.number)).toEqual([4n, 2n, undefined, 3n]);
		expect(blocks[0]?.parentHash).toBe(blocks[3]?.hash);

		const logs = await source.logsOfBlock(block, transfersOf(token));
		expect(logs.map((log) => [log.logIndex, log.transactionHash])).toEqual([
			[0, sent[0]?.hash],
			[1, sent[1]?.hash],
		]);
		expect(await source.logsOfRange({ from: 0n, to: 4n }, transfersOf(token))).toEqual({
			logs,
			blocks: [block],
		});
		const receipts = await Promise.all(sent.map(({ hash }) => source.receipt(hash)));
		expect(receipts.map((receipt) => receipt?.status)).toEqual(["success", "success", "reverted"]);
		expect(receipts.flatMap((receipt) => receipt?.logs ?? [])).toEqual(logs);
		expect(await source.receipt(latest.hash)).toBeUndefined();
		expect(source.health()).toEqual([
			{
				url: node[transport],
				state: "ok",
				latencyMs: expect.any(Number),
				consecutiveFailures: 0,
				lastError: undefined,
				errorRate: 0,
				breaker: "closed",
				since: expect.any(Date),
				head: 4n,
				blocksOff: undefined,
				requests: { atMost: 32, underWay: 0, waiting: 0, callsPerSecond: undefined },
				batchCalls: 100,
				logRangeBlocks: 10_000,
			},
		]);
	});

	test("safe and finalized are answered once the chain is long enough", async () => {
		const node = await startAnvil({ slotsInAnEpoch: 2 });
		await node.mine(10);
		const source = sourceOf({ urls: [node[transport]] });
		expect((await source.tagged("safe"))?.number).toBe(8n);
		expect((await source.tagged("finalized"))?.number).toBe(6n);
	});

	test("an orphaned block is unknown, and never one without logs", async () => {
		const node = await startAnvil();
		const token = await deployToken(node.rpcUrl);
		const { hash } = await token.mint({ to: BOB, value: 5n });
		await node.mine(2);
		const source = sourceOf({ urls: [node[transport]] });
		const [withLogs, without] = await source.blocksByNumber([2n, 3n]);
		if (withLogs === undefined || without === undefined) throw new RangeError("both were mined");
		expect(await source.logsOfBlock(withLogs, transfersOf(token))).toHaveLength(1);
		expect(await source.logsOfBlock(without, transfersOf(token))).toEqual([]);
		await node.reorg(2);
		for (const orphan of [withLogs, without]) {
			expect(await source.blockByHash(orphan.hash)).toBeUndefined();
			const { number, hash } = orphan;
			const asked = source.logsOfBlock({ number, hash }, transfersOf(token));
			await expect(asked).rejects.toMatchObject({
				...FAILED,
				message: expect.stringContaining("eth_getLogs"),
			});
		}
		// As far as they are known: logs that a bloom promises are asked for, those that it excludes are not.
		await expect(source.logsOfBlock(withLogs, transfersOf(token))).rejects.toMatchObject(FAILED);
		expect(await source.logsOfBlock(without, transfersOf(token))).toEqual([]);
		expect(await source.receipt(hash)).toBeUndefined();
		expect((await source.blockByNumber(2n))?.hash).not.toBe(withLogs.hash);
		expect(source.health()).toMatchObject([{ state: "ok" }]);
	});

	test("a range above the head fails instead of being empty", async () => {
		const node = await startAnvil();
		const token = await deployToken(node.rpcUrl);
		const source = sourceOf({ urls: [node[transport]] });
		await expect(
			source.logsOfRange({ from: 0n, to: 2n }, transfersOf(token)),
		).rejects.toMatchObject(FAILED);
	});

	test("three hundred blocks come in order", async () => {
		const node = await startAnvil();
		await node.mine(300);
		const heights = Array.from({ length: 301 }, (_, height) => BigInt(300 - height));
		const blocks = await sourceOf({ urls: [node[transport]] }).blocksByNumber(heights);
		expect(blocks.map((block) => block?.number)).toEqual(heights);
	});

	test("a node that stops and starts again is unavailable, then well", async () => {
		const node = await startAnvil();
		const source = sourceOf({ urls: [node[transport]] });
		expect((await source.latest()).number).toBe(0n);
		await node.stop();
		await expect(source.latest()).rejects.toMatchObject(UNAVAILABLE);
		await expect(source.latest()).rejects.toMatchObject(UNAVAILABLE);
		expect(source.health()).toMatchObject([
			{ state: "failing", lastError: expect.stringContaining("ECONN") },
		]);
		const again = await startAnvil({ port: node.port });
		await again.mine(2);
		await expect
			.poll(() => source.latest().then((block) => block.number, String), { timeout: 15_000 })
			.toBe(2n);
		expect(source.health()).toMatchObject([{ state: "ok", consecutiveFailures: 0 }]);
	});

	test("a second node stands in for one that stops", async () => {
		const [first, second] = [await startAnvil(), await startAnvil()];
		await second.mine(7);
		const source = sourceOf({ urls: [first[transport], second[transport]] });
		expect((await source.latest()).number).toBe(0n);
		await first.stop();
		expect((await source.latest()).number).toBe(7n);
	});

	test("a process ends by itself once its source is closed", async () => {
		const node = await startAnvil();
		const script = `
			import { createChainSource } from "./src/rpc/chain-source.ts";
			const urls = [${JSON.stringify(node[transport])}];
			const source = createChainSource({ urls, pollIntervalMs: 10, timeoutMs: 60_000 });
			let heads = 0;
			source.watch(() => { heads += 1; });
			const { number } = await source.latest();
			while (heads < 3) await new Promise((resolve) => setTimeout(resolve, 10));
			await source.close();
			console.log("closed at", number);`;
		const args = ["--input-type=module", "--eval", script];
		const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 20_000 });
		expect(stdout).toContain("closed at 0n");
	});
});

describe("heads", () => {
	/** Nothing but an announcement ends these waits: the next poll is further off than any test. */
	const PATIENT = { interval: 5, timeout: 15_000 };

	interface Seen {
		/** Calls of `onHead`. */
		heads: number;
		stop(): void;
	}

	function count(source: ChainSource): Seen {
		const stop = source.watch(() => {
			seen.heads += 1;
		});
		const seen: Seen = { heads: 0, stop };
		return seen;
	}

	test("are told at each poll interval, until it is stopped", async () => {
		const node = await startAnvil();
		const seen = count(sourceOf({ urls: [node.rpcUrl], pollIntervalMs: 20 }));
		await expect.poll(() => seen.heads, PATIENT).toBeGreaterThan(3);
		seen.stop();
		const before = seen.heads;
		await new Promise((resolve) => setTimeout(resolve, 100));
		expect(seen.heads).toBe(before);
	});

	test("are announced by WebSocket long before the poll", async () => {
		const node = await startAnvil();
		const seen = count(sourceOf({ urls: [node.wsUrl] }));
		// Once for what came before the subscription.
		await expect.poll(() => seen.heads, PATIENT).toBe(1);
		await node.mine();
		await expect.poll(() => seen.heads, PATIENT).toBe(2);
		await node.mine(3);
		await expect.poll(() => seen.heads, PATIENT).toBe(5);
		seen.stop();
		await node.mine();
		await new Promise((resolve) => setTimeout(resolve, 100));
		expect(seen.heads).toBe(5);
	});

	test("are announced when a fork replaces the head", async () => {
		const node = await startAnvil();
		await node.mine(5);
		const seen = count(sourceOf({ urls: [node.wsUrl] }));
		await expect.poll(() => seen.heads, PATIENT).toBe(1);
		await node.reorg(2);
		await expect.poll(() => seen.heads, PATIENT).toBeGreaterThan(1);
	});

	test("are announced by the second provider while the first is asked", async () => {
		const node = await startAnvil();
		const source = sourceOf({ urls: [node.rpcUrl, node.wsUrl] });
		const seen = count(source);
		await expect.poll(() => seen.heads, PATIENT).toBe(1);
		await node.mine();
		await expect.poll(() => seen.heads, PATIENT).toBe(2);
		expect((await source.latest()).number).toBe(1n);
	});

	test("are announced again after the node was away", async () => {
		const node = await startAnvil();
		const seen = count(sourceOf({ urls: [node.wsUrl] }));
		await expect.poll(() => seen.heads, PATIENT).toBe(1);
		await node.stop();
		await new Promise((resolve) => setTimeout(resolve, 300));
		const again = await startAnvil({ port: node.port });
		// The new subscription tells once, for what it missed.
		await expect.poll(() => seen.heads, PATIENT).toBe(2);
		await again.mine();
		await expect.poll(() => seen.heads, PATIENT).toBe(3);
	});
});
