/** What operators order of rollbacks while they run and after they failed, against a real chain. */
import { describe, expect, test } from "vitest";
import { startAnvil } from "../support/anvil.ts";
import { untilFollowed } from "../support/ledger-state.ts";
import { expectStraightRun } from "../support/oracle.ts";
import { CHAIN } from "../support/recant.ts";
import { startService } from "../support/service-process.ts";
import { StageHold } from "../support/stage-hold.ts";
import { GENESIS_TIMESTAMP, type TestChain } from "../support/test-chain.ts";
import { until } from "../support/until.ts";
import { FIRST_TRANSFERS, World, type WorldOptions } from "../support/world.ts";

/** Several starts of the service, on a machine with other tests on it. */
const TIMEOUT_MS = 120_000;
/** Longer than a follower takes to look at a rollback that is paused, or at its node. */
const QUIET_MS = 1_200;

/** Four blocks with notes on them, which a fork of two takes back in part. */
async function inhabited(options: WorldOptions): Promise<World> {
	const world = await World.create(options);
	for (let index = 0; index < 4; index += 1) {
		await world.block({ from: 1, to: 2, value: 1n });
		await world.write({ op: "put", id: `note ${index}`, content: {}, text: "the whale moves" });
	}
	await world.remember();
	return world;
}

/** A second node that has the same blocks as the world's, and goes its own way from here. */
async function twinOf(world: World): Promise<TestChain> {
	const node = await startAnvil({ genesisTimestamp: GENESIS_TIMESTAMP });
	const twin = await world.chain.twin(node);
	await twin.block(...FIRST_TRANSFERS);
	twin.diverge();
	return twin;
}

/** Replaces the last blocks by as many others and one more, without waiting. */
async function branchOff(world: World, depth: number): Promise<void> {
	await world.gate.hold(async () => {
		await world.chain.drop(depth);
		for (let index = 0; index <= depth; index += 1) {
			await world.chain.block({ from: 3, to: 1, value: BigInt(depth) });
		}
	});
}

async function newest(world: World) {
	const [rollback] = await world.rollbacks();
	if (rollback === undefined) throw new Error("there is no rollback");
	return rollback;
}

/** By HTTP, as an operator does. */
async function order(world: World, id: string, what: string) {
	const path = `/v1/chains/${CHAIN}/rollbacks/${id}/${what}`;
	const response = await fetch(`${world.recant.url}${path}`, { method: "POST" });
	return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function ask(world: World, toBlock: bigint) {
	return world.service.startRollback(CHAIN, toBlock);
}

function pause(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, ms));
}

async function generationOf(world: World): Promise<bigint> {
	return (await world.service.chain(CHAIN)).generation;
}

