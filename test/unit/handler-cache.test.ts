import { expect, test } from "vitest";
import type { MemoryKey } from "../../src/domain/ids.ts";
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

test("what was committed is read without the store: the last write of all blocks", async () => {
	const { cache, asked } = emptyCache();
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
	expect(asked).toEqual([]);
});

test("what was deleted is known to be gone", async () => {
	const { cache, asked } = emptyCache();
	cache.keep([block(put("1"), { kind: "delete", ...NAME })]);
	expect(await cache.read(KEY)).toBeUndefined();
	expect(asked).toEqual([]);
});

test("after a clear the store is asked again, once", async () => {
	const { cache, asked } = emptyCache();
	cache.keep([block(put("1"))]);
	cache.clear();
	expect(await cache.read(KEY)).toBeUndefined();
	expect(await cache.read(KEY)).toBeUndefined();
	expect(asked).toEqual([KEY]);
});
