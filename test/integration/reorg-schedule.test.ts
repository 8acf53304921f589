import { describe, expect, test } from "vitest";
import { startAnvil } from "../support/anvil.ts";
import { expectStraightRun } from "../support/oracle.ts";
import { StageHold } from "../support/stage-hold.ts";
import { GENESIS_TIMESTAMP, type TestChain } from "../support/test-chain.ts";
import { FIRST_TRANSFERS, onlyOne, World } from "../support/world.ts";

/** A second node that has the same blocks as the world's, as far as every world begins alike. */
async function twinOf(world: World): Promise<TestChain> {
	const node = await startAnvil({ genesisTimestamp: GENESIS_TIMESTAMP });
	const twin = await world.chain.twin(node);
	const { block } = await twin.block(...FIRST_TRANSFERS);
	expect(block.hash).toBe((await world.chain.head()).hash);
	twin.diverge();
	return twin;
}

describe("forks in a row", () => {
	test("A, B and back to A, with an agent that writes on each", async () => {
		const world = await World.create();
		const [a, b] = [world.chain, await twinOf(world)];
		await world.write({ op: "put", id: "plan", content: { on: "root" }, text: "the whale waits" });
		const { sent } = await world.block({ from: 1, to: 2, value: 5n });
		const { block: lastOfA } = await world.block({ from: 2, to: 3, value: 6n });
		await world.write(
			{ op: "patch", id: "plan", content: { on: "A" } },
			{ op: "put", id: "free", content: { on: "A" }, text: "the whale moves on A" },
			{ op: "put", id: "of A", content: {}, anchor: { block: lastOfA.hash } },
			{ op: "put", id: "of a transfer", content: {}, anchor: { transaction: onlyOne(sent).hash } },
		);
		await b.block({ from: 3, to: 1, value: 9n });
		await b.block();
		await world.fork(async () => world.switchTo(b));
		const headOfB = await world.followed();
		await world.write(
			{ op: "patch", id: "plan", content: { on: "B" } },
			{ op: "put", id: "of B", content: {}, anchor: { block: headOfB.hash } },
		);
		expect(await world.memory("of A")).toBeUndefined();
		await expectStraightRun(world);

		await world.fork(async () => world.switchTo(a));
		expect(await world.memory("of A")).toBeDefined();
		expect(await world.memory("of a transfer")).toBeDefined();
		expect(await world.memory("of B")).toBeUndefined();
		expect(await world.memory("plan")).toMatchObject({ content: { on: "B" } });
		expect((await world.service.chain("anvil")).generation).toBe(2n);
		await world.block({ from: 1, to: 3, value: 1n });
		await expectStraightRun(world);

		await world.fork(async () => world.switchTo(b));
		await expectStraightRun(world);
	});

	test("within a second, the second deeper than the first", async () => {
		const world = await World.create();
		for (let index = 0; index < 6; index += 1) {
			await world.block({ from: 1, to: 2, value: 1n });
			await world.write({ op: "put", id: `note ${index}`, content: {}, text: "the whale moves" });
		}
		const { sent } = await world.block({ from: 2, to: 3, value: 2n });
		await world.remember();
		// One request each, back to back: tens of milliseconds apart.
		await world.chain.reorg(4);
		await world.chain.reorg(6, ...sent);
		await expectStraightRun(world);
	});

	test("while the service is stopped, with a note in the slot that nothing sealed", async () => {
		const world = await World.create();
		await world.block({ from: 1, to: 2, value: 5n });
		const { block } = await world.block({ from: 1, to: 2, value: 5n });
		await world.write(
			{ op: "put", id: "free", content: {}, text: "the whale moves" },
			{ op: "put", id: "bound", content: {}, anchor: { block: block.hash } },
		);
		await world.remember();
		await world.stop();
		await world.chain.drop(2);
		await world.chain.block({ from: 2, to: 1, value: 3n });
		await world.chain.empty(3);
		await world.start();
		await world.followed();
		expect(await world.rollbacks()).toMatchObject([{ state: "committed" }]);
		expect(await world.memory("bound")).toBeUndefined();
		await expectStraightRun(world);
	});
});

