import { describe, expect, test } from "vitest";
import { readHeld } from "../support/held-state.ts";
import { expectStraightRun } from "../support/oracle.ts";
import { CHAIN } from "../support/recant.ts";
import { StageHold } from "../support/stage-hold.ts";
import type { TestChain } from "../support/test-chain.ts";
import { until } from "../support/until.ts";
import { hashOf, onlyOne, World } from "../support/world.ts";

/** Other empty blocks instead of the last ones. */
function otherwise(depth: number, blocks = depth) {
	return async (chain: TestChain): Promise<void> => {
		await chain.drop(depth);
		await chain.empty(blocks);
	};
}

describe("what agents wrote on a branch that is lost", () => {
	test("is carried on with its patches, vectors and deletions", async () => {
		const world = await World.create();
		await world.write(
			{ op: "put", id: "kept text", content: { n: 0 }, text: "the whale sleeps" },
			{ op: "put", id: "gone", content: {}, text: "the whale is gone" },
			{ op: "put", id: "own vector", content: {}, vector: wave(3) },
		);
		await world.block({ from: 1, to: 2, value: 5n });
		await world.write({ op: "patch", id: "kept text", content: { n: 1 } });
		await world.write({ op: "delete", id: "gone" });
		await world.block({ from: 1, to: 2, value: 5n });
		await world.write(
			{ op: "patch", id: "kept text", content: { n: null, m: 2 }, importance: 0.5 },
			{ op: "patch", id: "own vector", content: { patched: true } },
			{ op: "put", id: "gone", content: { again: true }, text: "the whale is back" },
			{ op: "patch", id: "gone", content: { patched: true } },
		);
		await world.block();
		await world.write({ op: "patch", id: "gone", content: {}, text: "another whale" });
		await world.fork(otherwise(3, 4));
		await expectStraightRun(world);
		await world.fork(otherwise(2, 1));
		await expectStraightRun(world);
	});

	test("is left out where it patches what is suspended, and judged again by the next fork", async () => {
		const world = await World.create();
		const { sent } = await world.block({ from: 1, to: 2, value: 5n });
		const transfer = onlyOne(sent);
		const [, patch, deletion] = await world.write(
			{ op: "put", id: "pay", content: { n: 1 }, anchor: { transaction: transfer.hash } },
			{ op: "patch", id: "pay", content: { seen: true } },
			{ op: "delete", id: "pay" },
		);
		await world.block();
		await world.fork(otherwise(2));
		expect((await world.operation(patch)).status).toBe("recanted");
		expect((await world.operation(deletion)).status).toBe("recanted");
		await expectStraightRun(world);
		await world.block(transfer);
		expect(await world.memory("pay")).toMatchObject({ content: { n: 1 } });
		await expectStraightRun(world);
		await world.fork(async (chain) => {
			await chain.drop(3);
			await chain.block(transfer);
			await chain.empty(2);
		});
		expect((await world.operation(patch)).status).toBe("applied");
		expect((await world.operation(deletion)).status).toBe("applied");
		await expectStraightRun(world);
	});

	test("stays overwritten by what was written after the fork", async () => {
		const world = await World.create();
		const { sent } = await world.block({ from: 1, to: 2, value: 5n });
		const transfer = onlyOne(sent);
		const [early] = await world.write({
			op: "put",
			id: "view",
			content: { of: "A" },
			text: "the whale on A",
			anchor: { transaction: transfer.hash },
		});
		await world.fork(otherwise(1));
		await world.write({ op: "put", id: "view", content: { of: "B" }, text: "the whale on B" });
		await world.block();
		await world.block(transfer);
		expect((await world.operation(early)).status).toBe("recanted");
		expect(await world.memory("view")).toMatchObject({ content: { of: "B" } });
		await world.block();
		await expectStraightRun(world);
		await world.fork(async (chain) => {
			await chain.drop(4);
			await chain.block(transfer);
			await chain.empty(3);
		});
		expect((await world.operation(early)).status).toBe("applied");
		expect(await world.memory("view")).toMatchObject({ content: { of: "B" } });
		await expectStraightRun(world);
	});

	test("takes a deletion back with the transaction that caused it", async () => {
		const world = await World.create();
		await world.write({ op: "put", id: "debt", content: { open: 5 }, text: "the whale owes 5" });
		const { sent } = await world.block({ from: 1, to: 2, value: 5n });
		const transfer = onlyOne(sent);
		await world.write({ op: "delete", id: "debt", anchor: { transaction: transfer.hash } });
		await world.block();
		expect(await world.memory("debt")).toBeUndefined();
		await world.fork(otherwise(2));
		expect(await world.memory("debt")).toMatchObject({ content: { open: 5 } });
		await world.block(transfer);
		expect(await world.memory("debt")).toBeUndefined();
		await world.block();
		await expectStraightRun(world);
	});
});

