import { expect, test } from "vitest";
import type { FatalError } from "../../src/domain/errors.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { decodeChangeSet, encodeChangeSet } from "../../src/rollback/change-set.ts";

/** A change set whose one memory has that content. */
function changesWith(content: object) {
	const key = memoryKey("default", "note");
	const version = {
		...{ memoryKey: key, namespace: "default", id: "note", layer: "semantic", owner: "agent" },
		...{ versionId: 7n, position: 9n, contentHash: "0x01", fromBlock: 3n, toBlock: 4n },
		...{ fromGen: 0n, toGen: 1n, content },
	};
	const vector = Float32Array.from([0.5, -1, 3e38]);
	const changes = { closeBlock: [], closeGen: [], insert: [version], newMemories: [] };
	const batch = { chainId: 1, basePosition: 2n ** 62n, log: [], changes, vectors: [{ vector }] };
	return { batch, pointers: {}, report: '{"n":1}' } as unknown as Parameters<
		typeof encodeChangeSet
	>[0];
}

test("bigints, vectors and contents come back as they were", () => {
	const changes = changesWith({ n: 1, list: [null, "a", { deep: true }] });
	expect(decodeChangeSet(encodeChangeSet(changes))).toEqual(changes);
});

test.each([
	{ $: "n", v: "5" },
	{ $: "n", v: "no number" },
	{ $: "f", v: "AAAA" },
	{ $: "j", v: "{" },
	{ nested: [{ $: "j", v: '{"$":"n","v":"1"}' }] },
	{ $: "n", v: "5", more: 1 },
	{ $: "x", v: "5" },
	JSON.parse('{"__proto__":{"$":"n","v":"1"}}'),
])("a content that looks like the encoding stays a content: %j", (content) => {
	const changes = changesWith(content);
	const decoded = decodeChangeSet(encodeChangeSet(changes));
	const [version] = decoded.batch.changes.insert;
	expect(JSON.stringify(version?.content)).toBe(JSON.stringify(content));
	expect(decoded).toEqual(changes);
});

test("a change set that lacks a part is refused", () => {
	const parts = encodeChangeSet(changesWith({ text: "x".repeat(9_000_000) }));
	expect(parts.length).toBeGreaterThan(1);
	expect(() => decodeChangeSet(parts.slice(1))).toThrow(
		expect.objectContaining({ code: "rollback_failed" } satisfies Partial<FatalError>),
	);
});
