/** What the layers ask of Postgres, over rows that stand there as commits leave them. */
import { describe, expect, test } from "vitest";
import { linkContent, linkId } from "../../src/domain/link.ts";
import type { LinkName } from "../../src/domain/link-name.ts";
import type { Version } from "../../src/domain/memory.ts";
import { NO_SETTINGS } from "../../src/domain/namespace-settings.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { KnownSettings } from "../../src/service/layers/known-settings.ts";
import { sourceKey } from "../../src/service/writing/pending-look.ts";
import { Database } from "../../src/store/database.ts";
import { PostgresNamespaceStore } from "../../src/store/layers/postgres-namespace-store.ts";
import { PostgresOptimiseStore } from "../../src/store/layers/postgres-optimise-store.ts";
import { PostgresPendingLook } from "../../src/store/layers/postgres-pending-look.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { STORED_CHAIN as CHAIN, storeChain, storeVersion } from "../support/stored-versions.ts";
import { atTestEnd } from "../support/test-end.ts";

async function openDatabase(): Promise<Database> {
	const { url } = await createTestDatabase("layers");
	const database = await Database.open(url);
	atTestEnd(() => database.close());
	await storeChain(database);
	return database;
}

async function link(database: Database, from: string, to: string, parts: Partial<Version> = {}) {
	const end = (id: string) => ({ namespace: "test", id });
	const name: LinkName = { from: end(from), type: "likes", to: end(to) };
	const content = linkContent(name, 1, undefined);
	const stored = await storeVersion(database, linkId(name), { content, ...parts });
	const ends = [memoryKey("test", from), memoryKey("test", to)] as const;
	await database.run(
		(sql) => sql`
			insert into links (chain_id, link_key, namespace, type, from_key, to_key)
			values (${CHAIN}, ${stored.memoryKey}, 'test', 'likes', ${ends[0]}, ${ends[1]})`,
	);
	return stored.id;
}

const GONE = { toBlock: 50n } as const;

describe("what may be dropped", () => {
	const nothing = {
		namespace: "test",
		expiredBy: undefined,
		belowConfidence: undefined,
		unreachable: false,
		limit: 100,
	};

	async function droppable(database: Database, query: Partial<typeof nothing> | object) {
		const { found } = await new PostgresOptimiseStore(database).droppable(CHAIN, {
			...nothing,
			...query,
		});
		return found.map(({ id, reason }) => `${reason ?? "doubtful"} ${id}`).toSorted();
	}

	test("is a link of which an end is gone, unless an operation waits to bring the end back", async () => {
		const database = await openDatabase();
		for (const id of ["a", "b"]) await storeVersion(database, id);
		await storeVersion(database, "gone", GONE);
		await storeVersion(database, "lost", GONE);
		await database.run(
			(sql) => sql`
				insert into operations (chain_id, operation_id, kind, namespace, id, status)
				values (${CHAIN}, gen_random_uuid(), 'put', 'test', 'lost', 'suspended')`,
		);
		await link(database, "a", "b");
		const dangling = await link(database, "a", "gone");
		await link(database, "b", "lost");
		expect(await droppable(database, { unreachable: true })).toEqual([
			`unreachable_link ${dangling}`,
		]);
	});

	test("is a semantic memory that lost its last link, unless something that holds rests on it", async () => {
		const database = await openDatabase();
		const linked = ["left", "used", "still", "other", "long"];
		for (const id of linked) {
			await storeVersion(database, id, id === "long" ? { layer: "long_term" } : {});
		}
		await storeVersion(database, "never-linked");
		await storeVersion(database, "gone", GONE);
		for (const id of linked) await link(database, id, "gone", GONE);
		await link(database, "still", "other");
		const used = await storeVersion(database, "conclusion");
		await database.run(
			(sql) => sql`
				insert into derivations (chain_id, position, set_no, source_no, memory_key, source_key,
					source_namespace, source_id, source_hash, depth)
				select ${CHAIN}, 7, 0, 0, ${used.memoryKey}, memory_key, namespace, id, content_hash, 1
				from versions where id = 'used'`,
		);
		expect(await droppable(database, { unreachable: true })).toEqual(["unreachable_memory left"]);
	});

	test("is no memory whose last link, or that link's other end, may come back", async () => {
		const database = await openDatabase();
		for (const id of ["a", "b", "c", "d"]) await storeVersion(database, id);
		for (const id of ["gone", "lost"]) await storeVersion(database, id, GONE);
		await link(database, "a", "gone");
		await link(database, "b", "lost");
		const taken = await link(database, "c", "d", GONE);
		for (const id of ["lost", taken]) {
			await database.run(
				(sql) => sql`
					insert into operations (chain_id, operation_id, kind, namespace, id, status)
					values (${CHAIN}, gen_random_uuid(), 'put', 'test', ${id}, 'suspended')`,
			);
		}
		expect(await droppable(database, { unreachable: true })).toEqual([
			expect.stringMatching(/^unreachable_link /),
			"unreachable_memory a",
		]);
	});

	test("is what has ended by time, and what may be low in confidence with what it fades by", async () => {
		const database = await openDatabase();
		await storeVersion(database, "over", { expiresTime: 1_000n });
		await storeVersion(database, "running", { expiresTime: 1_001n });
		await storeVersion(database, "low", { confidence: 0.2 });
		await storeVersion(database, "sure", { confidence: 0.9 });
		await storeVersion(database, "handlers", { confidence: 0.1, owner: "handler" });
		await storeVersion(database, "elsewhere", { confidence: 0.1, namespace: "other" });
		await storeVersion(database, "before", { confidence: 0.1, ...GONE });
		const content = { halfLifeBlocks: 5, lastSupportedBlock: "3" };
		await storeVersion(database, "fades", { confidence: 0.9, layer: "long_term", content });
		expect(await droppable(database, { expiredBy: 1_000n })).toEqual(["expired over"]);
		expect(await droppable(database, { belowConfidence: 0.5 })).toEqual([
			"doubtful fades",
			"doubtful low",
		]);
		const store = new PostgresOptimiseStore(database);
		const { found } = await store.droppable(CHAIN, { ...nothing, belowConfidence: 0.5 });
		expect(found.find(({ id }) => id === "fades")?.content).toEqual(content);
	});
});

