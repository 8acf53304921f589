/** A fork below finality: the chain halts, says so, and is brought on by what an operator decides. */
import { describe, expect, test } from "vitest";
import { RecantApiError } from "../../src/client/api-error.ts";
import { RecantClient } from "../../src/client/client.ts";
import { FatalError } from "../../src/domain/errors.ts";
import { startAnvil } from "../support/anvil.ts";
import { expectStraightRun } from "../support/oracle.ts";
import { CHAIN, startTestRecant } from "../support/recant.ts";
import { GENESIS_TIMESTAMP, type TestChain } from "../support/test-chain.ts";
import { until } from "../support/until.ts";
import { withSql } from "../support/with-sql.ts";
import { World, type WorldOptions } from "../support/world.ts";

/** Final is what lies four blocks under the head. */
const SLOTS = 2;
/** Past height 16, where what has become final is marked. */
const BLOCKS = 16;
/** Down to well below the finalized block. */
const DEPTH = 8;

function clientOf(world: World): RecantClient {
	return new RecantClient({ url: world.recant.url });
}

/** Blocks with a transfer each, notes on them, and one that rests on a transfer. */
async function lived(options: WorldOptions = {}): Promise<World> {
	const world = await World.create({
		name: "recovery",
		slotsInAnEpoch: SLOTS,
		providers: 2,
		...options,
	});
	for (let index = 0; index < BLOCKS; index += 1) await noted(world, index);
	return world;
}

async function noted(world: World, index: number): Promise<void> {
	const { sent } = await world.block({ from: 1, to: 2, value: BigInt(index + 1) });
	const [transaction] = sent;
	if (transaction === undefined) throw new Error("nothing was sent");
	await world.write(
		{ op: "put", id: `note ${index}`, content: { n: index }, text: `the whale moves ${index}` },
		{ op: "put", id: "current", content: { n: index } },
		{
			op: "put",
			id: `rests ${index}`,
			content: { n: index },
			anchor: { transaction: transaction.hash },
		},
	);
}

async function otherBlocks(chain: TestChain, blocks: number): Promise<void> {
	for (let index = 0; index < blocks; index += 1) {
		await chain.block({ from: 3, to: 2, value: BigInt(index + 1) });
	}
}

/** The node leaves what was final, and the chain halts. */
async function forked(world: World, blocks = DEPTH): Promise<void> {
	await world.remember();
	await world.hold(async (chain) => {
		await chain.drop(DEPTH);
		await otherBlocks(chain, blocks);
	});
	await halted(world);
}

async function halted(world: World): Promise<void> {
	await until(
		"the chain is halted",
		async () => (await world.service.chain(CHAIN)).state === "halted",
		() => world.service.chain(CHAIN),
	);
}

async function ended(world: World, recoveryId: string) {
	return until(
		"the recovery has ended",
		async () => {
			const recovery = await clientOf(world).recovery(CHAIN, recoveryId);
			return recovery.state !== "running" && recovery;
		},
		() => world.service.chain(CHAIN),
	);
}

/** The one that wrote it last. */
async function operationOf(world: World, id: string) {
	const written = world.journal.findLast(({ said }) => "id" in said && said.id === id);
	return world.service.operation(CHAIN, written?.operationId ?? "none");
}

/** What handlers derived is what a fresh instance derives. */
async function expectLedgerOf(world: World): Promise<void> {
	const { home: _home, ...options } = world.options;
	const fresh = await startTestRecant({ ...options, name: "recovery_fresh" });
	const head = (await world.chain.head()).hash;
	await until(
		"the fresh one has followed",
		async () => (await fresh.service.chain(CHAIN)).head?.hash === head,
	);
	const ledgers = [fresh, world.recant].map(async ({ service }) => {
		const { items } = await service.memories(CHAIN, {
			at: { at: { kind: "tag", tag: "latest" }, generation: undefined },
			namespace: "ledger",
			layer: undefined,
			limit: 200,
			cursor: undefined,
		});
		return items.map(({ id, content, contentHash }) => ({ id, content, contentHash }));
	});
	const [expected, actual] = await Promise.all(ledgers);
	expect(actual).toEqual(expected);
	await fresh.stop();
}

