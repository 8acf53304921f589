/** What a process that died leaves behind, in each store, and what the next start makes of it. */
import { randomUUID } from "node:crypto";
import { connect } from "@lancedb/lancedb";
import { expect, test } from "vitest";
import type { MemoryKey, VersionId } from "../../src/domain/ids.ts";
import type { VectorRow } from "../../src/domain/vector.ts";
import { Database } from "../../src/store/database.ts";
import { registerChain } from "../../src/store/registry.ts";
import { PostgresFlushStore } from "../../src/store/writing/postgres-flush-store.ts";
import { PostgresRetention } from "../../src/store/writing/postgres-retention.ts";
import { PostgresWriterStore } from "../../src/store/writing/postgres-writer-store.ts";
import { type LanceStore, openLanceTables } from "../../src/vectors/lance-tables.ts";
import type { VectorPointer } from "../../src/writer/commit-batch.ts";
import { VectorFlusher } from "../../src/writer/vector-flusher.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { SILENT } from "../support/silent-log.ts";
import { testDir } from "../support/temp-dir.ts";
import { atTestEnd } from "../support/test-end.ts";

const CHAIN = 31_337;
const TABLE = "chain_default";
async function openChain(): Promise<Database> {
	const { url } = await createTestDatabase("recovery");
	const database = await Database.open(url);
	atTestEnd(() => database.close());
	const spec = { id: CHAIN, name: "test", startBlock: 0n, handlersHash: "0x00" } as const;
	await registerChain(database, spec, { isGone: () => false, log: SILENT });
	return database;
}

async function rollback(
	database: Database,
	of: { readonly state: string; readonly attempt: number; readonly finishedHoursAgo?: number },
): Promise<string> {
	const rollbackId = randomUUID();
	const finishedAt =
		of.finishedHoursAgo === undefined
			? null
			: new Date(Date.now() - of.finishedHoursAgo * 3_600_000);
	await database.run(
		(sql) => sql`insert into rollbacks (rollback_id, chain_id, cause, state, from_generation,
			ancestor_height, ancestor_hash, from_height, from_hash, to_height, to_hash, branch, counts,
			stage_ms, attempt, finished_at)
			values (${rollbackId}, ${CHAIN}, 'reorg', ${of.state}, 0, 1, '0x', 2, '0x', 2, '0x', '[]', '{}',
				'{}', ${of.attempt}, ${finishedAt})`,
	);
	return rollbackId;
}

/** Of two attempts each: parts, tasks, and a shadow with a row. */
async function prepared(database: Database, rollbackId: string): Promise<void> {
	const shadowId = randomUUID();
	await database.transaction(async (tx) => {
		for (const attempt of [1, 2]) {
			await tx`insert into rollback_parts (rollback_id, attempt, part, seq, body)
				values (${rollbackId}, ${attempt}, 'changes', 0, '{}')`;
			await tx`insert into rollback_tasks (rollback_id, attempt, task, body)
				values (${rollbackId}, ${attempt}, 1, '{}')`;
		}
		await tx`insert into shadows (shadow_id, chain_id, purpose, owner_id, height)
			values (${shadowId}, ${CHAIN}, 'rollback', ${rollbackId}, 1)`;
	});
}

async function left(database: Database, table: string): Promise<readonly string[]> {
	return database.run(async (sql) => {
		const rows = await sql.unsafe<{ id: string; attempt: number }[]>(
			`select rollback_id as id, attempt from ${table} order by 1, 2`,
		);
		return rows.map(({ id, attempt }) => `${id}/${attempt}`);
	});
}