describe("a condition on a version", () => {
	test("holds across forks for as long as the same operation wrote what is there", async () => {
		const world = await World.create();
		await world.block();
		await world.write({ op: "put", id: "plan", content: { n: 0 }, ifVersion: "absent" });
		await world.write({ op: "patch", id: "plan", content: { n: 1 }, ifVersion: "present" });
		await world.block();
		await world.write({ op: "put", id: "plan", content: { n: 2 }, ifVersion: "present" });
		await world.fork(otherwise(2, 3));
		expect(await world.memory("plan")).toMatchObject({ content: { n: 2 } });
		await expectStraightRun(world);
	});

	test("names what a fork has carried over, and holds across the next fork", async () => {
		const world = await World.create();
		await world.block();
		await world.write({ op: "put", id: "plan", content: { n: 0 } });
		await world.block();
		await world.fork(otherwise(2));
		const [patch] = await world.write({
			op: "patch",
			id: "plan",
			content: { n: 1 },
			ifVersion: "present",
		});
		await world.fork(otherwise(2, 3));
		expect((await world.operation(patch)).status).toBe("applied");
		await expectStraightRun(world);
	});

	test("holds for an operation that is reinstated on top of what was carried over", async () => {
		const world = await World.create();
		await world.block();
		await world.write({ op: "put", id: "plan", content: { n: 0 } });
		const { sent } = await world.block({ from: 1, to: 2, value: 5n });
		const transfer = onlyOne(sent);
		const [patch] = await world.write({
			op: "patch",
			id: "plan",
			content: { paid: true },
			ifVersion: "present",
			anchor: { transaction: transfer.hash },
		});
		await world.fork(otherwise(2));
		expect((await world.operation(patch)).status).toBe("suspended");
		await world.block(transfer);
		expect((await world.operation(patch)).status).toBe("applied");
		await expectStraightRun(world);
	});

	test("fails where another operation's version is there on the new branch", async () => {
		const world = await World.create();
		await world.write({ op: "put", id: "plan", content: { by: "root" } });
		const { sent } = await world.block({ from: 1, to: 2, value: 5n });
		const transfer = onlyOne(sent);
		await world.write({
			op: "put",
			id: "plan",
			content: { by: "transfer" },
			anchor: { transaction: transfer.hash },
		});
		await world.block();
		const [after] = await world.write({
			op: "patch",
			id: "plan",
			content: { more: 1 },
			ifVersion: "present",
		});
		const [fresh] = await world.write({
			op: "put",
			id: "once",
			content: {},
			ifVersion: "absent",
		});
		await world.fork(otherwise(2));
		expect((await world.operation(after)).status).toBe("recanted");
		expect((await world.operation(fresh)).status).toBe("applied");
		expect(await world.memory("plan")).toMatchObject({ content: { by: "root" } });
		await expectStraightRun(world);
	});
});

describe("a memory that ends by itself", () => {
	test("inside the orphaned range is there again, and ends again", async () => {
		const world = await World.create();
		await world.write({
			op: "put",
			id: "soon gone",
			layer: "short_term",
			content: {},
			text: "the whale hurries",
			expiresAtBlock: 5n,
		});
		await world.chain.empty(5);
		await world.followed();
		expect(await world.memory("soon gone")).toBeUndefined();
		await world.fork(otherwise(4, 1));
		expect(await world.memory("soon gone", latest)).toBeDefined();
		await expectStraightRun(world);
		await world.chain.empty(3);
		await world.followed();
		expect(await world.memory("soon gone")).toBeUndefined();
		await expectStraightRun(world);
	});

	test("is overwritten, patched and deleted on a branch that is lost", async () => {
		const world = await World.create();
		const short = { layer: "short_term", text: "the whale hurries" } as const;
		await world.write(
			{ op: "put", id: "renewed", ...short, content: {}, expiresAtBlock: 6n },
			{ op: "put", id: "patched", ...short, content: {}, expiresAtBlock: 7n },
			{ op: "put", id: "deleted", ...short, content: {}, expiresAtBlock: 8n },
		);
		await world.block();
		const { block } = await world.block();
		const anchor = { block: block.hash };
		await world.write(
			{ op: "put", id: "renewed", ...short, content: { n: 2 }, expiresAtBlock: 12n, anchor },
			{ op: "patch", id: "patched", content: { n: 2 } },
			{ op: "delete", id: "deleted", anchor },
		);
		await world.chain.empty(4);
		await world.followed();
		// Down to block 3, in which they were written; two of them end inside the new branch.
		await world.fork(otherwise(5, 4));
		await expectStraightRun(world);
		await world.chain.empty(4);
		await world.followed();
		await expectStraightRun(world);
	});

	test("whose slot moves past its end only ends what was there", async () => {
		const world = await World.create();
		await world.write({ op: "put", id: "offer", layer: "short_term", content: { n: 1 } });
		const { sent } = await world.block({ from: 1, to: 2, value: 5n });
		const transfer = onlyOne(sent);
		const anchor = { transaction: transfer.hash };
		const ending = { layer: "short_term", expiresAtBlock: 6n, anchor } as const;
		await world.write(
			{ op: "put", id: "offer", content: { n: 2 }, ...ending },
			{ op: "put", id: "never seen", content: {}, text: "the whale", ...ending },
		);
		await world.block();
		await world.fork(async (chain) => {
			await chain.drop(2);
			await chain.empty(4);
			await chain.block(transfer);
			await chain.block();
		});
		expect(await world.memory("offer")).toBeUndefined();
		await expectStraightRun(world);
	});
});

