/** What a look at a fork asks of the node, and what a second look at the same one does not ask again. */
import { expect, test } from "vitest";
import { DEFAULT_REORG_RULES } from "../../src/chain/branch-support.ts";
import { HeaderWindow } from "../../src/chain/header-window.ts";
import type { BlockHeader, ChainBlock } from "../../src/domain/block.ts";
import { BlockCache } from "../../src/follower/block-cache.ts";
import type { ChainSource } from "../../src/follower/chain-source.ts";
import { ForkJudge } from "../../src/follower/fork-judge.ts";
import { Observer } from "../../src/follower/observe.ts";
import { headerChain, headerHash } from "../support/header-chain.ts";
import { ManualClock } from "../support/manual-clock.ts";

const OURS = headerChain("a", { from: 0, to: 10 });
const WINDOW = HeaderWindow.of(OURS);

/** On the branch that leaves ours above `ancestor`, up to `head`. */
function branchOf(letter: string, ancestor: number, head: number): readonly BlockHeader[] {
	const on = WINDOW.at(BigInt(ancestor)) ?? WINDOW.tip;
	return [
		...OURS.slice(0, ancestor + 1),
		...headerChain(letter, { from: ancestor + 1, to: head, on }),
	];
}

function observerOf(node: { branch: readonly BlockHeader[] }) {
	const asked: number[] = [];
	const clock = new ManualClock();
	const source = {
		latest: async () => node.branch.at(-1),
		blocksByNumber: async (heights: readonly bigint[]) => {
			asked.push(...heights.map(Number));
			return heights.map((height) => node.branch[Number(height)] as ChainBlock | undefined);
		},
		blockByHash: async (hash: string) => node.branch.find((block) => block.hash === hash),
		support: async () => ({ confirming: 1, denying: 0, silent: 0 }),
	} as unknown as ChainSource;
	const spec = {
		rpc: { urls: ["http://127.0.0.1:1"], pollIntervalMs: 1_000 } as never,
		// So that a look is followed by another.
		reorg: { ...DEFAULT_REORG_RULES, confirmBeyondDepth: 0 },
	};
	const forks = new ForkJudge({ spec, source, clock });
	const observer = new Observer({ spec, source, blocks: new BlockCache(source), forks, clock });
	return {
		look: async () => {
			asked.length = 0;
			const { decision } = await observer.observe(WINDOW, 0n);
			clock.pass(1_000);
			return { type: decision.type, asked: asked.toSorted((one, other) => one - other) };
		},
	};
}

test("a fork that is looked at again is not walked back again, nor when it has grown", async () => {
	const node = { branch: branchOf("b", 5, 11) };
	const { look } = observerOf(node);
	expect(await look()).toEqual({ type: "unconfirmed", asked: [4, 5, 6, 7, 8, 9, 10] });
	node.branch = branchOf("b", 5, 12);
	expect(await look()).toEqual({ type: "unconfirmed", asked: [] });
	node.branch = branchOf("b", 5, 14);
	expect(await look()).toEqual({ type: "reorg", asked: [11, 12, 13] });
});

test("another branch is walked back by itself, though heights of it were seen", async () => {
	const node = { branch: branchOf("b", 5, 11) };
	const { look } = observerOf(node);
	await look();
	node.branch = branchOf("c", 8, 11);
	expect(await look()).toEqual({ type: "unconfirmed", asked: [8, 9, 10] });
});

test("a fork that would halt the chain is walked back anew at each look", async () => {
	const honest = branchOf("b", 0, 11);
	const lie = (block: BlockHeader) =>
		block.number === 1n ? { ...block, parentHash: headerHash("f", 0) } : block;
	const node: { branch: readonly BlockHeader[] } = { branch: honest.map(lie) };
	const { look } = observerOf(node);
	expect(await look()).toMatchObject({ type: "halt" });
	node.branch = honest;
	expect(await look()).toMatchObject({
		type: "unconfirmed",
		asked: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
	});
});
