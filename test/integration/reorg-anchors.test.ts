import { describe, expect, test } from "vitest";
import { expectStraightRun } from "../support/oracle.ts";
import { onlyOne, World } from "../support/world.ts";

/** A world whose block 3 holds a transfer; an agent's note is bound to it, another is free. */
async function boundWorld() {
	const world = await World.create();
	const { block, sent } = await world.block({ from: 1, to: 2, value: 5n });
	const transfer = onlyOne(sent);
	const [bound, free] = await world.write(
		{
			op: "put",
			id: "bound",
			content: { n: 1 },
			text: "the whale paid 5",
			anchor: { transaction: transfer.hash },
		},
		{ op: "put", id: "free", content: { n: 1 }, text: "the whale is near" },
	);
	await world.block();
	return { world, block, transfer, bound, free };
}

describe("an operation anchored to a transaction", () => {
	test("is replayed when the transaction comes back at once, at its new height", async () => {
		const { world, transfer, bound } = await boundWorld();
		await world.fork(async (chain) => {
			await chain.drop(2);
			await chain.empty(2);
			await chain.block(transfer);
		});
		expect(await world.operation(bound)).toMatchObject({ status: "applied", effectiveSlot: 5n });
		await expectStraightRun(world);
	});

	test("is suspended, and reinstated when the transaction comes back two blocks later", async () => {
		const { world, transfer, bound } = await boundWorld();
		await world.fork(async (chain) => {
			await chain.drop(2);
			await chain.empty(2);
		});
		expect(await world.operation(bound)).toMatchObject({
			status: "suspended",
			effectiveSlot: undefined,
		});
		expect(await world.memory("bound")).toBeUndefined();
		await expectStraightRun(world);
		await world.block();
		await world.block(transfer);
		expect(await world.operation(bound)).toMatchObject({ status: "applied", effectiveSlot: 6n });
		await world.block();
		await expectStraightRun(world);
	});

	test("is reinstated once, when several blocks with it are committed together", async () => {
		const { world, transfer, bound } = await boundWorld();
		await world.fork(async (chain) => {
			await chain.drop(2);
			await chain.empty(2);
		});
		await world.gate.hold(async () => {
			await world.chain.empty(2);
			await world.chain.block(transfer);
			await world.chain.empty(2);
		});
		await world.followed();
		expect(await world.operation(bound)).toMatchObject({ status: "applied", effectiveSlot: 7n });
		await expectStraightRun(world);
	});

	test("stays suspended when the transaction comes back with other effects", async () => {
		const world = await World.create();
		await world.block({ from: undefined, to: 4, value: 50n });
		const { sent } = await world.block({ from: 4, to: 1, value: 50n });
		const transfer = onlyOne(sent);
		const [bound] = await world.write({
			op: "put",
			id: "bound",
			content: {},
			text: "the whale paid 50",
			anchor: { transaction: transfer.hash },
		});
		await world.block();
		// Without the mint the same transfer fails.
		await world.fork(async (chain) => {
			await chain.drop(3);
			await chain.block(transfer);
			await chain.empty(3);
		});
		expect(await world.operation(bound)).toMatchObject({ status: "suspended" });
		await world.block();
		await expectStraightRun(world);
	});

	test("that failed holds as long as it fails", async () => {
		const world = await World.create();
		const { sent } = await world.block({ from: 4, to: 1, value: 50n });
		const failing = onlyOne(sent);
		const [bound] = await world.write({
			op: "put",
			id: "warning",
			content: {},
			anchor: { transaction: failing.hash },
		});
		await world.fork(async (chain) => {
			await chain.drop(1);
			await chain.block();
			await chain.block(failing);
		});
		expect(await world.operation(bound)).toMatchObject({ status: "applied", effectiveSlot: 4n });
		await world.fork(async (chain) => {
			await chain.drop(2);
			await chain.block({ from: undefined, to: 4, value: 50n });
			await chain.block(failing);
			await chain.block();
		});
		expect(await world.operation(bound)).toMatchObject({ status: "suspended" });
		await expectStraightRun(world);
	});

	test("comes and goes with every fork", async () => {
		const { world, transfer, bound } = await boundWorld();
		const statuses: string[] = [];
		for (const comesBack of [false, true, false, true]) {
			await world.fork(async (chain) => {
				await chain.drop(Number((await chain.head()).number) - 2);
				await (comesBack ? chain.block(transfer) : chain.block());
				await chain.empty(2);
			});
			statuses.push((await world.operation(bound)).status);
		}
		expect(statuses).toEqual(["suspended", "applied", "suspended", "applied"]);
		await expectStraightRun(world);
	});

	test("moves what was written after it up with it", async () => {
		const world = await World.create();
		const { sent } = await world.block({ from: 1, to: 2, value: 5n });
		const transfer = onlyOne(sent);
		const [put, patch, other] = await world.write(
			{
				op: "put",
				id: "pay",
				content: { n: 1 },
				text: "5",
				anchor: { transaction: transfer.hash },
			},
			{ op: "patch", id: "pay", content: { seen: true } },
			{ op: "put", id: "other", content: {} },
		);
		await world.block();
		await world.fork(async (chain) => {
			await chain.drop(2);
			await chain.empty(4);
			await chain.block(transfer);
			await chain.block();
		});
		for (const each of [put, patch, other]) {
			expect(await world.operation(each)).toMatchObject({ status: "applied", effectiveSlot: 7n });
		}
		await expectStraightRun(world);
	});
});

describe("an operation anchored to a block", () => {
	test("is suspended with the block", async () => {
		const world = await World.create();
		const { block } = await world.block();
		const [bound] = await world.write({
			op: "put",
			id: "bound",
			content: {},
			text: "the whale was here",
			anchor: { block: block.hash },
		});
		await world.fork(async (chain) => {
			await chain.drop(1);
			await chain.empty(2);
		});
		expect(await world.operation(bound)).toMatchObject({ status: "suspended" });
		await expectStraightRun(world);
	});

	test("holds while forks stay above the block, and its slot stays above it", async () => {
		const world = await World.create();
		const { block } = await world.block();
		await world.block();
		await world.block();
		const [bound] = await world.write({
			op: "put",
			id: "bound",
			content: {},
			anchor: { block: block.hash },
		});
		await world.fork(async (chain) => {
			await chain.drop(2);
			await chain.block();
		});
		expect(await world.operation(bound)).toMatchObject({ status: "applied", effectiveSlot: 5n });
		await expectStraightRun(world);
	});
});
