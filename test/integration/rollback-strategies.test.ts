/**
 * The same fork, once by each strategy: what is believed afterwards, at every height, is what a straight
 * run over the new branch believes, and so the same whatever the way. And what makes the planner leave
 * the cheapest one: too many changes, damage, a checkpoint that is gone.
 */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { RollbackStrategy } from "../../src/service/rollback-view.ts";
import { startAnvil } from "../support/anvil.ts";
import { expectStraightRun } from "../support/oracle.ts";
import { CHAIN, startTestRecant, type TestRecant } from "../support/recant.ts";
import { runSql } from "../support/run-sql.ts";
import { takeSnapshot } from "../support/snapshot-api.ts";
import { GENESIS_TIMESTAMP, TestChain } from "../support/test-chain.ts";
import { until } from "../support/until.ts";
import {
	FIRST_TRANSFERS,
	onlyOne,
	requestOf,
	World,
	type WorldOperation,
	type WorldOptions,
} from "../support/world.ts";

/** No memory may be set back one by one. */
const NO_REWIND: WorldOptions = { rollbackChanges: 0 };

describe("a fork with everything in its orphaned range", () => {
	test.each<[RollbackStrategy, WorldOptions]>([
		["rewind", {}],
		["snapshot", NO_REWIND],
		["rebuild", NO_REWIND],
	])("by %s ends as a straight run does", { timeout: 120_000 }, async (strategy, options) => {
		const world = await World.create(options);
		await eventful(world, strategy === "snapshot");
		await otherBranch(world);
		expect((await world.rollbacks())[0]).toMatchObject({ state: "committed", strategy });
		await expectStraightRun(world);
		// The rows that were left are a state to go on from, and to go back to.
		await world.write({ op: "put", id: "after", content: {}, text: "the whale after" });
		await world.fork(async (chain) => {
			await chain.drop(2);
			await chain.empty(3);
		});
		await expectStraightRun(world);
	});
});

/** A bounded short term, and a rule that is due at every other block. */
const LAYERED: NonNullable<WorldOptions["chainFile"]> = {
	memory: {
		default: {
			shortTermCapacity: 3,
			consolidation: [
				{
					name: "habits",
					layers: ["short_term", "episodic"],
					groupBy: "topic",
					take: { kind: "frequency", atLeast: 2 },
					everyBlocks: 2,
				},
			],
		},
	},
};

describe("a fork with what the writer does itself in its orphaned range", () => {
	test.each<[RollbackStrategy, WorldOptions]>([
		["rewind", {}],
		["snapshot", NO_REWIND],
		["rebuild", NO_REWIND],
	])(
		"by %s ends as a straight run does: capacity, time, consolidation, conclusions",
		{ timeout: 120_000 },
		async (strategy, options) => {
			const world = await World.create({ ...options, chainFile: LAYERED });
			await layered(world, strategy === "snapshot");
			const [before, conclusion] = [await habits(world), await world.lastWrite()];
			expect(before.map(({ id }) => id)).toEqual([
				"consolidated:habits:fees",
				"consolidated:habits:gas",
			]);
			expect(await shortTerm(world)).toEqual(["fees 3", "gas 1", "gas 2"]);
			expect(await world.memory("timed")).toBeUndefined();
			await otherBranch(world);
			expect((await world.rollbacks())[0]).toMatchObject({ state: "committed", strategy });
			// What it was concluded from was anchored in a block that is gone.
			expect(await world.operation(conclusion)).toMatchObject({ status: "suspended" });
			expect((await habits(world)).map(({ id }) => id)).toContain("consolidated:habits:fees");
			await expectStraightRun(world);
			await world.write(note("fees 4", "fees"), note("gas 3", "gas"));
			await world.fork(async (chain) => {
				await chain.drop(2);
				await chain.empty(3);
			});
			await expectStraightRun(world);
		},
	);
});