describe("a rollback that is paused", () => {
	test.each(["plan", "rewind", "replay", "verify", "commit"] as const)(
		"before its stage %s waits there, and goes on when it is resumed",
		async (stage) => {
			const hold = new StageHold();
			const world = await inhabited({ beforeStage: hold.beforeStage });
			hold.at(stage);
			await branchOff(world, 2);
			const { rollbackId } = await hold.reached();
			const paused = await order(world, rollbackId, "pause");
			expect(paused).toMatchObject({ status: 200, body: { paused: true } });
			hold.release();
			const isPrepared = stage === "verify" || stage === "commit";
			await until(
				"it is let go",
				async () => (await newest(world)).state === (isPrepared ? "prepared" : "recorded"),
				() => newest(world),
			);
			await pause(QUIET_MS);
			expect(await newest(world)).toMatchObject({ paused: true, finishedAt: undefined });
			expect(await generationOf(world)).toBe(0n);
			expect(await world.memory("note 3")).toBeDefined();
			const { attempt } = await newest(world);
			expect(await order(world, rollbackId, "resume")).toMatchObject({ body: { paused: false } });
			await world.followed();
			expect(await world.rollbacks()).toMatchObject([
				{ state: "committed", attempt: isPrepared ? attempt : attempt + 1, paused: false },
			]);
			await expectStraightRun(world);
		},
		TIMEOUT_MS,
	);

	test(
		"is waited on by the job that prepares it as well",
		async () => {
			const hold = new StageHold();
			const world = await inhabited({ beforeStage: hold.beforeStage, inlineRollbacks: false });
			hold.at("replay");
			await branchOff(world, 2);
			const { rollbackId } = await hold.reached();
			await order(world, rollbackId, "pause");
			hold.release();
			await pause(QUIET_MS);
			expect(await newest(world)).toMatchObject({ state: "recorded", paused: true });
			await order(world, rollbackId, "resume");
			await world.followed();
			await expectStraightRun(world);
		},
		TIMEOUT_MS,
	);

	test(
		"hands that on to what takes its place, and is cancelled when the old branch wins",
		async () => {
			const hold = new StageHold();
			const world = await World.create({ beforeStage: hold.beforeStage });
			const [a, b] = [world.chain, await twinOf(world)];
			await world.block({ from: 1, to: 2, value: 1n });
			await b.empty(2);
			hold.at("rewind");
			await world.gate.hold(async () => world.switchTo(b));
			const { rollbackId } = await hold.reached();
			await order(world, rollbackId, "pause");
			hold.release();
			await branchOff(world, 1);
			await until(
				"it is superseded",
				async () => (await world.rollbacks()).length === 2,
				() => world.rollbacks(),
			);
			expect(await world.rollbacks()).toMatchObject([
				{ state: "recorded", paused: true },
				{ state: "superseded", paused: false, id: rollbackId },
			]);
			await world.gate.hold(async () => world.switchTo(a));
			await world.followed();
			expect((await world.rollbacks()).map(({ state }) => state)).toEqual([
				"cancelled",
				"superseded",
			]);
			expect(await generationOf(world)).toBe(0n);
		},
		TIMEOUT_MS,
	);

	test(
		"stays so when its process is killed, and the next one goes on when it is resumed",
		async () => {
			const world = await inhabited({ name: "paused" });
			const { home } = world.recant;
			await world.stop();
			const service = await startService({
				hangBefore: "replay",
				environment: {
					RECANT_RPC_URL: world.gate.url,
					RECANT_TOKEN: world.chain.token.address,
					RECANT_POLL_INTERVAL_MS: "25",
					RECANT_DATA_DIR: home.dataDir,
					DATABASE_URL: home.databaseUrl,
				},
			});
			await untilFollowed(service.client, CHAIN, world.gate.url);
			await branchOff(world, 2);
			await service.said((event) => event.event === "stage" && event.stage === "replay");
			const [running] = (await service.client.rollbacks(CHAIN)).items;
			const id = running?.id ?? "none";
			expect(await service.client.orderRollback(CHAIN, id, "pause")).toMatchObject({
				state: "running",
				paused: true,
			});
			await service.kill();
			await world.start();
			await until(
				"the next process holds the chain",
				async () => (await world.service.chain(CHAIN)).state === "rolling_back",
				() => world.service.chain(CHAIN),
			);
			await pause(QUIET_MS);
			expect(await newest(world)).toMatchObject({ paused: true, attempt: 1 });
			await order(world, id, "resume");
			await world.followed();
			expect(await newest(world)).toMatchObject({ state: "committed", attempt: 2 });
			await expectStraightRun(world);
		},
		TIMEOUT_MS,
	);
});

