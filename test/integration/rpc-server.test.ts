/** The test RPC server is what it says: its hashes are Ethereum's, its trees repeat, its views differ as told. */
import { MerklePatriciaTrie } from "@ethereumjs/mpt";
import { hexToBytes, toRlp } from "viem";
import { describe, expect, it } from "vitest";
import { deployToken } from "../../scripts/support/token.ts";
import type { Hex } from "../../src/domain/ids.ts";
import { startAnvil } from "../support/anvil.ts";
import { BlockTree } from "../support/rpc-server/block-tree.ts";
import {
	bloomOf,
	hashOfHeader,
	headerOf,
	hexOf,
	type RawHeader,
} from "../support/rpc-server/header.ts";
import { startRpcServer } from "../support/rpc-server/rpc-server.ts";
import { listRoot } from "../support/rpc-server/trie-root.ts";

const SEED = 7;
const EMPTY: Hex = `0x${"00".repeat(32)}`;

describe("hashes", () => {
	it("of headers are those of a real node", async () => {
		const anvil = await startAnvil();
		await deployToken(anvil.rpcUrl);
		await anvil.mine(2);
		for (const block of ["0x0", "0x1", "latest"]) {
			const raw = await anvil.request<RawHeader & { readonly hash: Hex }>("eth_getBlockByNumber", [
				block,
				false,
			]);
			expect(hexOf(hashOfHeader(headerIn(raw))), `block ${block}`).toBe(raw.hash);
		}
	});

	it("of blooms are those of a real node", async () => {
		const anvil = await startAnvil();
		const token = await deployToken(anvil.rpcUrl);
		await token.mint({ from: 0, to: "0x00000000000000000000000000000000000000aa", value: 5n });
		await anvil.mine();
		const { logsBloom } = await anvil.request<RawHeader>("eth_getBlockByNumber", ["latest", false]);
		const logs = await anvil.request<Parameters<typeof bloomOf>[0]>("eth_getLogs", [
			{ fromBlock: "latest" },
		]);
		expect(logs).toHaveLength(1);
		expect(hexOf(bloomOf(logs))).toBe(logsBloom);
	});

	it("of lists are those of a Merkle Patricia trie", async () => {
		for (const length of [0, 1, 2, 16, 17, 127, 128, 129, 260]) {
			const values = Array.from({ length }, (_, index) =>
				new Uint8Array(index % 3 === 0 ? 3 : 80).fill((index % 255) + 1),
			);
			const trie = new MerklePatriciaTrie();
			for (const [index, value] of values.entries()) {
				const digits = index === 0 ? "" : index.toString(16);
				const key = hexToBytes(`0x${digits.length % 2 === 1 ? "0" : ""}${digits}`);
				await trie.put(toRlp(key, "bytes"), value);
			}
			expect(hexOf(listRoot(values)), `${length} values`).toBe(hexOf(trie.root()));
		}
	});
});

describe("a tree", () => {
	it("is the same for the same seed, and another for another", () => {
		const [one, same, other] = [SEED, SEED, SEED + 1].map((seed) => new BlockTree({ seed }));
		expect(same?.trunk.hashAt(40)).toBe(one?.trunk.hashAt(40));
		expect(other?.trunk.hashAt(40)).not.toBe(one?.trunk.hashAt(40));
	});

	it("has forks that share what is below them, and keep some of the transactions above", () => {
		const tree = new BlockTree({ seed: SEED, transactions: () => 3 });
		tree.trunk.hashAt(40);
		const fork = tree.fork(tree.trunk, 20);
		expect(fork.hashAt(20)).toBe(tree.trunk.hashAt(20));
		expect(fork.hashAt(21)).not.toBe(tree.trunk.hashAt(21));
		const of = (branch: typeof fork) =>
			new Set(
				Array.from({ length: 20 }, (_, index) => tree.transactions(branch, 21 + index))
					.flat()
					.map(({ hash }) => hash),
			);
		const theirs = of(tree.trunk);
		const shared = [...of(fork)].filter((hash) => theirs.has(hash)).length;
		expect(shared).toBeGreaterThan(10);
		expect(shared).toBeLessThan(50);
	});
});

describe("a provider", () => {
	it("has a view of its own", async () => {
		const server = await startRpcServer({
			seed: SEED,
			head: 30,
			providers: [
				{},
				{ prunedBelow: 10, maxRangeBlocks: 5, rangeHint: true },
				{ servesOrphans: true },
			],
		});
		const before = server.chain.fork(4, 5);
		const orphan = before.branch.hashAt(before.head);
		server.provider(1).lag = 3;
		const ask = (provider: number, method: string, ...params: readonly unknown[]) =>
			answered(server.provider(provider).url, method, params);
		expect(await ask(0, "eth_blockNumber")).toMatchObject({ result: "0x1f" });
		expect(await ask(1, "eth_blockNumber")).toMatchObject({ result: "0x1c" });
		expect(await ask(0, "eth_getBlockByHash", orphan, false)).toMatchObject({ result: null });
		expect(await ask(2, "eth_getBlockByHash", orphan, false)).toMatchObject({
			result: { hash: orphan, number: "0x1e" },
		});
		expect(await ask(1, "eth_getBlockByNumber", "0x5", false)).toMatchObject({
			error: { code: 4444 },
		});
		expect(await ask(1, "eth_getLogs", { fromBlock: "0xa", toBlock: "0x14" })).toMatchObject({
			error: { message: expect.stringContaining("[0xa, 0xe]") },
		});
	});

	it("is wrong as often as it was told to be", async () => {
		const server = await startRpcServer({ seed: SEED, head: 5 });
		const provider = server.provider(0);
		const rule = provider.faults.on({
			fault: { kind: "null" },
			methods: ["eth_getBlockByNumber"],
			skip: 1,
			every: 2,
			times: 2,
		});
		const results: unknown[] = [];
		for (let call = 0; call < 8; call += 1) {
			const { result } = await answered(provider.url, "eth_getBlockByNumber", ["0x1", false]);
			results.push(result === null);
		}
		expect(results).toEqual([false, false, true, false, true, false, false, false]);
		expect(rule.struck).toBe(2);
	});
});

/** The fields that are hashed, in their order. */
function headerIn(raw: RawHeader): RawHeader {
	const parts = { number: 0, timestamp: 0, transactions: 0 };
	const hashes = { parentHash: EMPTY, stateRoot: EMPTY, receiptsRoot: EMPTY, logsBloom: EMPTY };
	const names = Object.keys(headerOf({ ...parts, ...hashes }, "prague"));
	const fields = names.flatMap((name) => {
		const value = raw[name as keyof RawHeader];
		return value === undefined ? [] : [[name, value]];
	});
	return Object.fromEntries(fields) as RawHeader;
}

async function answered(
	url: string,
	method: string,
	params: readonly unknown[],
): Promise<{ readonly result?: unknown; readonly error?: unknown }> {
	const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
	const headers = { "content-type": "application/json" };
	const response = await fetch(url, { method: "POST", headers, body });
	return (await response.json()) as { readonly result?: unknown };
}
