/** What a version says and rests on, through every statement that writes rows of versions. */
import { expect, test } from "vitest";
import { FOREVER, type Hex } from "../../src/domain/ids.ts";
import type { MemoryBody } from "../../src/domain/operation.ts";
import { contentHash } from "../../src/memory/canonical.ts";
import { type ShadowRow, shadowVersion } from "../../src/restore/shadow-store.ts";
import { applyChange } from "../../src/store/checking/repair-changes.ts";
import { storedVersion } from "../../src/store/checking/stored-rows.ts";
import { type VersionRow, versionOf } from "../../src/store/codec.ts";
import { Database } from "../../src/store/database.ts";
import { registerChain } from "../../src/store/registry.ts";
import { insertShadowRows } from "../../src/store/restoring/merge-shadow.ts";
import { PostgresRestoredStates } from "../../src/store/restoring/postgres-restored-states.ts";
import { PostgresShadowStore } from "../../src/store/restoring/postgres-shadow-store.ts";
import { PostgresWriterStore } from "../../src/store/writing/postgres-writer-store.ts";
import { createHashingEmbedder } from "../../src/vectors/hashing-embedder.ts";
import { ChainWriter } from "../../src/writer/chain-writer.ts";
import { NO_CONSOLIDATOR, PLAIN_SETTINGS } from "../support/plain-settings.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { SILENT } from "../support/silent-log.ts";
import { atTestEnd } from "../support/test-end.ts";
import { keyOf, row } from "../support/versions.ts";

const CHAIN = 31_337;
const FAR_TIME = 2n ** 40n;
const HASH: Hex = `0x${"22".repeat(32)}`;
const SHADOW = {
	shadowId: "00000000-0000-4000-8000-000000000001",
	chainId: CHAIN,
	purpose: "rollback",
	ownerId: "00000000-0000-4000-8000-000000000002",
	height: 9n,
} as const;
async function openDatabase() {
	const { url } = await createTestDatabase("version_columns");
	const database = await Database.open(url);
	atTestEnd(() => database.close());
	const spec = { id: CHAIN, name: "test", startBlock: 0n, handlersHash: HASH };
	await registerChain(database, spec, { isGone: () => false, log: SILENT });
	return database;
}

type Row = VersionRow & { readonly checksum: Uint8Array };

async function rowsOf(database: Database): Promise<readonly Row[]> {
	return database.run((sql) => sql<Row[]>`select * from versions order by namespace, id`);
}

/** A row that is suspect, ends by time and rests on another block than its own. */
function timedRow(id: string): ShadowRow {
	const { toBlock: _toBlock, toGen: _toGen, ...version } = row(id, 5n, { fromBlock: 3n });
	const said = { ...version, expiresTime: FAR_TIME, suspect: true, grounds: 2n };
	return { ...said, contentHash: contentHash(said), vector: undefined };
}

test("a handler's version is committed with its time, and rests on its own block", async () => {
	const database = await openDatabase();
	const store = new PostgresWriterStore(database, () => false);
	const lease = await store.acquireLease(CHAIN, "holder", 60_000);
	const writer = await ChainWriter.open({
		chainId: CHAIN,
		fence: "fence" in lease ? lease.fence : 0n,
		store,
		embedder: createHashingEmbedder(),
		collections: { ensure: async () => ({ takesTexts: true }) },
		settings: PLAIN_SETTINGS,
		consolidator: NO_CONSOLIDATOR,
		vectors: { room: async () => undefined, added: () => undefined },
		log: SILENT,
		onCommit: () => undefined,
		onLeaseLost: () => undefined,
	});
	const header = { number: 0n, hash: HASH, parentHash: HASH, timestamp: 1n };
	const put = { kind: "put", namespace: "test", id: "a", body: bodyOf(FAR_TIME) } as const;
	await writer.commitBlocks({
		mode: "window",
		blocks: [{ header, operations: [put], anchors: new Map() }],
		from: 0n,
		finality: { safe: 0n, finalized: 0n },
		handlersHash: HASH,
	});
	const [version] = (await store.latestVersions(CHAIN, [keyOf("a")])).get(keyOf("a")) ?? [];
	expect(version).toMatchObject({ expiresTime: FAR_TIME, suspect: false, grounds: 0n });
	expect(version?.contentHash).toBe(version && contentHash(version));
	const [stored] = await rowsOf(database);
	expect(stored && storedVersion(stored)).toMatchObject({ intact: true, grounds: 0n });
});

test("a shadow's rows become versions with all that they say, and are known again", async () => {
	const database = await openDatabase();
	const shadows = new PostgresShadowStore(database);
	await shadows.begin(SHADOW);
	const rows = [timedRow("a"), timedRow("b")];
	await shadows.put(SHADOW.shadowId, rows);
	const read = await shadows.rows(SHADOW.shadowId, [keyOf("a"), keyOf("b")]);
	expect([...read.values()]).toEqual(rows);
	await database.transaction((tx) => insertShadowRows(tx, SHADOW));
	const stored = await rowsOf(database);
	expect(stored.map(versionOf)).toEqual(rows.map(shadowVersion));
	for (const each of stored) expect(storedVersion(each).intact).toBe(true);
	const kept = () =>
		database.run((sql) => sql`select id from shadow_versions where kept order by id`);
	await database.run((sql) => sql`update versions set suspect = false where id = 'b'`);
	await new PostgresRestoredStates(database).settle(SHADOW, 0n);
	expect(await kept()).toEqual([{ id: "a" }]);
});

test("a repaired row is written whole, and each of its columns is covered", async () => {
	const database = await openDatabase();
	const put = { ...shadowVersion(timedRow("a")), toBlock: FOREVER };
	await database.transaction((tx) => applyChange(tx, CHAIN, { table: "versions", put }));
	const [stored] = await rowsOf(database);
	if (stored === undefined) throw new TypeError("no row was written");
	expect(versionOf(stored)).toEqual(put);
	expect(storedVersion(stored)).toMatchObject({ intact: true, body: { expiresTime: FAR_TIME } });
	expect(storedVersion({ ...stored, suspect: false }).intact).toBe(false);
	expect(storedVersion({ ...stored, grounds_block: null }).intact).toBe(false);
});

function bodyOf(expiresAtTime: bigint): MemoryBody {
	return {
		layer: "semantic",
		content: { n: 1 },
		text: undefined,
		vector: undefined,
		collection: undefined,
		importance: undefined,
		confidence: undefined,
		expiresAtBlock: undefined,
		expiresAtTime,
	};
}
