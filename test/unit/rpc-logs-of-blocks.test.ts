/** Logs of several blocks by one question for their range, over real HTTP. */
import { expect, test } from "vitest";
import type { ChainBlock } from "../../src/domain/block.ts";
import type { LogFilter } from "../../src/follower/chain-source.ts";
import { createChainSource } from "../../src/rpc/chain-source.ts";
import { BlockTree } from "../support/rpc-server/block-tree.ts";
import type { FaultRule } from "../support/rpc-server/faults.ts";
import { RpcProvider } from "../support/rpc-server/rpc-provider.ts";
import { ServedChain } from "../support/rpc-server/served-chain.ts";
import { atTestEnd } from "../support/test-end.ts";

const SEED = 7;
const HEAD = 20;

async function startWith(transactions: (height: number) => number = () => 2) {
	const tree = new BlockTree({ seed: SEED, transactions });
	const chain = new ServedChain(tree, HEAD);
	const provider = new RpcProvider(chain, { chainId: 31337 }, SEED);
	await provider.listen();
	const source = createChainSource({
		urls: [provider.url],
		pollIntervalMs: 60_000,
		timeoutMs: 2_000,
	});
	atTestEnd(async () => {
		await source.close();
		await provider.stop();
	});
	const filter: LogFilter = { addresses: [tree.token], topics: [] };
	const heights = Array.from({ length: 10 }, (_, index) => BigInt(5 + index));
	const blocks = (await source.blocksByNumber(heights)).filter((block) => block !== undefined);
	return { chain, provider, source, filter, blocks };
}

type Started = Awaited<ReturnType<typeof startWith>>;

/** What each block's own question answers, and how many questions the blocks together took. */
async function asked({ source, filter, blocks, provider }: Started, rule?: FaultRule) {
	const expected = [];
	for (const block of blocks) expected.push(await source.logsOfBlock(block, filter));
	if (rule !== undefined) provider.faults.on(rule);
	const before = provider.count("eth_getLogs");
	const logs = await source.logsOfBlocks(blocks, filter);
	return { expected, logs, questions: provider.count("eth_getLogs") - before };
}

function isRange(call: { readonly params: readonly unknown[] }): boolean {
	return "fromBlock" in (call.params[0] as object);
}

test("are those of each block, by two questions", async () => {
	const { expected, logs, questions } = await asked(await startWith());
	expect(expected.every((each) => each.length > 0)).toBe(true);
	expect(logs).toEqual(expected);
	// The range, and the last block by itself.
	expect(questions).toBe(2);
});

test("of blocks whose blooms exclude them are not asked for", async () => {
	const { expected, logs, questions } = await asked(
		await startWith((height) => (height === 5 ? 2 : 0)),
	);
	expect(logs).toEqual(expected);
	expect(questions).toBe(1);
});

test.each<[string, FaultRule]>([
	["empty", { fault: { kind: "truncated_logs", keep: "none" }, when: isRange }],
	[
		"refused",
		{ fault: { kind: "error", code: -32000, message: "block range too large" }, when: isRange },
	],
])("are asked for one by one where the range's answer is %s", async (_, rule) => {
	const { expected, logs, questions } = await asked(await startWith(), rule);
	expect(logs).toEqual(expected);
	expect(questions).toBe(11);
});

test("are never those of another branch that the node has moved to", async () => {
	const started = await startWith();
	const { chain, source, filter, blocks } = started;
	const ours = await Promise.all(
		blocks.slice(0, 5).map((block: ChainBlock) => source.logsOfBlock(block, filter)),
	);
	// Heights 5 to 9 stay; 10 to 14 are others now, and ours are no longer served.
	chain.fork(HEAD - 9, HEAD - 9);
	expect(await source.logsOfBlocks(blocks.slice(0, 5), filter)).toEqual(ours);
	await expect(source.logsOfBlocks(blocks, filter)).rejects.toMatchObject({ retryable: true });
});