describe("a rollback by hand", () => {
	test.each(["plan", "replay", "commit"] as const)(
		"is cancelled before its stage %s, and the chain stays as it was",
		async (stage) => {
			const hold = new StageHold();
			const world = await inhabited({ beforeStage: hold.beforeStage });
			hold.at(stage);
			const { id } = await ask(world, 3n);
			await hold.reached();
			expect(await order(world, id, "cancel")).toMatchObject({
				status: 200,
				body: { state: "cancelled" },
			});
			hold.release();
			await world.followed();
			expect(await generationOf(world)).toBe(0n);
			expect(await order(world, id, "cancel")).toMatchObject({
				status: 409,
				body: { code: "rollback_over" },
			});
			await world.block();
			await expectStraightRun(world);
		},
		TIMEOUT_MS,
	);

	test(
		"that is cancelled at any moment is cancelled or committed, and the loser is told",
		async () => {
			const world = await inhabited({});
			const ends = new Set<string>();
			let committed = 0n;
			for (let round = 0; round < 16; round += 1) {
				const { id } = await ask(world, 5n);
				await pause(round * 4);
				const { status, body } = await order(world, id, "cancel");
				const { state } = await world.followed().then(() => world.service.rollback(CHAIN, id));
				ends.add(state);
				if (state === "committed") {
					committed += 1n;
					expect({ status, body }).toMatchObject({ status: 409, body: { code: "rollback_over" } });
				} else {
					expect({ state, status }).toEqual({ state: "cancelled", status: 200 });
				}
				expect(await generationOf(world)).toBe(committed);
			}
			expect([...ends].sort()).toEqual(["cancelled", "committed"]);
			await expectStraightRun(world);
		},
		TIMEOUT_MS,
	);

	test(
		"is refused while a fork is followed, and that one cannot be cancelled",
		async () => {
			const hold = new StageHold();
			const world = await inhabited({ beforeStage: hold.beforeStage });
			hold.at("replay");
			await branchOff(world, 2);
			const { rollbackId } = await hold.reached();
			await expect(ask(world, 3n)).rejects.toMatchObject({ code: "chain_busy" });
			expect(await order(world, rollbackId, "cancel")).toMatchObject({
				status: 409,
				body: { code: "rollback_not_cancellable" },
			});
			hold.release();
			await world.followed();
			await expectStraightRun(world);
		},
		TIMEOUT_MS,
	);

	test(
		"and a fork at once: one comes first, the other after it or is told",
		async () => {
			const world = await inhabited({});
			for (let round = 0; round < 6; round += 1) {
				const height = (await world.followed()).number;
				const [asked] = await Promise.allSettled([
					pause(round * 15).then(() => ask(world, height - 1n)),
					branchOff(world, 2),
				]);
				if (asked.status === "rejected") {
					expect(asked.reason).toMatchObject({ code: "chain_busy" });
				}
				await world.followed();
			}
			const states = new Set((await world.rollbacks()).map(({ state }) => state));
			expect([...states]).toEqual(["committed"]);
			await expectStraightRun(world);
		},
		TIMEOUT_MS,
	);
});

/** Rollbacks fail at replay as long as `broken` says so. */
async function brokenAt(options: WorldOptions = {}) {
	const fault = { broken: true };
	const world = await inhabited({
		...options,
		beforeStage: async (stage) => {
			if (fault.broken && stage === "replay") throw new TypeError("a defect");
		},
	});
	return { world, fault };
}

async function untilStanding(world: World): Promise<void> {
	const view = () => world.service.chain(CHAIN);
	await until("the chain stands", async () => (await view()).state === "halted", view);
}

