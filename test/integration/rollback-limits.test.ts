/** Where a rollback may begin and how it ends when it cannot: the edges of the window and of patience. */
import { describe, expect, test } from "vitest";
import { deployToken } from "../../scripts/support/token.ts";
import { RetryableError } from "../../src/domain/errors.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { startAnvil } from "../support/anvil.ts";
import { CHAIN, startTestRecant } from "../support/recant.ts";
import { until } from "../support/until.ts";
import { World } from "../support/world.ts";

describe("after a backfill", () => {
	test("a fork may have the last backfilled block for its ancestor", async () => {
		const node = await startAnvil({});
		const token = await deployToken(node.rpcUrl);
		// 200 blocks: Anvil's finalized one is 64 under the head, no multiple of the interval.
		await node.mine(200 - Number(await node.blockNumber()));
		const recant = await startTestRecant({
			name: "backfilled",
			rpcUrl: node.rpcUrl,
			token: token.address,
		});
		const view = () => recant.service.chain(CHAIN);
		await until("the head is followed", async () => (await view()).head?.height === 200n, view);
		await node.reorg(64);
		await until("the fork is taken", async () => (await view()).generation > 0n, view);
		const { items } = await recant.service.rollbacks(CHAIN, { limit: 10, cursor: undefined });
		expect(items.at(-1)).toMatchObject({ state: "committed", ancestor: { height: 136n } });
		expect(await recant.service.checkpoint(CHAIN, 136n)).toMatchObject({ height: 136n });
	});
});

describe("a node that flaps while a rollback is prepared", () => {
	test("uses up none of the tries that the rollback has for itself", async () => {
		const faults: Error[] = [
			...Array.from({ length: LIMITS.rollbackAttempts + 1 }, unreachableNode),
			new TypeError("a defect that the next try does not meet"),
		];
		const world = await World.create({
			beforeStage: async (stage) => {
				const fault = stage === "replay" ? faults.shift() : undefined;
				if (fault !== undefined) throw fault;
			},
		});
		await world.chain.reorg(1);
		await world.followed();
		expect(faults).toEqual([]);
		expect(await world.rollbacks()).toMatchObject([{ state: "committed" }]);
	});
});

describe("a rollback that fails whatever is tried", () => {
	test.each([
		["by the follower", true],
		["by a job", false],
	])(
		"is tried %s a bounded number of times, then the chain stands visibly",
		async (_by, inline) => {
			let stages = 0;
			const world = await World.create({
				inlineRollbacks: inline,
				beforeStage: async (stage) => {
					if (stage !== "replay") return;
					stages += 1;
					throw new TypeError("a defect that no retry mends");
				},
			});
			await world.chain.reorg(1);
			const view = () => world.service.chain(CHAIN);
			await until("the chain stands", async () => (await view()).state === "halted", view);
			expect((await view()).problem).toMatchObject({ code: "rollback_failed" });
			expect(stages).toBe(LIMITS.rollbackAttempts);
			const rollbacks = await world.rollbacks();
			expect(rollbacks).toMatchObject([
				{ state: "failed", error: { code: "rollback_interrupted" } },
			]);
			await expect(world.service.startRollback(CHAIN, 1n)).rejects.toMatchObject({
				code: "chain_halted",
			});
		},
	);
});

function unreachableNode(): RetryableError {
	return new RetryableError("rpc_unavailable", { message: "no provider answers", hint: "wait" });
}
