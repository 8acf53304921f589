import { describe, expect, test } from "vitest";
import { expectStraightRun } from "../support/oracle.ts";
import { onlyOne, World } from "../support/world.ts";

describe("a fork", () => {
	test.each([1, 5, 20])("of depth %i with agent writes in every block", async (depth) => {
		const world = await World.create({ name: `depth ${depth}` });
		await world.write({ op: "put", id: "before", content: { n: 0 }, text: "the whale sleeps" });
		for (let index = 0; index < depth; index += 1) {
			await world.chain.block({ from: 1, to: 2, value: BigInt(index + 1) });
			await world.followed();
			await world.write(
				{ op: "put", id: `note ${index}`, content: { n: index }, text: `the whale moves ${index}` },
				{ op: "put", id: "before", content: { n: index + 1 } },
			);
		}
		await world.fork(async (chain) => {
			await chain.drop(depth);
			for (let index = 0; index < depth; index += 1) {
				await chain.block({ from: 3, to: 2, value: BigInt(index + 1) });
			}
		});
		const [rollback] = await world.rollbacks();
		expect(rollback).toMatchObject({ state: "committed", cause: "reorg" });
		await expectStraightRun(world);
	});
});