describe("a rollback that failed", () => {
	test(
		"has the chain stand, also in the next process, and goes on when it is retried",
		async () => {
			const { world, fault } = await brokenAt();
			await branchOff(world, 2);
			await untilStanding(world);
			const { id, error, failedStage, stageMs } = await newest(world);
			expect(failedStage).toBe("rewind");
			expect(Object.keys(stageMs)).toContain("plan");
			expect(error?.hint).toContain(`recant rollbacks retry ${id}`);
			expect((await world.service.chain(CHAIN)).problem).toMatchObject({
				code: "rollback_failed",
				message: expect.stringContaining(id),
				hint: expect.stringContaining(`recant rollbacks abandon ${id}`),
			});
			await world.stop();
			await world.start();
			await untilStanding(world);
			// The branch grows: it is the same one all the same.
			await world.chain.block({ from: 3, to: 1, value: 7n });
			await pause(QUIET_MS);
			expect((await world.rollbacks()).map((each) => each.state)).toEqual(["failed"]);
			await untilStanding(world);

			fault.broken = false;
			const [first, second] = await Promise.all([
				order(world, id, "retry"),
				order(world, id, "retry"),
			]);
			expect([first.status, second.status].sort()).toEqual([200, 409]);
			await world.followed();
			expect(await world.rollbacks()).toMatchObject([{ id, state: "committed", retries: 1 }]);
			await expectStraightRun(world);
		},
		TIMEOUT_MS,
	);

	test(
		"may fail again, as often as the first time, and be retried again",
		async () => {
			const { world, fault } = await brokenAt();
			await branchOff(world, 2);
			await untilStanding(world);
			const { id, attempt } = await newest(world);
			await order(world, id, "retry");
			await until(
				"it failed again",
				async () => {
					const now = await newest(world);
					return now.state === "failed" && now.retries === 1;
				},
				() => newest(world),
			);
			expect((await newest(world)).attempt).toBe(2 * attempt);
			fault.broken = false;
			await order(world, id, "retry");
			await world.followed();
			await expectStraightRun(world);
		},
		TIMEOUT_MS,
	);

	test(
		"by a job is retried by another job",
		async () => {
			const { world, fault } = await brokenAt({ inlineRollbacks: false });
			await branchOff(world, 2);
			await untilStanding(world);
			fault.broken = false;
			await order(world, (await newest(world)).id, "retry");
			await world.followed();
			expect(await world.rollbacks()).toMatchObject([{ state: "committed", retries: 1 }]);
			await expectStraightRun(world);
		},
		TIMEOUT_MS,
	);

	test(
		"lets the chain go on by itself when the old branch is back, and on another one",
		async () => {
			const fault = { broken: true };
			const world = await World.create({
				beforeStage: async (stage) => {
					if (fault.broken && stage === "replay") throw new TypeError("a defect");
				},
			});
			const [a, b] = [world.chain, await twinOf(world)];
			await world.block({ from: 1, to: 2, value: 1n });
			await world.write({ op: "put", id: "note", content: {}, text: "the whale moves" });
			await world.remember();
			await b.block({ from: 2, to: 1, value: 3n });
			await b.empty(1);
			await world.gate.hold(async () => world.switchTo(b));
			await untilStanding(world);
			await world.gate.hold(async () => world.switchTo(a));
			await world.block({ from: 1, to: 3, value: 2n });
			expect(await generationOf(world)).toBe(0n);

			fault.broken = false;
			await b.empty(2);
			await world.gate.hold(async () => world.switchTo(b));
			await untilStanding(world);
			await branchOff(world, 3);
			await world.followed();
			expect((await world.rollbacks()).map(({ state }) => state)).toEqual(["committed", "failed"]);
			await expectStraightRun(world);
		},
		TIMEOUT_MS,
	);

	test(
		"is not begun again in the place of another one that it overtakes",
		async () => {
			const hold = new StageHold();
			const fault = { broken: true };
			const world = await World.create({
				beforeStage: async (stage, rollback) => {
					if (fault.broken && stage === "replay") throw new TypeError("a defect");
					await hold.beforeStage(stage, rollback);
				},
			});
			const [a, b] = [world.chain, await twinOf(world)];
			const c = await twinOf(world);
			await world.block({ from: 1, to: 2, value: 1n });
			await b.block({ from: 2, to: 1, value: 3n });
			await b.empty(1);
			await c.block({ from: 3, to: 1, value: 4n });
			await c.empty(2);
			await world.gate.hold(async () => world.switchTo(b));
			await untilStanding(world);
			await world.gate.hold(async () => world.switchTo(a));
			await world.followed();
			fault.broken = false;
			hold.at("rewind");
			await world.gate.hold(async () => world.switchTo(c));
			await hold.reached();
			await world.gate.hold(async () => world.switchTo(b));
			hold.release();
			await untilStanding(world);
			expect((await world.rollbacks()).map(({ state }) => state)).toEqual(["cancelled", "failed"]);
			expect(await generationOf(world)).toBe(0n);
		},
		TIMEOUT_MS,
	);

	test(
		"is recorded anew once it is abandoned",
		async () => {
			const { world, fault } = await brokenAt();
			await branchOff(world, 2);
			await untilStanding(world);
			const { id } = await newest(world);
			fault.broken = false;
			expect(await order(world, id, "abandon")).toMatchObject({
				status: 200,
				body: { state: "abandoned", error: { code: "rollback_interrupted" } },
			});
			await world.followed();
			expect((await world.rollbacks()).map(({ state }) => state)).toEqual([
				"committed",
				"abandoned",
			]);
			expect(await order(world, id, "retry")).toMatchObject({
				status: 409,
				body: { code: "rollback_not_failed" },
			});
			await expectStraightRun(world);
		},
		TIMEOUT_MS,
	);

	test(
		"by hand leaves the chain as it is, and cannot be retried after the chain moved on",
		async () => {
			const { world, fault } = await brokenAt();
			const { id } = await ask(world, 3n);
			await until("it failed", async () => (await newest(world)).state === "failed");
			await world.block();
			fault.broken = false;
			await branchOff(world, 2);
			await world.followed();
			expect(await order(world, id, "retry")).toMatchObject({
				status: 409,
				body: { code: "rollback_outdated", hint: expect.stringContaining("abandon") },
			});
			await expectStraightRun(world);
		},
		TIMEOUT_MS,
	);
});

test("a rollback that nobody knows cannot be told anything", async () => {
	const world = await World.create();
	const id = "0b5f2c1e-9d0a-4c57-8a33-6f1d2e4b7c90";
	expect(await order(world, id, "pause")).toMatchObject({
		status: 404,
		body: { code: "rollback_not_found" },
	});
	expect((await order(world, "seven", "pause")).status).toBe(400);
});