describe("an operator names the strategy", () => {
	test.each<RollbackStrategy>(["rewind", "snapshot", "rebuild"])(
		"%s",
		{ timeout: 120_000 },
		async (strategy) => {
			const world = await World.create();
			await eventful(world, strategy === "snapshot");
			const { height = 0n } = (await world.service.chain(CHAIN)).head ?? {};
			const { id } = await world.service.startRollback(CHAIN, height - 3n, strategy);
			const view = () => world.service.rollback(CHAIN, id);
			await until("it is committed", async () => (await view()).state === "committed", view);
			expect(await view()).toMatchObject({
				strategy,
				strategyReason: "an operator named it",
				wantedStrategy: strategy,
			});
			await expectStraightRun(world);
		},
	);

	test("a snapshot where there is none is refused by name", { timeout: 60_000 }, async () => {
		const world = await World.create();
		await world.block();
		const { id } = await world.service.startRollback(CHAIN, 2n, "snapshot");
		const view = () => world.service.rollback(CHAIN, id);
		await until("it has failed", async () => (await view()).state === "failed", view);
		expect((await view()).error?.message).toContain("no usable snapshot is there");
		// Nothing was changed by it.
		await world.block();
		await expectStraightRun(world);
	});
});

describe("rows that were changed behind Recant's back", () => {
	test("fail the rewind, and are restored from a snapshot", { timeout: 120_000 }, async () => {
		const world = await World.create();
		await eventful(world, true);
		await damage(world);
		await otherBranch(world);
		expect((await world.rollbacks())[0]).toMatchObject({
			state: "committed",
			attempt: 2,
			strategy: "snapshot",
			strategyReason: expect.stringContaining("rewind failed"),
		});
		await expectHealed(world);
	});

	test("are rebuilt where no snapshot is", { timeout: 120_000 }, async () => {
		const world = await World.create();
		await eventful(world, false);
		await damage(world);
		await otherBranch(world);
		expect((await world.rollbacks())[0]).toMatchObject({
			state: "committed",
			attempt: 2,
			strategy: "rebuild",
			strategyReason: expect.stringContaining("rewind failed"),
		});
		await expectHealed(world);
	});
});

test("a row that was cut short is not left beside the one that replaces it", async () => {
	const world = await World.create();
	await world.write({ op: "put", id: "cut", content: { n: 1 } });
	for (let block = 0; block < 4; block += 1) await world.block();
	const { height = 0n } = (await world.service.chain(CHAIN)).head ?? {};
	await runSql(
		world,
		"update recant.versions set to_block = from_block + 1 where id = 'cut' and to_block > 1000",
	);
	const { id } = await world.service.startRollback(CHAIN, height - 1n, "rebuild");
	const view = () => world.service.rollback(CHAIN, id);
	await until("it is committed", async () => (await view()).state === "committed", view);
	expect(await runSql(world, `${ROWS} and id = 'cut'`)).toHaveLength(1);
	// Rows that overlap are refused by every write to their memory.
	await world.write({ op: "patch", id: "cut", content: { m: 2 } });
	expect((await world.memory("cut"))?.content).toEqual({ n: 1, m: 2 });
}, 60_000);

test("a snapshot that cannot be read gives way, and is marked", { timeout: 120_000 }, async () => {
	const world = await World.create(NO_REWIND);
	await eventful(world, true);
	await damageArchive(world);
	await otherBranch(world);
	expect((await world.rollbacks())[0]).toMatchObject({
		state: "committed",
		strategy: "rebuild",
		strategyReason: expect.stringContaining("snapshot failed"),
	});
	expect(await runSql(world, "select state from recant.snapshots")).toEqual([{ state: "damaged" }]);
	await expectStraightRun(world);
});

test("without a checkpoint at the ancestor the log leads there", { timeout: 120_000 }, async () => {
	const world = await World.create();
	await eventful(world, false);
	const { height = 0n } = (await world.service.chain(CHAIN)).head ?? {};
	await runSql(world, `delete from recant.checkpoints where height = ${height - 3n}`);
	await world.fork(async (chain) => {
		await chain.drop(3);
		await chain.empty(4);
	});
	expect((await world.rollbacks())[0]).toMatchObject({
		state: "committed",
		strategy: "rebuild",
		strategyReason: expect.stringContaining("no checkpoint"),
	});
	await runSql(world, "select 1");
});