describe("while a rollback runs", () => {
	test("agents write, and everything acknowledged is there after it", async () => {
		const hold = new StageHold();
		const world = await World.create({ beforeStage: hold.beforeStage });
		await world.write({ op: "put", id: "plan", content: { n: 0 }, text: "the whale waits" });
		const { block } = await world.block({ from: 1, to: 2, value: 5n });
		await world.block();
		await world.remember();
		hold.at("replay");
		await world.gate.hold(() => otherwise(2, 3)(world.chain));
		await hold.reached();

		const quick = await Promise.all(
			[1, 2, 3].map((n) =>
				world.submit([{ op: "put", id: `quick ${n}`, content: { n }, text: "a whale" }], 50),
			),
		);
		for (const answer of quick) {
			expect(answer).toMatchObject({ committed: false, operations: [{ status: "queued" }] });
		}
		const sent = { op: "put", id: "by HTTP", layer: "semantic", content: {} } as const;
		const response = await fetch(`${world.recant.url}/v1/chains/${CHAIN}/operations?wait=50`, {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: JSON.stringify(sent),
		});
		expect(response.status).toBe(202);
		const { operations } = (await response.json()) as { operations: { operationId: string }[] };
		world.adopt(operations[0]?.operationId ?? "none", sent);
		const patient = world.submit([{ op: "patch", id: "plan", content: { n: 1 } }], 5_000);
		const lost = world.submit(
			[{ op: "put", id: "too late", content: {}, anchor: { block: block.hash } }],
			50,
		);
		// Its block is on the branch that is about to be lost; the node has it no longer.
		await expect(lost).rejects.toMatchObject({ code: "anchor_unknown" });
		expect(await world.memory("quick 1")).toBeUndefined();
		hold.release();

		expect(await patient).toMatchObject({ committed: true, operations: [{ status: "applied" }] });
		for (const { operations } of quick) {
			expect(await world.operation(operations[0])).toMatchObject({ status: "applied" });
		}
		expect((await world.service.chain(CHAIN)).generation).toBe(1n);
		await expectStraightRun(world);
	});

	test("readers see the old branch until it is over, and none of the new", async () => {
		const hold = new StageHold();
		const world = await World.create({ beforeStage: hold.beforeStage });
		await world.block({ from: 1, to: 2, value: 5n });
		await world.write({ op: "put", id: "note", content: {}, text: "the whale moves" });
		await world.block();
		const before = await world.followed();
		const held = await readHeld(world.service, latest);
		await world.remember();
		hold.at("commit");
		await world.gate.hold(async () => {
			await world.chain.drop(2);
			await world.chain.block({ from: 2, to: 1, value: 9n });
		});
		await hold.reached();
		expect(await readHeld(world.service, latest)).toEqual(held);
		expect((await world.service.chain(CHAIN)).head?.hash).toBe(before.hash);
		hold.release();
		await expectStraightRun(world);
	});
});

test("an overwrite on B of a memory from before the fork leaves what A's hash shows", async () => {
	const world = await World.create();
	await world.write({ op: "put", id: "plan", content: { of: "root" }, text: "the whale sleeps" });
	await world.block({ from: 1, to: 2, value: 5n });
	const { block: onA } = await world.block();
	await world.write({ op: "put", id: "only on A", content: {}, anchor: { block: onA.hash } });
	const { block: headOfA } = await world.block();
	const believed = await readHeld(world.service, hashOf(headOfA));

	await world.fork(otherwise(3));
	await world.write({ op: "put", id: "plan", content: { of: "B" }, text: "the whale wakes" });
	await world.block();
	await until("it is flushed", async () => {
		const { collections } = await world.service.chain(CHAIN);
		return collections.every(({ tail }) => tail < 4);
	});
	for (const write of ["plan", "second"]) {
		await world.write({ op: "put", id: write, content: { of: "B2" }, text: "the whale swims" });
		await world.block();
	}

	expect(await world.memory("plan")).toMatchObject({ content: { of: "B2" } });
	expect(await world.memory("plan", hashOf(headOfA))).toMatchObject({ content: { of: "root" } });
	expect(await world.memory("only on A", hashOf(headOfA))).toBeDefined();
	expect(await world.memory("only on A")).toBeUndefined();
	expect(await readHeld(world.service, hashOf(headOfA))).toEqual(believed);
	await expectStraightRun(world);
});

const latest = { at: { kind: "tag", tag: "latest" }, generation: undefined } as const;

/** A vector of the embedder's size that no text has. */
function wave(step: number): readonly number[] {
	return Array.from({ length: 384 }, (_, index) => Math.sin(index * step));
}
