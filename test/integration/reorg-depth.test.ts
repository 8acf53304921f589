import { describe, expect, test } from "vitest";
import { expectStraightRun } from "../support/oracle.ts";
import type { TestChain } from "../support/test-chain.ts";
import { World } from "../support/world.ts";

/** A branch on which other transfers happened. */
async function otherBlocks(chain: TestChain, blocks: number): Promise<void> {
	for (let index = 0; index < blocks; index += 1) {
		await chain.block({ from: 3, to: 2, value: BigInt(index + 1) });
	}
}

/** Blocks with a transfer each, and an agent that takes notes and keeps one of them current. */
async function notedBlocks(world: World, blocks: number): Promise<void> {
	await world.write({ op: "put", id: "current", content: { n: 0 }, text: "the whale sleeps" });
	for (let index = 0; index < blocks; index += 1) {
		await world.block({ from: 1, to: 2, value: BigInt(index + 1) });
		await world.write(
			{ op: "put", id: `note ${index}`, content: { n: index }, text: `the whale moves ${index}` },
			{ op: "put", id: "current", content: { n: index + 1 } },
		);
	}
}

describe("a fork", () => {
	test.each([1, 5, 20])("of depth %i, with notes on every block that is lost", async (depth) => {
		const world = await World.create();
		await notedBlocks(world, depth);
		await world.fork(async (chain) => {
			await chain.drop(depth);
			await otherBlocks(chain, depth);
		});
		expect(await world.rollbacks()).toMatchObject([
			{ state: "committed", cause: "reorg", ancestor: { height: 2n } },
		]);
		await expectStraightRun(world);
	});

	test("of depth 60, down to just above the finalized block", async () => {
		const world = await World.create();
		await notedBlocks(world, 2);
		for (let index = 0; index < 64; index += 1) await world.chain.block();
		await world.followed();
		await notedBlocks(world, 2);
		const { finalized, head } = await world.service.chain("anvil");
		await world.fork(async (chain) => {
			await chain.drop(60);
			await otherBlocks(chain, 3);
			await chain.empty(57);
		});
		const [rollback] = await world.rollbacks();
		expect(rollback).toMatchObject({
			state: "committed",
			ancestor: { height: (head?.height ?? 0n) - 60n },
		});
		expect(rollback?.ancestor.height).toBeGreaterThanOrEqual(finalized ?? 0n);
		await expectStraightRun(world);
	});

	test("that the node makes by itself, with a transaction carried over", async () => {
		const world = await World.create();
		await world.block();
		const { sent } = await world.block({ from: 1, to: 2, value: 7n });
		await notedBlocks(world, 2);
		await world.fork((chain) => chain.reorg(4, ...sent));
		expect(await world.rollbacks()).toMatchObject([
			{ state: "committed", ancestor: { height: 2n }, to: { height: 6n } },
		]);
		await expectStraightRun(world);
	});

	test("to a sibling at the same height", async () => {
		const world = await World.create();
		await notedBlocks(world, 2);
		const head = await world.followed();
		const sibling = await world.fork(async (chain) => {
			await chain.drop(1);
			await otherBlocks(chain, 1);
		});
		expect(sibling).toMatchObject({ number: head.number, parentHash: head.parentHash });
		expect(sibling.hash).not.toBe(head.hash);
		await expectStraightRun(world);
	});

	test("to a chain that is longer, and grows on", async () => {
		const world = await World.create();
		await notedBlocks(world, 3);
		await world.fork(async (chain) => {
			await chain.drop(2);
			await otherBlocks(chain, 5);
		});
		await notedBlocks(world, 2);
		await expectStraightRun(world);
	});

	test("to a shorter chain of other blocks", async () => {
		const world = await World.create();
		await notedBlocks(world, 5);
		await world.fork(async (chain) => {
			await chain.drop(4);
			await otherBlocks(chain, 2);
		});
		expect(await world.rollbacks()).toMatchObject([
			{ from: { height: 7n }, ancestor: { height: 3n }, to: { height: 5n } },
		]);
		await notedBlocks(world, 1);
		await expectStraightRun(world);
	});

	test("to nothing: the chain only gets shorter, and later grows another way", async () => {
		const world = await World.create();
		await notedBlocks(world, 4);
		await world.fork((chain) => chain.drop(3));
		expect(await world.rollbacks()).toMatchObject([
			{ state: "committed", ancestor: { height: 3n }, to: { height: 3n } },
		]);
		await expectStraightRun(world);
		await otherBlocks(world.chain, 2);
		await notedBlocks(world, 1);
		await expectStraightRun(world);
	});
});