describe("blocks that were taken in groups, below finality", () => {
	test("are derived again, and every row is found as it stands", { timeout: 120_000 }, async () => {
		const { recant, head } = await backfilled();
		await recant.service.write(CHAIN, {
			operations: [requestOf({ op: "put", id: "note", text: "a whale" }, undefined)],
			idempotencyKey: undefined,
			deadlineMs: 5_000,
		});
		const before = await rowsOf({ recant });
		expect(before.filter(({ from_block }) => Number(from_block) < 100).length).toBeGreaterThan(20);
		const { id } = await recant.service.startRollback(CHAIN, head, "rebuild");
		const view = () => recant.service.rollback(CHAIN, id);
		await until("it is committed", async () => (await view()).state === "committed", view);
		// The note was pending, and is carried on; nothing else is as much as touched.
		const after = await rowsOf({ recant });
		expect(after.filter(({ id: name }) => name !== "note")).toEqual(
			before.filter(({ id: name }) => name !== "note"),
		);
		expect((await recant.service.checkpoint(CHAIN, head)).generations.to).toBeUndefined();
	});

	test("and rows that were changed or lost there come back", { timeout: 120_000 }, async () => {
		const { recant, head } = await backfilled();
		const before = await rowsOf({ recant });
		const found = await foundByMeaning({ recant });
		expect(found.length).toBeGreaterThan(60);
		await runSql(
			{ recant },
			`update recant.versions set content = '{"damaged":true}'
			where from_block between 40 and 60`,
		);
		await runSql({ recant }, "delete from recant.versions where from_block between 20 and 30");
		await runSql({ recant }, "delete from recant.vector_rows where from_block between 10 and 50");
		// A search of another process than the one that read the rows before: it keeps what it reads now.
		await runSql({ recant }, "update recant.collections set rows_epoch = gen_random_uuid()");
		expect((await foundByMeaning({ recant })).length).toBeLessThan(found.length - 20);
		const { id } = await recant.service.startRollback(CHAIN, head, "rebuild");
		const view = () => recant.service.rollback(CHAIN, id);
		await until("it is committed", async () => (await view()).state === "committed", view);
		const plain = (rows: typeof before) => rows.map(({ from_gen: _gen, ...row }) => row);
		expect(plain(await visibleRows({ recant }, head))).toEqual(
			plain(before.filter((row) => isThere(row, head))),
		);
		const [vectors] = await runSql(
			{ recant },
			`select count(*)::int as missing
			from recant.versions v where collection is not null and to_gen = ${FOREVER}
				and not exists (select 1 from recant.vector_rows r where r.version_id = v.version_id)`,
		);
		expect(vectors).toEqual({ missing: 0 });
		expect(await foundByMeaning({ recant })).toEqual(found);
	});
});

/** Names of all transfers that a search finds, in order of their likeness. */
async function foundByMeaning({
	recant,
}: {
	readonly recant: TestRecant;
}): Promise<readonly string[]> {
	const { results } = await recant.service.search(CHAIN, {
		...{
			at: { at: { kind: "tag", tag: "latest" }, generation: undefined },
			text: "transferred in block",
			mode: "vector",
			layers: ["episodic"],
			k: 200,
		},
		...{ collection: undefined, vector: undefined, namespace: undefined, where: undefined },
		...{ minImportance: undefined, minConfidence: undefined },
	});
	return results.map(({ memory }) => memory.id);
}

/** A service that found 130 blocks, of which the lower ones were final; two accounts trade in each. */
async function backfilled() {
	const node = await startAnvil({ genesisTimestamp: GENESIS_TIMESTAMP });
	const chain = await TestChain.create(node);
	await chain.block(...FIRST_TRANSFERS);
	for (let block = 3; block <= 130; block += 1) {
		if (block % 3 === 0) await chain.empty(1);
		else await chain.block({ from: 1 + (block % 2), to: 3, value: 1n });
	}
	const recant = await startTestRecant({
		name: "backfilled",
		rpcUrl: node.rpcUrl,
		token: chain.token.address,
	});
	const view = () => recant.service.chain(CHAIN);
	await until("the head is followed", async () => (await view()).head?.height === 130n, view);
	return { recant, head: 130n };
}

