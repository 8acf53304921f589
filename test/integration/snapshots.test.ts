/** Snapshots on a real chain: written, read back, continued, scheduled, and taken away. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { RecantClient } from "../../src/client/client.ts";
import { CHAIN } from "../support/recant.ts";
import {
	chunkFile,
	manifestFile,
	manifestOf,
	refusal,
	settled,
	snapshotOf,
} from "../support/snapshots.ts";
import { until } from "../support/until.ts";
import { withSql } from "../support/with-sql.ts";
import { World } from "../support/world.ts";

const VECTOR = Array.from({ length: 384 }, (_, index) => Math.sin(index));

function clientOf(world: World): RecantClient {
	return new RecantClient({ url: world.recant.url });
}

test("a full snapshot and an increment over it are verified and give the checkpoint's roots", async () => {
	const world = await World.create({ name: "snapshots" });
	const client = clientOf(world);
	await world.write(
		{ op: "put", id: "kept", content: { said: "first" }, text: "the first fact" },
		{ op: "put", id: "timed", content: { said: "for long" }, expiresAtTime: 2n ** 40n },
		{ op: "put", id: "deleted", layer: "episodic", content: { said: "soon gone" } },
		{ op: "put", id: "moved", layer: "episodic", content: { said: "in one layer" } },
		{ op: "put", id: "given", content: {}, vector: VECTOR },
		{ op: "put", id: "ending", content: {}, expiresAtBlock: 4n },
	);
	await world.block({ from: 1, to: 2, value: 5n });
	const full = await snapshotOf(client, CHAIN);
	expect(full).toMatchObject({ state: "verified", kind: "full", cause: "operator", height: "3" });
	await world.write({ op: "delete", id: "deleted" }, { op: "delete", id: "moved" });
	await world.block();
	await world.write(
		{ op: "put", id: "moved", layer: "long_term", content: { said: "in another layer" } },
		{ op: "put", id: "added", content: { said: "later" } },
	);
	await world.block({ from: 1, to: 3, value: 7n });
	const increment = await snapshotOf(client, CHAIN);
	expect(increment).toMatchObject({ state: "verified", kind: "incremental", parentId: full.id });
	for (const { height, roots } of [full, increment]) {
		expect(roots).toEqual((await client.checkpoint(CHAIN, height)).roots);
	}
	const manifest = await manifestOf(client, CHAIN, increment.id);
	expect(manifest.parent).toBe(full.manifestId);
	// Deleted, moved away and expired; added, moved to, and what the transfer's handlers wrote.
	expect(manifest.counts).toMatchObject({ goneRecords: 3, memories: increment.memories });
	const { items } = await client.memories(CHAIN, { at: increment.height, limit: 200 });
	expect(increment.memories).toBe(items.length);
	const again = await snapshotOf(client, CHAIN, { kind: "full" });
	expect(again).toMatchObject({ state: "verified", kind: "full", roots: increment.roots });
	expect(again.memories).toBe(increment.memories);
});

test("an increment's size follows its changes, and not the state", async () => {
	const world = await World.create({ name: "snapshot-size" });
	const client = clientOf(world);
	const batch = (from: number) =>
		Array.from({ length: 250 }, (_, index) => ({
			op: "put" as const,
			id: `fact-${from + index}`,
			content: { note: `fact number ${from + index}`, filler: "x".repeat(500) },
		}));
	for (let from = 0; from < 2_000; from += 250) await world.write(...batch(from));
	await world.block();
	const full = await snapshotOf(client, CHAIN);
	await world.write(...batch(0).slice(0, 5));
	await world.block();
	const few = await snapshotOf(client, CHAIN);
	await world.write(...batch(0).slice(0, 50));
	await world.block();
	const more = await snapshotOf(client, CHAIN);
	const records = async (id: string) =>
		(await manifestOf(client, CHAIN, id)).counts["memoryRecords"];
	expect(await records(full.id)).toBe(full.memories);
	expect(await records(few.id)).toBe(5);
	expect(await records(more.id)).toBe(50);
	console.info({ full: full.storedBytes, five: few.storedBytes, fifty: more.storedBytes });
	// Operations that a fork may still touch are in every snapshot; here that is all of them.
	const memoryBytes = async (id: string) =>
		(await manifestOf(client, CHAIN, id)).chunks.at(-1)?.storedBytes ?? 0;
	expect(await memoryBytes(few.id)).toBeLessThan((await memoryBytes(full.id)) / 20);
});

test("a snapshot of a block that is taken back is cancelled, and none continues it", async () => {
	const world = await World.create({ name: "snapshot-fork" });
	const client = clientOf(world);
	const low = await snapshotOf(client, CHAIN);
	await world.write({ op: "put", id: "on-the-branch", content: {} });
	const { block } = await world.block();
	const orphaned = await snapshotOf(client, CHAIN);
	expect(orphaned).toMatchObject({ state: "verified", kind: "incremental" });
	await world.fork((chain) => chain.reorg(1));
	await world.block();
	const onTop = await snapshotOf(client, CHAIN);
	expect(onTop).toMatchObject({ state: "verified", kind: "incremental", parentId: low.id });
	expect(await refusal(client.createSnapshot(CHAIN, { at: block.hash }))).toMatchObject({
		code: "snapshot_orphaned",
		status: 409,
	});
	// As if the fork had come while it was written.
	await withSql(
		world.recant.home.databaseUrl,
		(sql) => sql`
		update snapshots set state = 'creating', manifest_hash = null,
			progress = '{"phase":"write","chunks":[],"counts":{},"done":0,"total":0}'
		where snapshot_id = ${orphaned.id}`,
	);
	expect(await settled(client, CHAIN, orphaned.id)).toMatchObject({
		state: "cancelled",
		error: { code: "snapshot_orphaned" },
	});
});

test("what cannot be taken a snapshot of is refused by name", async () => {
	const world = await World.create({ name: "snapshot-refusals" });
	const client = clientOf(world);
	const unknown = "0b0e7a3a-64c5-4d3a-9df5-7f1f4d2b6c01";
	const refused = async (call: Promise<unknown>) => (await refusal(call)) as { code: string };
	expect((await refused(client.createSnapshot(CHAIN, { at: "pending" }))).code).toBe(
		"height_in_future",
	);
	expect((await refused(client.createSnapshot(CHAIN, { at: 99 }))).code).toBe("height_in_future");
	expect((await refused(client.createSnapshot(CHAIN, { kind: "incremental" }))).code).toBe(
		"snapshot_not_found",
	);
	expect((await refused(client.snapshot(CHAIN, unknown))).code).toBe("snapshot_not_found");
	expect((await refused(client.verifySnapshot(CHAIN, unknown))).code).toBe("snapshot_not_found");
	expect((await refused(client.snapshotChunk(CHAIN, `0x${"00".repeat(32)}`))).code).toBe(
		"snapshot_incomplete",
	);
});

test("the schedule makes snapshots of final blocks, full ones now and then, and keeps so many", async () => {
	const world = await World.create({
		name: "snapshot-schedule",
		chainFile: { snapshots: { everyBlocks: 2, fullEvery: 1, keep: 1 } },
	});
	const client = clientOf(world);
	const folder = join(world.recant.home.dataDir, "snapshots");
	const first = await until("the first snapshot", async () => {
		const { items } = await client.snapshots(CHAIN);
		return items.find(({ state }) => state === "verified");
	});
	expect(first).toMatchObject({ kind: "full", cause: "blocks" });
	const { chunks } = await manifestOf(client, CHAIN, first.id);
	const files = [
		manifestFile(folder, first.manifestId ?? ""),
		...chunks.map(({ hash }) => chunkFile(folder, hash)),
	];
	expect(files.every((file) => existsSync(file))).toBe(true);
	// The node calls a block final when two epochs lie above it.
	await world.chain.empty(70);
	await world.followed();
	for (let block = 0; block < 8; block += 1) {
		await world.block({ from: 1, to: 2, value: 1n });
		await until("the schedule has seen the block", async () => {
			const { finalized = "0" } = await client.chain(CHAIN);
			const [newest] = (await client.snapshots(CHAIN)).items;
			if (newest === undefined || newest.progress !== undefined) return false;
			return BigInt(newest.height) + 2n > BigInt(finalized);
		});
	}
	await until("the first snapshot is taken away", async () => {
		const { items } = await client.snapshots(CHAIN);
		return items.every(({ id }) => id !== first.id) && files.every((file) => !existsSync(file));
	});
	const { items } = await client.snapshots(CHAIN);
	expect(items.map(({ state }) => state)).toEqual(items.map(() => "verified"));
	// One full one and at most one increment over it.
	expect(items.filter(({ kind }) => kind === "full")).toHaveLength(1);
	expect(items.length).toBeLessThanOrEqual(2);
	for (const { id } of items) await client.verifySnapshot(CHAIN, id);
	for (const { id } of items) expect((await settled(client, CHAIN, id)).state).toBe("verified");
});

test("a snapshot stays good when its block comes back with what agents wrote in other slots", async () => {
	const world = await World.create({ name: "snapshot-same-block" });
	const client = clientOf(world);
	await world.write({ op: "put", id: "early", content: { n: 1 } });
	for (let blocks = 0; blocks < 3; blocks += 1) await world.block();
	const taken = await snapshotOf(client, CHAIN);
	await world.write({ op: "put", id: "late", content: { n: 2 } });
	await world.block();
	const { id } = await client.startRollback(CHAIN, 2);
	await until("it is committed", async () => {
		return (await client.rollback(CHAIN, id)).state === "committed";
	});
	await world.followed();
	const now = await client.checkpoint(CHAIN, taken.height);
	expect(now.blockHash).toBe(taken.blockHash);
	expect(now.roots.state).not.toBe(taken.roots.state);
	await client.verifySnapshot(CHAIN, taken.id);
	expect(await settled(client, CHAIN, taken.id)).toMatchObject({ state: "verified" });
	expect((await settled(client, CHAIN, taken.id)).error).toBeUndefined();
});
