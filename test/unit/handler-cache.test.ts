import { expect, test } from "vitest";
import type { MemoryKey } from "../../src/domain/ids.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { Version } from "../../src/domain/memory.ts";
import { committed, HandlerCache } from "../../src/follower/handler-cache.ts";
import type { HandlerOperation } from "../../src/memory/handler-operation.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import type { DerivedBlock } from "../../src/writer/derived-blocks.ts";

const NAME = { namespace: "ledger", id: "holder:1" };
const KEY = memoryKey(NAME.namespace, NAME.id);

/** A cache over an empty store, and the keys that the store was asked for. */
function emptyCache() {
	const asked: MemoryKey[] = [];
	const store = {
		latestVersions: async (_chainId: number, keys: readonly MemoryKey[]) => {
			asked.push(...keys);
			return new Map();
		},
	};
	return { cache: new HandlerCache(store, 1), asked };
}

function put(balance: string, expiresAtBlock?: bigint): HandlerOperation {
	const none = { text: undefined, vector: undefined, collection: undefined };
	const ends = { expiresAtBlock, expiresAtTime: undefined };
	const marks = { importance: undefined, confidence: undefined, ...ends };
	const body = { layer: "semantic" as const, content: { balance }, ...none, ...marks };
	return { kind: "put", ...NAME, body };
}

function block(...operations: readonly HandlerOperation[]): DerivedBlock {
	const header = { number: 1n, hash: "0x1", parentHash: "0x0", timestamp: 1n } as const;
	return { header, operations, anchors: new Map() };
}

test("what was committed of what was read is read without the store: the last write of all blocks", async () => {
	const { cache, asked } = emptyCache();
	await cache.read(KEY);
	cache.keep([block(put("1"), put("2")), block(put("3", 300n))]);
	const content = { balance: "3" };
	const read = await cache.read(KEY);
	expect(read).toEqual({ id: NAME.id, layer: "semantic", content, expiresBlock: 300n });
	expect(committed(read)).toEqual({
		id: NAME.id,
		layer: "semantic",
		content,
		expiresAtBlock: 300n,
	});
	expect(asked).toEqual([KEY]);
});

test("what was only written takes no room", async () => {
	const { cache, asked } = emptyCache();
	cache.keep([block(put("1"))]);
	expect(cache.known(KEY)).toBeUndefined();
	await cache.read(KEY);
	expect(asked).toEqual([KEY]);
});

test("what was deleted is known to be gone", async () => {
	const { cache, asked } = emptyCache();
	await cache.read(KEY);
	cache.keep([block(put("1"))]);
	cache.keep([block({ kind: "delete", ...NAME })]);
	expect(cache.known(KEY)).toEqual({ version: undefined });
	expect(asked).toEqual([KEY]);
});

test("what was not read for longest goes when the limit of bytes is reached", async () => {
	const { cache } = emptyCache();
	const entries = 8;
	const content = "x".repeat(LIMITS.handlerCacheBytes / entries);
	const holder = (index: number) => ({ ...NAME, id: `holder:${index}` });
	const keyOf = (index: number) => memoryKey(NAME.namespace, holder(index).id);
	for (let index = 0; index < entries; index += 1) {
		await cache.read(keyOf(index));
		cache.keep([block({ ...put(content), ...holder(index) })]);
	}
	expect(cache.known(keyOf(0))).toBeUndefined();
	expect(cache.known(keyOf(1))).toBeDefined();
});

test("after a clear the store is asked again, once", async () => {
	const { cache, asked } = emptyCache();
	await cache.read(KEY);
	cache.keep([block(put("1"))]);
	cache.clear();
	expect(await cache.read(KEY)).toBeUndefined();
	expect(await cache.read(KEY)).toBeUndefined();
	expect(asked).toEqual([KEY, KEY]);
});

test("in another generation everything is read again", async () => {
	const { cache, asked } = emptyCache();
	cache.enter(3n);
	await cache.read(KEY);
	cache.keep([block(put("1"))]);
	cache.enter(3n);
	expect(cache.known(KEY)?.version?.content).toEqual({ balance: "1" });
	cache.enter(4n);
	expect(cache.known(KEY)).toBeUndefined();
	await cache.read(KEY);
	expect(asked).toEqual([KEY, KEY]);
});

test("what a rollback did not change is known in the next generation, and what it changed is not", async () => {
	const { cache } = emptyCache();
	const other = { ...NAME, id: "holder:2" };
	cache.enter(3n);
	await cache.read(KEY);
	await cache.read(memoryKey(other.namespace, other.id));
	cache.keep([block(put("1"), { ...put("2"), ...other })]);
	cache.changed(3n, [KEY]);
	cache.enter(4n);
	expect(cache.known(KEY)).toBeUndefined();
	expect(cache.known(memoryKey(other.namespace, other.id))?.version?.content).toEqual({
		balance: "2",
	});
});

test("a rollback from a generation that is not the cache's keeps nothing", async () => {
	const { cache } = emptyCache();
	cache.enter(3n);
	await cache.read(KEY);
	cache.keep([block(put("1"))]);
	cache.changed(4n, []);
	cache.enter(5n);
	expect(cache.known(KEY)).toBeUndefined();
});

test("a read that a rollback overtook is not kept", async () => {
	const rows = Promise.withResolvers<Map<MemoryKey, Version[]>>();
	const cache = new HandlerCache({ latestVersions: () => rows.promise }, 1);
	cache.enter(3n);
	const reading = cache.read(KEY);
	cache.changed(3n, [KEY]);
	rows.resolve(new Map());
	await reading;
	expect(cache.known(KEY)).toBeUndefined();
});