test("what was prepared for rollbacks that are over, or by attempts that were overtaken, goes", async () => {
	const database = await openChain();
	const running = await rollback(database, { state: "running", attempt: 2 });
	const ids = new Map<string, string>([["running", running]]);
	for (const state of ["committed", "superseded", "cancelled", "abandoned"]) {
		ids.set(state, await rollback(database, { state, attempt: 2 }));
	}
	ids.set("failed", await rollback(database, { state: "failed", attempt: 2, finishedHoursAgo: 1 }));
	ids.set("old", await rollback(database, { state: "failed", attempt: 2, finishedHoursAgo: 25 }));
	for (const rollbackId of [...ids.values(), randomUUID()]) await prepared(database, rollbackId);

	const retention = new PostgresRetention(database);
	const lease = await new PostgresWriterStore(database, () => false).acquireLease(
		CHAIN,
		"me",
		60_000,
	);
	if ("heldBy" in lease) throw new RangeError("somebody has the lease");
	const bounds = { orphansBelow: 0n, floor: 0n };
	expect(await retention.prune(CHAIN, lease.fence, bounds)).toBe(false);

	// A failed one's may be what a retry goes on with, for a day.
	const kept = [ids.get("running"), ids.get("failed")].map((id) => `${id}/2`).toSorted();
	expect(await left(database, "rollback_parts")).toEqual(kept);
	expect(await left(database, "rollback_tasks")).toEqual([`${running}/2`]);
	const shadows = await database.run(
		(sql) => sql<{ owner: string }[]>`select owner_id as owner from shadows order by 1`,
	);
	expect(shadows.map(({ owner }) => owner)).toEqual(
		[ids.get("running"), ids.get("failed")].toSorted(),
	);
});

test("much that was left goes in bounded steps", async () => {
	const database = await openChain();
	await database.run(
		(sql) => sql`insert into rollback_parts (rollback_id, attempt, part, seq, body)
			select ${randomUUID()}::uuid, 1, 'changes', n, '{}' from generate_series(1, 120) n`,
	);
	const retention = new PostgresRetention(database);
	const lease = await new PostgresWriterStore(database, () => false).acquireLease(
		CHAIN,
		"me",
		60_000,
	);
	if ("heldBy" in lease) throw new RangeError("somebody has the lease");
	const bounds = { orphansBelow: 0n, floor: 0n };
	const more: boolean[] = [];
	do more.push(await retention.prune(CHAIN, lease.fence, bounds));
	while (more.at(-1) === true);
	expect(more).toEqual([true, true, false]);
	expect(await left(database, "rollback_parts")).toEqual([]);
});

function row(versionId: number): VectorRow {
	return {
		versionId: BigInt(versionId) as VersionId,
		memoryKey: `00000000-0000-4000-8000-${versionId.toString().padStart(12, "0")}` as MemoryKey,
		namespace: "default",
		layer: "semantic",
		fromBlock: 1n,
		text: undefined,
		vector: Float32Array.of(1, 0),
	};
}

/** A chain with versions 1 to `versions`, all embedded, and a table that has none of them yet. */
async function embeddedChain(versions: number) {
	const database = await openChain();
	await database.run(
		(sql) => sql`insert into collections (chain_id, name, model, dimensions, table_name,
			table_version, pointer_version_id) values (${CHAIN}, 'default', 'm', 2, ${TABLE}, 0, 0)`,
	);
	await commitVersions(database, 1, versions);
	const uri = testDir("lancedb");
	const tables = await openLanceTables({ uri });
	atTestEnd(() => tables.close());
	const store = new PostgresFlushStore(database);
	const writerStore = new PostgresWriterStore(database, () => false);
	await writerStore.acquireLease(CHAIN, "test", 60_000);
	/** What a process does at its start, up to the end of its first flush. */
	const start = async () => {
		const { state } = await writerStore.loadChain(CHAIN);
		const flusher = new VectorFlusher({
			...{ chainId: CHAIN, tables, store, state: () => state, log: SILENT, flushRows: 512 },
			onPointer: () => undefined,
		});
		flusher.flush();
		await flusher.idle();
		await flusher.stop();
		return pointerOf(store);
	};
	return { database, uri, tables, store, start };
}

async function commitVersions(database: Database, from: number, to: number): Promise<void> {
	await database.transaction(async (tx) => {
		await tx`insert into vector_rows (chain_id, collection, version_id, memory_key, namespace,
			layer, from_block, vector, checksum)
			select ${CHAIN}, 'default', n, lpad(to_hex(n), 32, '0')::uuid, 'default', 3, 1,
				decode('0000803f00000000', 'hex'), '\\x00' from generate_series(${from}::int, ${to}::int) n`;
		await tx`insert into versions (chain_id, memory_key, from_block, from_gen, to_block, to_gen,
			version_id, position, layer, owner, namespace, id, content, content_hash, checksum)
			select ${CHAIN}, lpad(to_hex(n), 32, '0')::uuid, 1, 0, 9223372036854775807,
				9223372036854775807, n, n, 3, 1, 'default', n::text, '{}', '\\x00', '\\x00'
			from generate_series(${from}::int, ${to}::int) n`;
		await tx`update chains set version_seq = ${to} where chain_id = ${CHAIN}`;
	});
}

