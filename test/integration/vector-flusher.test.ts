/** The flusher on real Postgres and real LanceDB: what only orphaned branches hold is left behind. */
import { connect } from "@lancedb/lancedb";
import { expect, test } from "vitest";
import { Database } from "../../src/store/database.ts";
import { registerChain } from "../../src/store/registry.ts";
import { PostgresFlushStore } from "../../src/store/writing/postgres-flush-store.ts";
import { PostgresWriterStore } from "../../src/store/writing/postgres-writer-store.ts";
import { openLanceTables } from "../../src/vectors/lance-tables.ts";
import { VectorFlusher } from "../../src/writer/vector-flusher.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { SearchedHistory } from "../support/searched-history.ts";
import { SILENT } from "../support/silent-log.ts";
import { testDir } from "../support/temp-dir.ts";
import { atTestEnd } from "../support/test-end.ts";

const CHAIN = 31_337;
test("a tail whose first page is nearly all orphaned is flushed to its end", async () => {
	const { url } = await createTestDatabase("flusher");
	const database = await Database.open(url);
	atTestEnd(() => database.close());
	const spec = { id: CHAIN, name: "test", startBlock: 0n, handlersHash: "0x00" } as const;
	await registerChain(database, spec, { isGone: () => false, log: SILENT });
	await database.run(
		(sql) => sql`insert into collections (chain_id, name, model, dimensions, table_name,
			table_version, pointer_version_id) values (${CHAIN}, 'default', 'm', 2, 'chain_default', 0, 0)`,
	);
	await database.run((sql) => sql`update chains set version_seq = 6000 where chain_id = ${CHAIN}`);
	// 6,000 rows of which every fiftieth is the version of a memory that is believed.
	await database.run(
		(sql) => sql`insert into vector_rows (chain_id, collection, version_id, memory_key, namespace,
			layer, from_block, vector, checksum)
			select ${CHAIN}, 'default', n, lpad(to_hex(n), 32, '0')::uuid, 'default', 3, 1,
				decode('0000803f00000000', 'hex'), '\\x00' from generate_series(1, 6000) n`,
	);
	await database.run(
		(sql) => sql`insert into versions (chain_id, memory_key, from_block, from_gen, to_block, to_gen,
			version_id, position, layer, owner, namespace, id, content, content_hash, checksum)
			select ${CHAIN}, lpad(to_hex(n), 32, '0')::uuid, 1, 0, 9223372036854775807,
				9223372036854775807, n, n, 3, 1, 'default', n::text, '{}', '\\x00', '\\x00'
			from generate_series(50, 6000, 50) n`,
	);
	const store = new PostgresFlushStore(database);
	const writerStore = new PostgresWriterStore(database, () => false);
	await writerStore.acquireLease(CHAIN, "test", 60_000);
	const tables = await openLanceTables({ uri: testDir("lancedb") });
	atTestEnd(() => tables.close());
	const flushed = async () => {
		const { state } = await writerStore.loadChain(CHAIN);
		const flusher = new VectorFlusher({
			chainId: CHAIN,
			tables,
			store,
			state: () => state,
			onPointer: () => undefined,
			log: SILENT,
			flushRows: 512,
		});
		flusher.flush();
		await flusher.idle();
		await flusher.stop();
		const [target] = await store.targets(CHAIN);
		return target;
	};
	const target = await flushed();
	expect(target).toMatchObject({ tail: 0, pointer: { versionId: 6000n } });
	const found: bigint[] = [];
	for await (const rows of tables.rows("chain_default", target?.pointer.tableVersion ?? 0n)) {
		found.push(...rows.map((row) => row.versionId));
	}
	expect(found).toHaveLength(120);

	// A tail that is orphaned whole: the pointer moves past it on the version that is there. When that was made
	// stays with it, since versions are kept by that, and this one may be all that checkpoints name.
	await database.run(
		(sql) => sql`insert into vector_rows (chain_id, collection, version_id, memory_key, namespace,
			layer, from_block, vector, checksum)
			select ${CHAIN}, 'default', n, lpad(to_hex(n), 32, '0')::uuid, 'default', 3, 1,
				decode('0000803f00000000', 'hex'), '\\x00' from generate_series(6001, 6010) n`,
	);
	await database.run((sql) => sql`update chains set version_seq = 6010 where chain_id = ${CHAIN}`);
	const moved = await flushed();
	expect(moved?.pointer).toEqual({ ...target?.pointer, versionId: 6010n });
});

test("a table that was made before words were kept is made again with them", async () => {
	const { url } = await createTestDatabase("flusher_words");
	const database = await Database.open(url);
	atTestEnd(() => database.close());
	const uri = testDir("lancedb-words");
	const tables = await openLanceTables({ uri });
	atTestEnd(() => tables.close());
	const history = await SearchedHistory.open(database, tables, { table: "old", dimensions: 2 });
	const vector = Float32Array.of(1, 0);
	history.put({
		...{
			id: "a",
			namespace: "test",
			layer: "semantic",
			content: {},
			text: "seen in kyoto",
			vector,
		},
		...{ importance: undefined, confidence: undefined, suspect: false, grounds: undefined },
	});
	await history.sync({ flushes: true });
	// As it would have been left: rows without words, and a pointer at that version.
	const connection = await connect(uri);
	const handle = await connection.openTable("old");
	await handle.dropColumns(["words"]);
	const old = BigInt(await handle.version());
	handle.close();
	connection.close();
	await database.run((sql) => sql`update collections set table_version = ${old}`);
	const store = new PostgresFlushStore(database);
	const { state } = await new PostgresWriterStore(database, () => true).loadChain(CHAIN);
	const query = {
		words: ["kyoto"],
		k: 10,
		filter: {
			...{ maxFromBlock: undefined, namespaces: undefined, layers: undefined },
			excludeVersions: [],
		},
	};
	await expect(tables.searchWords("old", old, query)).rejects.toMatchObject({
		code: "history_pruned",
	});
	const flusher = new VectorFlusher({
		...{ chainId: CHAIN, tables, store, state: () => state, log: SILENT, flushRows: 512 },
		onPointer: () => undefined,
	});
	flusher.flush();
	await flusher.idle();
	await flusher.stop();

	const [target] = await store.targets(CHAIN);
	expect(target).toMatchObject({ tail: 0, pointer: { versionId: 1n } });
	const found = await tables.searchWords("old", target?.pointer.tableVersion ?? 0n, query);
	expect(found.map(({ versionId }) => versionId)).toEqual([1n]);
	// What was named before is still there.
	const rows: bigint[] = [];
	for await (const batch of tables.rows("old", old))
		rows.push(...batch.map((row) => row.versionId));
	expect(rows).toEqual([1n]);
});