const FOREVER = 9_223_372_036_854_775_807n;
const ROWS = `select memory_key, from_block, from_gen, to_block, expires_block, version_id, position,
	layer, owner, namespace, id, content, text, collection, encode(content_hash, 'hex') as hash
	from recant.versions where to_gen = ${FOREVER}`;

/** Rows of the present generation, whole. */
function rowsOf(world: Parameters<typeof runSql>[0]) {
	return runSql(world, `${ROWS} order by memory_key, from_block`);
}

/** Those that hold at a height. */
function visibleRows(world: Parameters<typeof runSql>[0], height: bigint) {
	return runSql(
		world,
		`${ROWS} and from_block <= ${height} and to_block > ${height}
		order by memory_key, from_block`,
	);
}

function isThere(row: Readonly<Record<string, unknown>>, height: bigint): boolean {
	const [from, to] = [row["from_block"], row["to_block"]].map((value) => BigInt(String(value)));
	return from !== undefined && to !== undefined && from <= height && to > height;
}

/** Writes of every kind, on blocks of which some are final for the log and the last five are lost. */
async function eventful(world: World, snapshot: boolean): Promise<void> {
	const head = async () => (await world.service.chain(CHAIN)).head?.height ?? 0n;
	await world.write(
		{ op: "put", id: "kept", content: { n: 0 }, text: "the whale sleeps", importance: 0.5 },
		{ op: "put", id: "vector", content: { n: 0 }, vector: wave(3) },
		{ op: "put", id: "timed", content: { n: 0 }, expiresAtTime: 2n ** 40n },
		{ op: "put", id: "doomed", content: {}, text: "the whale goes" },
		{ op: "put", id: "moves", layer: "short_term", content: {} },
	);
	await world.block({ from: 1, to: 2, value: 5n });
	await world.write({ op: "patch", id: "kept", content: { early: true } });
	if (snapshot) await takeSnapshot(world.recant);
	await world.block({ from: 2, to: 3, value: 7n });
	const early = await head();
	await world.write(
		{ op: "put", id: "ends before", content: {}, expiresAtBlock: early + 2n },
		{ op: "put", id: "ends after", content: {}, text: "a short whale", expiresAtBlock: early + 6n },
	);
	await world.block({ from: 3, to: 1, value: 2n });
	// From here on everything is lost.
	const { sent } = await world.block({ from: 1, to: 3, value: 11n });
	const transfer = onlyOne(sent);
	await world.write(
		{ op: "patch", id: "kept", content: { n: 1 } },
		{ op: "patch", id: "vector", content: { n: 1 } },
		{ op: "delete", id: "doomed" },
		{ op: "put", id: "anchored", content: { n: 1 }, anchor: { transaction: transfer.hash } },
		{ op: "put", id: "lost", content: {}, anchor: { block: (await world.chain.head()).hash } },
	);
	await world.block({ from: 2, to: 1, value: 1n });
	await world.write(
		{ op: "patch", id: "anchored", content: { patched: true } },
		{ op: "delete", id: "moves" },
		{ op: "put", id: "ends before", content: { again: 1 }, expiresAtBlock: early + 9n },
	);
	await world.block({ from: 3, to: 2, value: 3n });
	await world.write(
		{ op: "put", id: "moves", layer: "long_term", content: { back: true }, text: "moved" },
		{ op: "put", id: "doomed", content: { back: true }, text: "the whale is back" },
	);
	TRANSFERS.set(world, transfer);
}

/**
 * Below the ancestor: short-term memories at their number, one that ends by time above it, episodes that a rule
 * has taken, and a conclusion. Above: evictions, the end by time, what the rule adds, and what was concluded.
 */
