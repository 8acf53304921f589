import { Redis } from "ioredis";
import postgres from "postgres";
import { describe, expect, test } from "vitest";
import { type Anvil, startAnvil as startNode } from "../../scripts/support/anvil.ts";
import { devAccount } from "../../scripts/support/dev-accounts.ts";
import { deployToken } from "../../scripts/support/token.ts";
import { startAnvil } from "../support/anvil.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { redisUrl, testPrefix } from "../support/redis.ts";

const ALICE = devAccount(1).address;
const BOB = devAccount(2).address;

interface Block {
	readonly hash: string;
	readonly transactions: readonly string[];
}

function blockAt(node: Anvil, height: number): Promise<Block | null> {
	return node.request<Block | null>("eth_getBlockByNumber", [`0x${height.toString(16)}`, false]);
}

async function hashesOf(node: Anvil): Promise<readonly (string | undefined)[]> {
	const heights = Array.from({ length: Number(await node.blockNumber()) + 1 }, (_, at) => at);
	return Promise.all(heights.map(async (height) => (await blockAt(node, height))?.hash));
}

describe("the node of the tests", () => {
	test("takes several transactions into one block, and one that reverts", async () => {
		const node = await startAnvil();
		const token = await deployToken(node.rpcUrl);
		await token.mint({ to: ALICE, value: 5n });
		await token.transfer({ from: 1, to: BOB, value: 2n });
		await token.transfer({ from: 1, to: BOB, value: 1_000n });
		await node.mine();
		expect((await blockAt(node, 2))?.transactions).toHaveLength(3);
		expect(await token.balanceOf(BOB)).toBe(2n);
		expect(await token.balanceOf(BOB, 1n)).toBe(0n);
	});

	test("replaces blocks and keeps a transaction that is named, with its hash", async () => {
		const node = await startAnvil();
		const token = await deployToken(node.rpcUrl);
		const kept = await token.mint({ to: ALICE, value: 5n });
		await node.mine();
		await token.mint({ to: ALICE, value: 7n });
		await node.mine(3);
		const before = await hashesOf(node);
		await node.reorg(4, [[kept.raw, 1]]);
		const after = await hashesOf(node);
		expect(after).toHaveLength(before.length);
		expect(after.slice(0, 2)).toEqual(before.slice(0, 2));
		for (const height of [2, 3, 4, 5]) expect(after[height]).not.toBe(before[height]);
		expect((await blockAt(node, 3))?.transactions).toEqual([kept.hash]);
		expect(await token.balanceOf(ALICE)).toBe(5n);
	});

	test("gets shorter, and returns to a branch that it left", async () => {
		const node = await startAnvil();
		await node.mine(5);
		const branch = await hashesOf(node);
		const state = await node.dumpState();
		await node.rollback(3);
		expect(await node.blockNumber()).toBe(2n);
		await node.mine(4);
		expect((await hashesOf(node)).slice(3)).not.toEqual(branch.slice(3));
		await node.loadState(state);
		expect(await hashesOf(node)).toEqual(branch);
	});

	test("makes the blocks of another one that began alike and was asked for the same", async () => {
		const genesisTimestamp = 1_800_000_000;
		const nodes = [await startAnvil({ genesisTimestamp }), await startAnvil({ genesisTimestamp })];
		for (const node of nodes) {
			for (const seconds of [12, 24, 36]) await node.mineAt(genesisTimestamp + seconds);
		}
		const [one, other] = await Promise.all(nodes.map(hashesOf));
		expect(one).toHaveLength(4);
		expect(other).toEqual(one);
	});

	test("reverts to a snapshot once", async () => {
		const node = await startAnvil();
		const snapshot = await node.snapshot();
		await node.mine(2);
		await node.revert(snapshot);
		expect(await node.blockNumber()).toBe(0n);
		await expect(node.revert(snapshot)).rejects.toMatchObject({ code: "node_failed" });
	});

	test("is gone after its stop, even while it is stopped by a signal", async () => {
		const node = await startNode();
		process.kill(node.pid, "SIGSTOP");
		await node.stop();
		expect(() => process.kill(node.pid, 0)).toThrow(/ESRCH/);
	});
});

test("a test's database is its own, in UTF-8, and gone once it is dropped", async () => {
	const [one, other] = await Promise.all([createTestDatabase("Own: ä"), createTestDatabase("b")]);
	expect(one.name).not.toBe(other.name);
	const sql = postgres(one.url, { max: 1 });
	const rows = await sql`select current_database() as name, getdatabaseencoding() as encoding`;
	expect([...rows]).toEqual([{ name: one.name, encoding: "UTF8" }]);
	await one.drop();
	await sql.end();
	const late = postgres(one.url, { max: 1 });
	await expect(late`select 1`).rejects.toMatchObject({ code: "3D000" });
	await late.end();
});

test("the Redis of the tests evicts nothing and keeps a log", async () => {
	const redis = new Redis(redisUrl(), { keyPrefix: testPrefix() });
	try {
		expect(await redis.config("GET", "maxmemory-policy")).toEqual([
			"maxmemory-policy",
			"noeviction",
		]);
		expect(await redis.config("GET", "appendonly")).toEqual(["appendonly", "yes"]);
	} finally {
		redis.disconnect();
	}
});