describe("a fork while a rollback runs", () => {
	test.each(["rewind", "replay", "verify", "commit"] as const)(
		"supersedes it before its stage %s",
		async (stage) => {
			const hold = new StageHold();
			const world = await World.create({ beforeStage: hold.beforeStage });
			for (let index = 0; index < 4; index += 1) {
				await world.block({ from: 1, to: 2, value: 1n });
				await world.write({ op: "put", id: `note ${index}`, content: {}, text: "the whale" });
			}
			await world.remember();
			hold.at(stage);
			await branchOff(world, 3);
			await hold.reached();
			await branchOff(world, 4);
			hold.release();
			await world.followed();
			expect(await world.rollbacks()).toMatchObject([
				{ state: "committed", ancestor: { height: 2n } },
				{ state: "superseded", ancestor: { height: 3n } },
			]);
			expect((await world.service.chain("anvil")).generation).toBe(1n);
			await expectStraightRun(world);
		},
	);

	test("supersedes it when another process prepares it, from blocks that are gone", async () => {
		const hold = new StageHold();
		const world = await World.create({ beforeStage: hold.beforeStage, inlineRollbacks: false });
		for (let index = 0; index < 4; index += 1) {
			await world.block({ from: 1, to: 2, value: 1n });
			await world.write({ op: "put", id: `note ${index}`, content: {}, text: "the whale" });
		}
		await world.remember();
		hold.at("replay");
		await branchOff(world, 3);
		await hold.reached();
		await branchOff(world, 4);
		hold.release();
		await world.followed();
		expect(await world.rollbacks()).toMatchObject([
			{ state: "committed", ancestor: { height: 2n } },
			{ state: "superseded", ancestor: { height: 3n } },
		]);
		await expectStraightRun(world);
	});

	test.each([
		["replay", 0],
		["commit", 0],
		["commit", 2],
	] as const)(
		"cancels it before its stage %s when the old branch wins with %i blocks more",
		async (stage, more) => {
			const hold = new StageHold();
			const world = await World.create({ beforeStage: hold.beforeStage });
			const [a, b] = [world.chain, await twinOf(world)];
			await world.block({ from: 1, to: 2, value: 5n });
			await world.block({ from: 1, to: 2, value: 6n });
			await world.write({ op: "put", id: "note", content: {}, text: "the whale moves" });
			await b.block({ from: 2, to: 1, value: 7n });
			await b.empty(2);
			hold.at(stage);
			await world.gate.hold(async () => world.switchTo(b));
			await hold.reached();
			for (let index = 0; index < more; index += 1) await a.block({ from: 3, to: 1, value: 1n });
			await world.gate.hold(async () => world.switchTo(a));
			hold.release();
			await world.followed();
			expect(await world.rollbacks()).toMatchObject([{ state: "cancelled" }]);
			expect((await world.service.chain("anvil")).generation).toBe(0n);
			await expectStraightRun(world);
		},
	);

	test("that only lets the new branch grow does not supersede it", async () => {
		const hold = new StageHold();
		const world = await World.create({ beforeStage: hold.beforeStage });
		await world.block({ from: 1, to: 2, value: 5n });
		await world.write({ op: "put", id: "note", content: {}, text: "the whale moves" });
		await world.remember();
		hold.at("verify");
		await branchOff(world, 1);
		await hold.reached();
		await world.chain.block({ from: 2, to: 1, value: 4n });
		hold.release();
		await world.followed();
		expect(await world.rollbacks()).toMatchObject([{ state: "committed" }]);
		await expectStraightRun(world);
	});
});

/** Replaces the last blocks by as many others, without waiting. */
async function branchOff(world: World, depth: number): Promise<void> {
	await world.gate.hold(async () => {
		await world.chain.drop(depth);
		for (let index = 0; index < depth; index += 1) {
			await world.chain.block({ from: 3, to: 1, value: BigInt(depth) });
		}
	});
}