describe("a look at the pending slot", () => {
	test("shows what is visible, and every source that the present history says or said", async () => {
		const database = await openDatabase();
		const look = new PostgresPendingLook(database);
		const now = await storeVersion(database, "a", { fromBlock: 60n });
		const before = await storeVersion(database, "a", { content: { n: 0 }, toBlock: 60n });
		const orphaned = await storeVersion(database, "a", {
			content: { n: 9 },
			fromBlock: 70n,
			toGen: 1n,
		});
		const ref = ({ namespace, id, contentHash }: Version) => ({ namespace, id, contentHash });
		const sources = [now, before, orphaned].map(ref);
		const keys = [now.memoryKey, memoryKey("test", "none")];
		const state = await look.look(CHAIN, { keys, sources });
		expect([...(state?.memories.values() ?? [])].map(({ versionId }) => versionId)).toEqual([
			now.versionId,
		]);
		expect(state?.held).toEqual(new Set([now, before].map((each) => sourceKey(ref(each)))));
	});

	test("shows nothing while operations wait", async () => {
		const database = await openDatabase();
		const look = new PostgresPendingLook(database);
		expect(await look.look(CHAIN, { keys: [], sources: [] })).toBeDefined();
		await database.run(
			(sql) => sql`insert into inbox (chain_id, operation_count, body) values (${CHAIN}, 1, '[]')`,
		);
		expect(await look.look(CHAIN, { keys: [], sources: [] })).toBeUndefined();
	});
});

describe("what a process knows of settings", () => {
	test("is what was registered, else what is declared, and follows a change when told", async () => {
		const store = new PostgresNamespaceStore(await openDatabase());
		const declared = new Map([["desk", { ...NO_SETTINGS, policy: "keep" } as const]]);
		const known = new KnownSettings({ chainId: CHAIN, store, declared });
		await known.refresh();
		expect([known.of("desk").policy, known.of("none").policy]).toEqual(["keep", undefined]);
		await store.register(CHAIN, "desk", { ...NO_SETTINGS, policy: "flag", shortTermCapacity: 3 });
		await known.refresh();
		expect(known.of("desk").policy, "not yet told").toBe("keep");
		known.changed();
		await known.refresh();
		expect(known.of("desk")).toEqual({ ...NO_SETTINGS, policy: "flag", shortTermCapacity: 3 });
	});

	test("is read again after every registration, whatever the order in which they end", async () => {
		const database = await openDatabase();
		const store = new PostgresNamespaceStore(database);
		await store.register(CHAIN, "a", NO_SETTINGS);
		await store.register(CHAIN, "b", NO_SETTINGS);
		const revisions = new Set([await store.revision(CHAIN)]);
		// One that began earlier and ends now: the latest time of all stays what it was.
		await database.run(
			(sql) => sql`update namespace_settings set updated_at = updated_at - interval '1 ms'
				where namespace = 'a'`,
		);
		revisions.add(await store.revision(CHAIN));
		await store.register(CHAIN, "b", NO_SETTINGS);
		revisions.add(await store.revision(CHAIN));
		expect(revisions.size).toBe(3);
	});
});

test("names and counts are of the present, by layer, with links left out", async () => {
	const database = await openDatabase();
	const store = new PostgresNamespaceStore(database);
	for (const id of ["a", "b"]) await storeVersion(database, id);
	await storeVersion(database, "e", { layer: "episodic" });
	await storeVersion(database, "gone", GONE);
	await storeVersion(database, "z", { namespace: "zoo" });
	await link(database, "a", "b");
	await store.register(CHAIN, "desk", NO_SETTINGS);
	const page = { of: undefined, also: ["ledger"], after: undefined, limit: 10 };
	expect(await store.names(CHAIN, page)).toEqual(["desk", "ledger", "test", "zoo"]);
	expect(await store.names(CHAIN, { ...page, after: "desk", limit: 2 })).toEqual([
		"ledger",
		"test",
	]);
	const mine = { ...page, of: ["zoo", "desk", "none"] };
	expect(await store.names(CHAIN, mine)).toEqual(["desk", "zoo"]);
	const { counts } = await store.counts(CHAIN, ["test", "zoo"]);
	expect(counts.get("test")).toEqual({ short_term: 0, long_term: 0, episodic: 1, semantic: 2 });
	expect(counts.get("zoo")?.semantic).toBe(1);
});
