import { describe, expect, test } from "vitest";
import { expectStraightRun } from "../support/oracle.ts";
import { CHAIN } from "../support/recant.ts";
import { redisUrl } from "../support/redis.ts";
import { until } from "../support/until.ts";
import { onlyOne, World } from "../support/world.ts";

async function post(world: World, body: unknown) {
	const response = await fetch(`${world.recant.url}/v1/chains/${CHAIN}/rollbacks`, {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify(body),
	});
	return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

describe("a rollback by hand", () => {
	test("is told before, goes back, and the same blocks are followed again", async () => {
		const world = await World.create();
		await world.write({ op: "put", id: "plan", content: { n: 0 }, text: "the whale sleeps" });
		const { sent } = await world.block({ from: 1, to: 2, value: 5n });
		const { block } = await world.block({ from: 2, to: 3, value: 6n });
		const written = await world.write(
			{ op: "patch", id: "plan", content: { n: 1 } },
			{ op: "put", id: "of tx", content: {}, anchor: { transaction: onlyOne(sent).hash } },
			{ op: "put", id: "of block", content: {}, text: "whale", anchor: { block: block.hash } },
		);
		await world.block();
		await world.remember();
		const positionBefore = (await world.service.chain(CHAIN)).logPosition;

		const plan = await post(world, { toBlock: "2", dryRun: true });
		expect(plan).toMatchObject({
			status: 200,
			body: { dryRun: true, ancestor: { height: "2" }, blocks: 3, operations: 4 },
		});
		expect(Number(plan.body["memories"])).toBeGreaterThan(0);
		expect((await world.service.chain(CHAIN)).logPosition).toBe(positionBefore);

		expect(await post(world, { toBlock: "2" })).toMatchObject({ status: 202 });
		await until("it is committed", async () => (await world.rollbacks())[0]?.state === "committed");
		await world.followed();
		expect(await world.rollbacks()).toMatchObject([
			{ cause: "manual", ancestor: { height: 2n }, to: { height: 2n } },
		]);
		for (const each of written) {
			expect(await world.operation(each)).toMatchObject({ status: "applied" });
		}
		expect(await world.operation(written[1])).toMatchObject({ effectiveSlot: 3n });
		expect(await world.operation(written[2])).toMatchObject({ effectiveSlot: 4n });
		await expectStraightRun(world);
	});

	test("followed by a fork below it", async () => {
		const world = await World.create();
		await world.block({ from: 1, to: 2, value: 5n });
		const { block } = await world.block({ from: 2, to: 3, value: 6n });
		await world.write({ op: "put", id: "of block", content: {}, anchor: { block: block.hash } });
		await world.write({ op: "put", id: "free", content: {}, text: "the whale" });
		await world.block();
		await world.remember();
		expect(await post(world, { toBlock: 4 })).toMatchObject({ status: 202 });
		await until("it is committed", async () => (await world.rollbacks())[0]?.state === "committed");
		await world.fork(async (chain) => {
			await chain.drop(3);
			await chain.empty(3);
		});
		await expectStraightRun(world);
	});

	test("to the head itself changes nothing but the generation", async () => {
		const world = await World.create();
		await world.block({ from: 1, to: 2, value: 5n });
		await world.write({ op: "put", id: "note", content: {}, text: "the whale" });
		expect(await post(world, { toBlock: 3 })).toMatchObject({ status: 202 });
		await until("it is committed", async () => (await world.rollbacks())[0]?.state === "committed");
		await expectStraightRun(world);
	});
});

describe("a fork is rolled back", () => {
	test.each([
		["on Redis, by the process that saw it", true, true],
		["on Redis, by a job", true, false],
		["on Postgres, by a job", false, false],
	])("with the queue %s", async (_how, onRedis, inlineRollbacks) => {
		const world = await World.create({
			redisUrl: onRedis ? redisUrl() : undefined,
			inlineRollbacks,
		});
		expect((await world.service.status()).queueBackend).toBe(onRedis ? "redis" : "postgres");
		const { sent } = await world.block({ from: 1, to: 2, value: 5n });
		const transfer = onlyOne(sent);
		await world.write(
			{ op: "put", id: "bound", content: {}, anchor: { transaction: transfer.hash } },
			{ op: "put", id: "free", content: {}, text: "the whale" },
		);
		await world.block();
		for (const value of [7n, 8n]) {
			await world.fork(async (chain) => {
				await chain.drop(2);
				await chain.block({ from: 2, to: 1, value });
				await chain.block();
			});
		}
		await world.block(transfer);
		expect(await world.rollbacks()).toMatchObject([{ state: "committed" }, { state: "committed" }]);
		await expectStraightRun(world);
	});
});