async function layered(world: World, snapshot: boolean): Promise<void> {
	const { timestamp } = await world.chain.head();
	await world.write(
		{
			op: "put",
			id: "timed",
			content: {},
			text: "a whale for a while",
			expiresAtTime: timestamp + 5n,
		},
		{ op: "put", id: "kept", content: { n: 0 } },
		note("fees 1", "fees"),
		note("fees 2", "fees"),
		note("gas 1", "gas"),
		{ op: "put", id: "event", layer: "episodic", content: { topic: "gas" } },
	);
	await world.write({
		op: "put",
		id: "concluded early",
		content: {},
		derivedFrom: [[await world.said("fees 1")], [await world.said("kept")]],
	});
	await world.block({ from: 1, to: 2, value: 5n });
	if (snapshot) await takeSnapshot(world.recant);
	await world.block({ from: 2, to: 3, value: 7n });
	// From here on everything is lost.
	const { sent } = await world.block({ from: 1, to: 3, value: 11n });
	const block = { block: (await world.chain.head()).hash };
	await world.write(note("fees 3", "fees"), note("gas 2", "gas"), {
		op: "put",
		id: "lost",
		layer: "episodic",
		content: { topic: "fees" },
		anchor: block,
	});
	await world.block({ from: 2, to: 1, value: 1n });
	await world.write({
		op: "put",
		id: "concluded late",
		content: {},
		derivedFrom: [[await world.said("lost"), await world.said("kept")]],
	});
	await world.block({ from: 3, to: 2, value: 3n });
	await world.write({
		op: "put",
		id: "concluded last",
		content: {},
		derivedFrom: [[await world.said("concluded late")]],
	});
	TRANSFERS.set(world, onlyOne(sent));
}

function note(id: string, topic: string): WorldOperation {
	return { op: "put", id, layer: "short_term", content: { topic } };
}

async function habits(world: World) {
	return layerOf(world, "long_term");
}

async function shortTerm(world: World): Promise<readonly string[]> {
	return (await layerOf(world, "short_term")).map(({ id }) => id).sort();
}

async function layerOf({ service }: World, layer: "long_term" | "short_term") {
	const { items } = await service.memories(CHAIN, {
		at: { at: { kind: "tag", tag: "pending" }, generation: undefined },
		namespace: "default",
		layer,
		limit: 200,
		cursor: undefined,
	});
	return items;
}

const TRANSFERS = new WeakMap<World, ReturnType<typeof onlyOne>>();

async function otherBranch(world: World): Promise<void> {
	const transfer = TRANSFERS.get(world);
	if (transfer === undefined) throw new Error("nothing was anchored");
	await world.fork(async (chain) => {
		await chain.drop(3);
		await chain.block({ from: 3, to: 2, value: 4n });
		await chain.block(transfer);
		await chain.block({ from: 2, to: 3, value: 6n });
		await chain.empty(1);
	});
}

/** Another byte in the middle of every chunk. */
async function damageArchive({ recant }: World): Promise<void> {
	const root = join(recant.home.dataDir, "snapshots");
	const names = await readdir(root, { recursive: true, withFileTypes: true });
	const chunks = names.filter((entry) => entry.isFile() && entry.parentPath.includes("chunks"));
	expect(chunks.length).toBeGreaterThan(0);
	for (const { parentPath, name } of chunks) {
		const bytes = await readFile(join(parentPath, name));
		const middle = Math.floor(bytes.length / 2);
		bytes[middle] = (bytes[middle] ?? 0) ^ 0xff;
		await writeFile(join(parentPath, name), bytes);
	}
}

/** Another content in rows that the fork goes back to, and in one that it does not. */
async function damage(world: World): Promise<void> {
	const changed = await runSql(
		world,
		`update recant.versions set content = '{"n":666}' where id in ('kept', 'vector', 'doomed')
			and content is not null and from_block <= 5 returning 1 as one`,
	);
	expect(changed.length).toBeGreaterThan(2);
}

/**
 * Rows of heights that had ended before the ancestor stay as they are found; what is believed from the
 * ancestor on is true.
 */
async function expectHealed(world: World): Promise<void> {
	for (const [id, content] of [
		["kept", { n: 1, early: true }],
		["vector", { n: 1 }],
	] as const) {
		expect((await world.memory(id))?.content).toEqual(content);
	}
	const head = await world.service.chain(CHAIN);
	expect(head.problem).toBeUndefined();
	// The tree is built from the rows at the start, and compared with what was committed.
	await world.stop();
	await world.start();
	await world.block({ from: 1, to: 2, value: 1n });
	await until("it follows", async () => {
		return (await world.service.chain(CHAIN)).state === "following";
	});
}

function wave(phase: number): readonly number[] {
	return Array.from({ length: 384 }, (_, index) => Math.sin(index * phase));
}
