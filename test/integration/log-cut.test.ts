/** Cutting the log: never above the oldest verified snapshot, nor what an open operation needs. */
import { expect, test } from "vitest";
import { RecantClient } from "../../src/client/client.ts";
import { Database } from "../../src/store/database.ts";
import { PostgresLogCutter } from "../../src/store/restoring/postgres-log-cut.ts";
import { CHAIN } from "../support/recant.ts";
import { settled, snapshotOf } from "../support/snapshots.ts";
import { atTestEnd } from "../support/test-end.ts";
import { withSql } from "../support/with-sql.ts";
import { World } from "../support/world.ts";

const CHAIN_ID = 31_337;
const ALL = 1_000_000;

interface Standing {
	readonly first: bigint;
	readonly cutTo: bigint;
	readonly fence: bigint;
}

async function standing(world: World): Promise<Standing> {
	return withSql(world.recant.home.databaseUrl, async (sql) => {
		const [row] = await sql<{ first: string; cut: string; fence: string }[]>`
			select (select min(position) from log) as first, log_cut_to as cut, fence from chains`;
		return {
			first: BigInt(row?.first ?? 0),
			cutTo: BigInt(row?.cut ?? 0),
			fence: BigInt(row?.fence ?? 0),
		};
	});
}

async function cutter(world: World): Promise<(limit?: number, fence?: bigint) => Promise<boolean>> {
	const database = await Database.open(world.recant.home.databaseUrl);
	atTestEnd(() => database.close());
	const store = new PostgresLogCutter(database);
	return async (limit = ALL, fence) =>
		store.cutLog(CHAIN_ID, fence ?? (await standing(world)).fence, limit);
}

test("the log is cut below the oldest verified snapshot of a final block, and not otherwise", async () => {
	const world = await World.create({ name: "log-cut" });
	const client = new RecantClient({ url: world.recant.url });
	const cut = await cutter(world);
	await world.write({ op: "put", id: "early", content: { said: "first" } });
	await world.block({ from: 1, to: 2, value: 1n });
	const snapshot = await snapshotOf(client, CHAIN);
	expect(snapshot.state).toBe("verified");

	// Its block is not final, and neither is the operation in the log.
	await cut();
	expect((await standing(world)).cutTo).toBe(0n);

	await world.chain.empty(70);
	await world.followed();
	await world.block();
	const { finalized } = await client.chain(CHAIN);
	expect(Number(finalized)).toBeGreaterThanOrEqual(Number(snapshot.height));
	await withSql(
		world.recant.home.databaseUrl,
		(sql) => sql`
		update snapshots set state = 'damaged' where snapshot_id = ${snapshot.id}`,
	);
	await cut();
	expect((await standing(world)).cutTo).toBe(0n);
	await client.verifySnapshot(CHAIN, snapshot.id);
	expect((await settled(client, CHAIN, snapshot.id)).state).toBe("verified");

	// An operation that a fork may still touch keeps its entry and all above it.
	await withSql(
		world.recant.home.databaseUrl,
		(sql) => sql`
		update operations set final = false, status = 'suspended' where id = 'early'`,
	);
	await cut();
	const held = await standing(world);
	const [early] = await withSql(
		world.recant.home.databaseUrl,
		(sql) => sql<{ position: string }[]>`
		select position from operations where id = 'early'`,
	);
	expect(held.first).toBe(BigInt(early?.position ?? 0));
	await withSql(
		world.recant.home.databaseUrl,
		(sql) => sql`
		update operations set final = true, status = 'applied' where id = 'early'`,
	);

	// In steps, and only under the lease.
	expect(await cut(1, held.fence - 1n)).toBe(false);
	expect((await standing(world)).cutTo).toBe(held.cutTo);
	expect(await cut(1)).toBe(true);
	expect((await standing(world)).cutTo).toBe(held.cutTo + 1n);
	expect(await cut()).toBe(false);
	const done = await standing(world);
	expect(done.cutTo).toBe(BigInt(snapshot.logPosition));
	expect(done.first).toBe(BigInt(snapshot.logPosition) + 1n);
	expect(await cut()).toBe(false);

	// Who asks for what is gone is told so, and who goes on from there is not.
	const { signal } = new AbortController();
	const first = async (after: bigint) => {
		for await (const { event } of client.events({ after: `${CHAIN_ID}:${after}` }, signal))
			return event;
		return undefined;
	};
	await expect(first(0n)).rejects.toMatchObject({
		code: "history_pruned",
		problem: { logCutTo: done.cutTo.toString() },
	});
	expect(await first(done.cutTo)).toMatchObject({ position: (done.cutTo + 1n).toString() });

	// What is left is enough to go on: a fork, another block, another snapshot.
	await world.write({ op: "put", id: "late", content: {} });
	await world.block();
	await world.fork((chain) => chain.reorg(1));
	await world.block();
	expect(await world.memory("late")).toBeDefined();
	expect((await snapshotOf(client, CHAIN)).state).toBe("verified");
});
