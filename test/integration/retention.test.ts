/** Retention on a real chain: what is past its time goes, and what may be asked for stays. */
import { expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import { Database } from "../../src/store/database.ts";
import { registerChain } from "../../src/store/registry.ts";
import { PostgresRetention } from "../../src/store/writing/postgres-retention.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { atTestEnd } from "../support/test-end.ts";

const CHAIN = 31_337;
const FOREVER = 9_223_372_036_854_775_807n;

async function openDatabase(): Promise<Database> {
	const { url } = await createTestDatabase("retention");
	const database = await Database.open(url);
	atTestEnd(() => database.close());
	return database;
}

/** Three generations: 0 ended at 100, 1 at 5,000, 2 is the present one. */
async function seed(database: Database): Promise<void> {
	await database.transaction(async (tx) => {
		await tx`insert into chains (chain_id, name, start_block, generation, head_height,
				finalized_height, roots, retained_from, handlers_hash, fence)
			values (${CHAIN}, 'anvil', 0, 2, 9000, 8900, '{}', 0, '0x', 7)`;
		await tx`insert into generations (chain_id, generation, last_height, last_version_id, pointers)
			values (${CHAIN}, 0, 100, 5, '{}'), (${CHAIN}, 1, 5000, 9, '{}'), (${CHAIN}, 2, null, null, null)`;
		for (const [version, fromGen, toGen] of [
			[1n, 0n, 1n],
			[2n, 1n, 2n],
			[3n, 2n, FOREVER],
		] as const) {
			const key = `00000000-0000-0000-0000-00000000000${version}`;
			await tx`insert into versions (chain_id, memory_key, from_block, from_gen, to_block, to_gen,
					version_id, position, layer, owner, namespace, id, content, content_hash, checksum)
				values (${CHAIN}, ${key}, 90, ${fromGen}, ${FOREVER}, ${toGen}, ${version}, ${version}, 3, 1,
					'default', ${`memory-${version}`}, '{}', '\\x00', '\\x00')`;
			await tx`insert into vector_rows (chain_id, collection, version_id, memory_key, namespace, layer,
					from_block, vector, checksum)
				values (${CHAIN}, 'default', ${version}, ${key}, 'default', 3, 90, '\\x00', '\\x00')`;
			await tx`insert into blocks (chain_id, height, from_gen, to_gen, hash, parent_hash, timestamp,
					checksum) values (${CHAIN}, 90, ${fromGen}, ${toGen}, ${`0x${version}`}, '0x', 0, '\\x00')`;
		}
		for (const height of [1_000n, 1_001n, 8_950n]) {
			await tx`insert into checkpoints (chain_id, height, from_gen, to_gen, block_hash, log_position,
					version_id, roots, pointers, checksum)
				values (${CHAIN}, ${height}, 2, ${FOREVER}, '0x', 1, 1, '{}', '{}', '\\x00')`;
		}
	});
}

async function column(database: Database, table: string, name: string): Promise<string[]> {
	return database.run(async (sql) => {
		const rows = await sql.unsafe<{ value: bigint }[]>(
			`select ${name} as value from ${table} order by 1`,
		);
		return rows.map((row) => row.value.toString());
	});
}

test("branches past their time go with their vectors and headers; younger ones and the present stay", async () => {
	const database = await openDatabase();
	await seed(database);
	const retention = new PostgresRetention(database);
	const orphansBelow = 8_900n - BigInt(LIMITS.orphanRetentionBlocks);

	await retention.prune(CHAIN, 7n, { orphansBelow, floor: 8_900n });

	expect(await column(database, "versions", "version_id")).toEqual(["2", "3"]);
	expect(await column(database, "vector_rows", "version_id")).toEqual(["2", "3"]);
	expect(await column(database, "blocks", "from_gen")).toEqual(["1", "2"]);
	expect(await column(database, "generations", "generation")).toEqual(["1", "2"]);
	await registerChain(
		database,
		{ id: CHAIN, name: "anvil", startBlock: 0n, handlersHash: "0x" },
		{ isGone: () => true, log: { info: () => undefined, warn: () => undefined } as never },
	);
	expect(await column(database, "generations", "generation"), "at the next start").toEqual([
		"1",
		"2",
	]);
});

test("below the window a checkpoint an interval stays, inside it every one", async () => {
	const database = await openDatabase();
	await seed(database);

	await new PostgresRetention(database).prune(CHAIN, 7n, { orphansBelow: 0n, floor: 8_900n });

	expect(await column(database, "checkpoints", "height")).toEqual(["1000", "8950"]);
});

test("a process whose lease is gone deletes nothing", async () => {
	const database = await openDatabase();
	await seed(database);

	await new PostgresRetention(database).prune(CHAIN, 6n, { orphansBelow: 9_000n, floor: 8_900n });

	expect(await column(database, "versions", "version_id")).toEqual(["1", "2", "3"]);
	expect(await column(database, "checkpoints", "height")).toEqual(["1000", "1001", "8950"]);
});

test("states that were being built for what is over go, and those at work stay", async () => {
	const database = await openDatabase();
	await seed(database);
	const id = (number: number) => `00000000-0000-4000-8000-00000000000${number}`;
	await database.transaction(async (tx) => {
		await tx`insert into rollbacks (rollback_id, chain_id, cause, state, from_generation,
				ancestor_height, ancestor_hash, from_height, from_hash, to_height, to_hash, branch, counts,
				stage_ms)
			values (${id(1)}, ${CHAIN}, 'reorg', 'prepared', 2, 1, 'a', 3, 'b', 1, 'a', '[]', '{}', '{}')`;
		await tx`insert into shadows (shadow_id, chain_id, purpose, owner_id, height, created_at) values
			(${id(1)}, ${CHAIN}, 'rollback', ${id(1)}, 1, now()),
			(${id(2)}, ${CHAIN}, 'rollback', ${id(9)}, 1, now()),
			(${id(3)}, ${CHAIN}, 'import', ${id(9)}, 1, now()),
			(${id(4)}, ${CHAIN}, 'check', ${id(9)}, 1, now() - interval '2 days')`;
		// The fifth lost its shadow already.
		for (const shadow of [1, 2, 3, 4, 5]) {
			await tx`insert into shadow_versions (shadow_id, memory_key, from_block, from_gen, version_id,
					position, layer, owner, namespace, id, content_hash, checksum)
				select ${id(shadow)}, md5(n::text)::uuid, 1, 2, n, n, 3, 1, 'default', n, '\\x00', '\\x00'
				from generate_series(1, 3) as n`;
		}
	});
	await new PostgresRetention(database).prune(CHAIN, 7n, { orphansBelow: 0n, floor: 0n });
	const left = await database.run(
		(sql) =>
			sql`select shadow_id, count(*)::int as rows from shadow_versions group by 1 order by 1`,
	);
	expect(left).toEqual([
		{ shadow_id: id(1), rows: 3 },
		{ shadow_id: id(3), rows: 3 },
	]);
	expect(await database.run((sql) => sql`select shadow_id from shadows order by 1`)).toEqual([
		{ shadow_id: id(1) },
		{ shadow_id: id(3) },
	]);
});

test("what was derived goes with its last version, unless its operation may come back", async () => {
	const database = await openDatabase();
	await seed(database);
	const key = (version: number) => `00000000-0000-0000-0000-00000000000${version}`;
	await database.transaction(async (tx) => {
		// Another of the oldest generation, and one that was carried on into the present.
		for (const [version, fromGen, toGen, position] of [
			[4n, 0n, 1n, 4n],
			[5n, 0n, 1n, 5n],
			[6n, 2n, FOREVER, 5n],
		] as const) {
			await tx`insert into versions (chain_id, memory_key, from_block, from_gen, to_block, to_gen,
					version_id, position, layer, owner, namespace, id, content, content_hash, checksum)
				values (${CHAIN}, ${key(Number(position))}, 91, ${fromGen}, ${FOREVER}, ${toGen}, ${version},
					${position}, 3, 1, 'default', ${`memory-${position}`}, '{}', '\\x00', '\\x00')`;
		}
		for (const position of [1, 2, 4, 5]) {
			await tx`insert into operations (chain_id, operation_id, kind, namespace, id, status, position,
					final)
				values (${CHAIN}, gen_random_uuid(), 'put', 'default', ${`memory-${position}`}, 'suspended',
					${position}, ${position !== 4})`;
			await tx`insert into derivations (chain_id, position, set_no, source_no, memory_key, source_key,
					source_namespace, source_id, source_hash, depth)
				values (${CHAIN}, ${position}, 0, 0, ${key(position)}, ${key(3)}, 'default', 'memory-3', '\\x00', 1)`;
		}
	});
	const orphansBelow = 8_900n - BigInt(LIMITS.orphanRetentionBlocks);

	await new PostgresRetention(database).prune(CHAIN, 7n, { orphansBelow, floor: 8_900n });

	expect(await column(database, "derivations", "position")).toEqual(["2", "4", "5"]);
});