async function refusal(asked: Promise<unknown>): Promise<RecantApiError> {
	const error = await asked.then(
		() => undefined,
		(reason: unknown) => reason,
	);
	if (error instanceof RecantApiError) return error;
	throw new Error(`it was not refused: ${String(error)}`);
}

/** Of a test with straight runs, on a machine with other tests on it. */
const TIMEOUT_MS = 180_000;

describe("a fork below finality", { timeout: TIMEOUT_MS }, () => {
	test("halts the chain read-only, and everybody is told", async () => {
		const world = await lived();
		const { logPosition, chainId } = await world.service.chain(CHAIN);
		await forked(world);
		const chain = await world.service.chain(CHAIN);
		expect(chain.problem).toMatchObject({ code: "fork_below_finality" });
		expect(chain.head?.height).toBe(18n);
		expect((await world.memory("current"))?.content).toEqual({ n: BLOCKS - 1 });
		const found = await clientOf(world).search(CHAIN, { text: "the whale moves 7", k: 1 });
		expect(found.results[0]?.memory.content).toEqual({ n: 7 });
		const refused = await refusal(
			clientOf(world).write(CHAIN, { op: "put", layer: "semantic", id: "late", content: {} }),
		);
		expect(refused).toMatchObject({ code: "chain_halted", status: 409 });
		const ready = await fetch(`${world.recant.url}/readyz`);
		expect(ready.status).toBe(503);
		const ending = new AbortController();
		const after = new Map([[chainId, logPosition]]);
		const events = world.service.events(
			{ after, chains: undefined, types: ["halt"] },
			ending.signal,
		);
		for await (const { type, data } of events) {
			expect({ type, data }).toMatchObject({
				type: "halt",
				data: { code: "fork_below_finality", height: "18" },
			});
			ending.abort();
		}
	});

	test("is accepted on the word of two providers: listed, tried, done, and followed on", async () => {
		const world = await lived();
		const [late] = await world.write({ op: "put", id: "late", content: { n: 1 } });
		const once = await until("it is final", async () => {
			const operation = await operationOf(world, "rests 8");
			return operation.final && operation;
		});
		expect(once).toMatchObject({ status: "applied", effectiveSlot: 12n });
		await forked(world);
		const client = clientOf(world);
		const { outlook, items } = await client.recoveries(CHAIN);
		expect(items).toEqual([]);
		expect(outlook.halt?.code).toBe("fork_below_finality");
		expect(outlook.options).toMatchObject([
			{ kind: "accept", possible: true },
			{ kind: "import", possible: false, reason: "there is no verified snapshot" },
			{ kind: "rebuild", possible: true },
		]);
		const { plan } = await client.planRecovery(CHAIN, { kind: "accept" });
		expect(plan).toMatchObject({
			ancestor: { height: "10" },
			target: { height: "18" },
			depthBlocks: DEPTH,
		});
		expect(plan.memories).toBeGreaterThan(DEPTH);
		expect(plan.operations).toBeGreaterThanOrEqual(3 * DEPTH);
		expect((await world.service.chain(CHAIN)).generation).toBe(0n);
		const begun = await client.recover(CHAIN, { kind: "accept" });
		const done = await ended(world, begun.id);
		expect(done).toMatchObject({ state: "done", attempt: 1, kind: "accept" });
		expect(done.evidence).toMatchObject({
			quorum: { configured: 2, needed: 2 },
			ancestor: { height: "10" },
			witnesses: [{ head: { height: "18" } }, { shared: { height: "10" } }],
		});
		await world.followed();
		const { finalized, generation } = await world.service.chain(CHAIN);
		expect(generation).toBe(1n);
		expect(finalized).toBeLessThanOrEqual(14n);
		expect((await world.operation(late)).status).toBe("applied");
		// It was final, and what it rests on is gone.
		expect(await operationOf(world, "rests 8")).toMatchObject({ status: "suspended" });
		await expectStraightRun(world, 18n);
		await noted(world, BLOCKS);
		await noted(world, BLOCKS + 1);
		await expectStraightRun(world, 20n);
		expect((await client.recoveries(CHAIN)).outlook).toMatchObject({
			options: [{ reason: "the chain is not halted" }, {}, {}],
		});
	});

	test("is not accepted while the providers disagree, nor on one's word", async () => {
		const world = await lived();
		await forked(world);
		const client = clientOf(world);
		const other = await startAnvil({ genesisTimestamp: GENESIS_TIMESTAMP });
		world.gates[1]?.switchTo(other.rpcUrl);
		const refused = await refusal(client.recover(CHAIN, { kind: "accept" }));
		expect(refused).toMatchObject({ code: "recovery_impossible", status: 409 });
		expect(refused.message).toMatch(
			/of 2 providers 2 must say the same.*shares block 10 .*shares block 0 /,
		);
		await other.stop();
		const silent = await refusal(client.recover(CHAIN, { kind: "rebuild", singleProvider: true }));
		expect(silent.message).toMatch(/says nothing/);
		expect((await client.recoveries(CHAIN)).items).toEqual([]);
		world.gates[1]?.switchTo(world.chain.node.rpcUrl);
		const begun = await client.recover(CHAIN, { kind: "accept" });
		expect(await ended(world, begun.id)).toMatchObject({ state: "done" });
	});

	test("of a chain with one provider needs that to be said; two of three are enough", async () => {
		const alone = await lived({ providers: 1 });
		await forked(alone, 5);
		const client = clientOf(alone);
		const refused = await refusal(client.planRecovery(CHAIN, { kind: "accept" }));
		expect(refused.message).toMatch(/only one provider is configured/);
		const begun = await client.recover(CHAIN, { kind: "accept", singleProvider: true });
		expect(await ended(alone, begun.id)).toMatchObject({ state: "done" });
		await alone.followed();
		await expectStraightRun(alone, 15n);
		const three = await lived({ providers: 3 });
		await forked(three);
		const other = await startAnvil({ genesisTimestamp: GENESIS_TIMESTAMP });
		three.gates[2]?.switchTo(other.rpcUrl);
		const accepted = await clientOf(three).recover(CHAIN, { kind: "accept" });
		expect(await ended(three, accepted.id)).toMatchObject({ state: "done" });
	});

	test("is met by everything anew, with what agents wrote from the log", async () => {
		const world = await lived();
		await forked(world, DEPTH + 3);
		const begun = await clientOf(world).recover(CHAIN, { kind: "rebuild" });
		expect(await ended(world, begun.id)).toMatchObject({ state: "done", kind: "rebuild" });
		await world.followed();
		expect(await world.rollbacks()).toMatchObject([
			{ state: "committed", strategy: "rebuild", ancestor: { height: 0n } },
		]);
		await expectStraightRun(world, 21n);
		await noted(world, BLOCKS);
		await expectStraightRun(world, 22n);
	});

	test("is met by a snapshot from below it, which loses what was written since", async () => {
		const world = await World.create({ name: "recovery", slotsInAnEpoch: SLOTS, providers: 2 });
		await noted(world, 0);
		await world.block();
		const client = clientOf(world);
		const { id } = await client.createSnapshot(CHAIN, {});
		await until("it is verified", async () => {
			const { state } = await client.snapshot(CHAIN, id);
			return state === "verified";
		});
		for (let index = 1; index < BLOCKS; index += 1) await noted(world, index);
		await forked(world);
		const { plan } = await client.planRecovery(CHAIN, { kind: "import", snapshotId: id });
		expect(plan).toMatchObject({ from: { height: "4" }, snapshot: { id }, operations: 48 });
		const begun = await client.recover(CHAIN, { kind: "import" });
		expect(await ended(world, begun.id)).toMatchObject({ state: "done", kind: "import" });
		await world.followed();
		expect((await world.memory("note 0"))?.content).toEqual({ n: 0 });
		expect(await world.memory("note 1")).toBeUndefined();
		await world.write({ op: "put", id: "after", content: { n: 1 } });
	});

	test("whose import fails, and whose failure cannot be recorded, is over at the next look", async () => {
		const world = await World.create({ name: "recovery", slotsInAnEpoch: SLOTS, providers: 2 });
		await noted(world, 0);
		await world.block();
		const client = clientOf(world);
		const { id } = await client.createSnapshot(CHAIN, {});
		await until("it is verified", async () => {
			const { state } = await client.snapshot(CHAIN, id);
			return state === "verified";
		});
		for (let index = 1; index < BLOCKS; index += 1) await noted(world, index);
		await forked(world);
		await withSql(world.recant.home.databaseUrl, async (sql) => {
			await sql`create function no() returns trigger language plpgsql
				as $$ begin raise exception 'no'; end $$`;
			await sql`create trigger no before update of retained_from on chains
				for each row execute function no()`;
			await sql`create trigger no before update of error on snapshots
				for each row when (new.error is not null) execute function no()`;
		});
		const begun = await client.recover(CHAIN, { kind: "import" });
		expect(await ended(world, begun.id)).toMatchObject({
			state: "failed",
			error: { code: "rollback_interrupted" },
		});
		await withSql(world.recant.home.databaseUrl, async (sql) => {
			await sql`drop function no cascade`;
		});
		const second = await client.recover(CHAIN, { kind: "import" });
		expect(await ended(world, second.id)).toMatchObject({ state: "done", attempt: 2 });
		await world.followed();
	});

	test("in a group of blocks that was taken at once cuts it, and the log knows", async () => {
		const world = await World.create({ name: "recovery", slotsInAnEpoch: SLOTS, providers: 2 });
		await world.stop();
		for (let index = 0; index < BLOCKS; index += 1) {
			await world.chain.block({ from: 1, to: 2, value: BigInt(index + 1) });
			await world.chain.empty(1);
		}
		world.recant = await startTestRecant(world.options);
		await world.followed();
		const head = (await world.chain.head()).number;
		await world.hold(async (chain) => {
			await chain.drop(DEPTH);
			await otherBlocks(chain, DEPTH);
		});
		await halted(world);
		const client = clientOf(world);
		// There is one at block 0, and near enough: on a long chain it would not be.
		expect((await client.planRecovery(CHAIN, { kind: "accept" })).plan).toMatchObject({
			from: { height: "0" },
			strategy: "rewind",
		});
		await withSql(
			world.recant.home.databaseUrl,
			(sql) => sql`delete from checkpoints where height = 0`,
		);
		const { plan } = await client.planRecovery(CHAIN, { kind: "accept" });
		expect(plan.from).toEqual(plan.ancestor);
		expect(plan.ancestor?.height).toBe((head - BigInt(DEPTH) - 1n).toString());
		expect(plan).toMatchObject({ strategy: "rebuild" });
		const begun = await client.recover(CHAIN, { kind: "accept" });
		expect(await ended(world, begun.id)).toMatchObject({ state: "done" });
		await world.followed();
		await expectLedgerOf(world);
		// A restore that took the group as it was derived at first would not give the sealed roots.
		const { id } = await world.service.startRollback(CHAIN, head - 1n, "rebuild");
		await until(
			"it is rolled back",
			async () => {
				const { state } = await world.service.rollback(CHAIN, id);
				return state === "committed";
			},
			() => world.service.rollback(CHAIN, id),
		);
		await world.followed();
		await expectLedgerOf(world);
	});

	test("is tried five times and no more", async () => {
		const world = await lived({
			beforeStage: async (stage) => {
				if (stage !== "replay") return;
				throw new FatalError("embedder_refused", { message: "it cannot be", hint: "none" });
			},
		});
		await forked(world);
		const client = clientOf(world);
		for (let attempt = 1; attempt <= 5; attempt += 1) {
			const begun = await client.recover(CHAIN, { kind: "accept" });
			expect(await ended(world, begun.id)).toMatchObject({
				state: "failed",
				attempt,
				error: { code: "embedder_refused" },
			});
		}
		const refused = await refusal(client.recover(CHAIN, { kind: "accept" }));
		expect(refused).toMatchObject({ code: "recovery_exhausted", status: 409 });
		const chain = await world.service.chain(CHAIN);
		expect(chain).toMatchObject({ state: "halted", generation: 0n });
		expect((await world.memory("current"))?.content).toEqual({ n: BLOCKS - 1 });
		expect((await client.recoveries(CHAIN)).outlook.attemptsLeft).toBe(0);
	});
});
