/** What a check of a chain's file says of nodes that lack something. */
import { type Hex, parseAbi } from "viem";
import { expect, test } from "vitest";
import { chainSpec } from "../../src/config/chains.ts";
import type { ChainBlock } from "../../src/domain/block.ts";
import type { Height } from "../../src/domain/ids.ts";
import { checkProvider } from "../../src/follower/check-chain.ts";
import type { InspectedNode } from "../../src/follower/inspected-node.ts";

const A: Hex = `0x${"a".repeat(40)}`;
const NOW_MS = 1_800_000_000_000;
const HEAD = 50_000n;

function blockAt(number: Height): ChainBlock {
	const word = (value: bigint): Hex => `0x${value.toString(16).padStart(64, "0")}`;
	const timestamp = BigInt(NOW_MS / 1_000) - (HEAD - number) * 12n;
	const hashes = { hash: word(number + 1n), parentHash: word(number) };
	return { number, ...hashes, timestamp, logsBloom: undefined, transactions: [] };
}

/** A node that has everything, but for what `lacks` puts in the place of it. */
function node(lacks: Partial<InspectedNode>): InspectedNode {
	return {
		provider: "node",
		chainId: async () => 1,
		latest: async () => blockAt(HEAD),
		tagged: async (tag) => blockAt(HEAD - (tag === "safe" ? 32n : 64n)),
		block: async (height) => blockAt(height),
		headerHash: async () => "proved",
		logsOfBlock: async () => [],
		logsOfRange: async () => [],
		code: async () => "0x60",
		callAt: async () => undefined,
		close: () => undefined,
		...lacks,
	};
}

async function refuses(): Promise<never> {
	throw new RangeError("not here");
}

/** What is not as it should be, but for the contract's events: none are ever there. */
async function found(lacks: Partial<InspectedNode>, change: object = {}) {
	const definition = {
		id: 1,
		name: "test",
		rpc: { urls: ["http://127.0.0.1:1"] },
		startBlock: 1_000n,
		namespaces: ["ledger"],
		contracts: { A: { abi: parseAbi(["event Moved(uint256 value)"]), address: A } },
		handlers: { "A:Moved": () => undefined },
		...change,
	};
	const spec = chainSpec(definition, { file: "test.ts", code: new Uint8Array() });
	const findings = await checkProvider(spec, node(lacks), NOW_MS);
	return findings
		.filter(({ state, check }) => state !== "ok" && check !== "A's events")
		.map(({ check, state, says }) => `${check} ${state}: ${says}`);
}

test("nothing, where nothing is missing", async () => {
	expect(await found({})).toEqual([]);
});

test.each<[string, Partial<InspectedNode>, string]>([
	["a node that is away", { latest: refuses }, "answers failed: not here"],
	["another chain", { chainId: async () => 5 }, "chain id failed: it serves 5, the file says 1"],
	[
		"a head that stands still",
		{ latest: async () => ({ ...blockAt(HEAD), timestamp: blockAt(HEAD - 500n).timestamp }) },
		"answers warning: head 50000, 6000 s old",
	],
	[
		"no tags",
		{ tagged: async () => undefined },
		"finality warning: no finalized tag: 64 blocks under the head",
	],
	[
		"finality that is far behind",
		{ tagged: async () => blockAt(HEAD - 5_000n) },
		"finality warning: finalized 45000, 5000 under the head; safe 45000: forks of more than 1024 blocks need an operator",
	],
	[
		"headers of another kind at the start",
		{ headerHash: async (height) => (height === 1_000n ? "other" : "proved") },
		"header hash failed: not what the header gives at 1000: set trust.headerHash to false if the chain's differ",
	],
	[
		"a pruned start",
		{ block: async (height) => (height < 40_000n ? undefined : blockAt(height)) },
		"start block failed: the node does not have block 1000",
	],
	["no logs by hash", { logsOfBlock: refuses }, "logs by hash failed: not here"],
	[
		"no old state",
		{ callAt: async ({ number }) => (number < HEAD - 128n ? refuses() : undefined) },
		"contract state warning: eth_call back to block 49936 only; a handler that uses client needs an archive node below",
	],
	["no contract", { code: async () => "0x" }, `A failed: no contract stands at ${A}`],
])("%s", async (_, lacks, says) => {
	expect(await found(lacks)).toContain(says);
});

test("the widest range that is taken is found, however narrow", async () => {
	const spec = chainSpec(
		{
			...{ id: 1, name: "test", rpc: { urls: ["http://127.0.0.1:1"] }, namespaces: ["ledger"] },
			...{ contracts: {}, handlers: {} },
		},
		{ file: "test.ts", code: new Uint8Array() },
	);
	const narrow = node({
		logsOfRange: async ({ from, to }) => (to - from >= 100n ? refuses() : []),
	});
	const findings = await checkProvider(spec, narrow, NOW_MS);
	expect(findings.find(({ check }) => check === "log range")).toMatchObject({
		state: "ok",
		says: "78 blocks at once; more was refused: not here",
	});
});

test("headers of another kind are no fault where the file says so", async () => {
	const other = { headerHash: async () => "other" as const };
	expect(await found(other, { trust: { headerHash: false } })).toEqual([]);
});