async function pointerOf(store: PostgresFlushStore): Promise<VectorPointer> {
	const [target] = await store.targets(CHAIN);
	if (target === undefined) throw new RangeError("there is no collection");
	return target.pointer;
}

async function rowsAt(tables: LanceStore, version: bigint): Promise<readonly number[]> {
	const found: number[] = [];
	for await (const rows of tables.rows(TABLE, version)) {
		found.push(...rows.map(({ versionId }) => Number(versionId)));
	}
	return found.toSorted((a, b) => a - b);
}

async function newest(uri: string): Promise<bigint> {
	const connection = await connect(uri);
	const table = await connection.openTable(TABLE);
	const version = BigInt(await table.version());
	table.close();
	connection.close();
	return version;
}

test("a write whose pointer never moved is not the table's newest after a start, and counts for nothing", async () => {
	const { database, uri, tables, start } = await embeddedChain(3);
	const before = await start();
	expect(await rowsAt(tables, before.tableVersion)).toEqual([1, 2, 3]);
	// Killed between the append and the move: rows of a commit that a rollback took back meanwhile.
	await tables.append(TABLE, before.tableVersion, [row(98), row(99)]);
	expect(await newest(uri)).toBeGreaterThan(before.tableVersion);

	const after = await start();
	expect(after.tableVersion).toBe(await newest(uri));
	expect(after.versionId).toBe(before.versionId);
	expect(await rowsAt(tables, after.tableVersion)).toEqual([1, 2, 3]);
	// What was named before is there as it was.
	expect(await rowsAt(tables, before.tableVersion)).toEqual([1, 2, 3]);

	await commitVersions(database, 4, 5);
	const next = await start();
	expect(next.tableVersion).toBe(after.tableVersion + 1n);
	expect(await rowsAt(tables, next.tableVersion)).toEqual([1, 2, 3, 4, 5]);
});

test("a start that is killed while it recovers leaves nothing that the next does not mend", async () => {
	const { uri, tables, start } = await embeddedChain(3);
	const before = await start();
	await tables.append(TABLE, before.tableVersion, [row(99)]);
	// Killed after the table went back, and before the pointer moved.
	await tables.bringTo(TABLE, before.tableVersion);
	await tables.bringTo(TABLE, before.tableVersion);
	const after = await start();
	expect(after.tableVersion).toBe(await newest(uri));
	expect(await rowsAt(tables, after.tableVersion)).toEqual([1, 2, 3]);
});

test("the very first write of a table, killed before its pointer moved, is done again from nothing", async () => {
	const { uri, tables, start } = await embeddedChain(3);
	const created = await tables.create(TABLE, 2);
	await tables.append(TABLE, created, [row(1), row(99)]);
	const after = await start();
	expect(after.tableVersion).toBe(await newest(uri));
	expect(await rowsAt(tables, after.tableVersion)).toEqual([1, 2, 3]);
});

test("a start writes nothing to a table that stands where it should", async () => {
	const { uri, start } = await embeddedChain(3);
	const before = await start();
	const again = await start();
	expect(again).toEqual(before);
	expect(await newest(uri)).toBe(before.tableVersion);
});

test("going back to the pointer takes no longer with many versions", async () => {
	const { tables } = await embeddedChain(1);
	let version = await tables.create(TABLE, 2);
	const timed = async () => {
		const samples: number[] = [];
		for (let round = 0; round < 5; round += 1) {
			await tables.append(TABLE, version, [row(99)]);
			const start = performance.now();
			version = await tables.bringTo(TABLE, version);
			samples.push(performance.now() - start);
		}
		return samples.toSorted((a, b) => a - b)[2] ?? Number.NaN;
	};
	const few = await timed();
	// Versions that make no fragments: only their number grows.
	for (let round = 0; round < 150; round += 1) {
		await tables.append(TABLE, version, [row(99)]);
		version = await tables.bringTo(TABLE, version);
	}
	const many = await timed();
	console.info(
		`back to the pointer: ${few.toFixed(1)} ms, after 300 versions ${many.toFixed(1)} ms`,
	);
	expect(many).toBeLessThan(few * 3 + 20);
});
