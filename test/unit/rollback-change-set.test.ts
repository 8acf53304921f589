import { expect, test } from "vitest";
import type { FatalError } from "../../src/domain/errors.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { decodeChangeSet, encodeChangeSet } from "../../src/rollback/change-set.ts";
import type { Part } from "../../src/rollback/rollback-store.ts";

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

test("bigints, vectors and contents come back as they were", async () => {
	const changes = changesWith({ n: 1, list: [null, "a", { deep: true }] });
	expect(await decodeChangeSet(await encodeChangeSet(changes))).toEqual(changes);
});

test.each([
	{ $: "n", v: "5" },
	{ $: "n", v: "no number" },
	{ $: "f", v: "AAAA" },
	{ $: "j", v: "{" },
	{ $: "l", v: "1 /batch/vectors" },
	{ nested: [{ $: "j", v: '{"$":"n","v":"1"}' }] },
	{ $: "n", v: "5", more: 1 },
	{ $: "x", v: "5" },
	JSON.parse('{"__proto__":{"$":"n","v":"1"}}'),
])("a content that looks like the encoding stays a content: %j", async (content) => {
	const changes = changesWith(content);
	const decoded = await decodeChangeSet(await encodeChangeSet(changes));
	const [version] = decoded.batch.changes.insert;
	expect(JSON.stringify(version?.content)).toBe(JSON.stringify(content));
	expect(decoded).toEqual(changes);
});

test("a change set that lacks a part is refused", async () => {
	const parts = await encodeChangeSet(changesWith({ text: "x".repeat(9_000_000) }));
	expect(parts.length).toBeGreaterThan(1);
	for (const at of parts.keys()) await expectRefused(parts.toSpliced(at, 1));
	await expectRefused([]);
});

test.each([0, 1])(
	"no part is cut within a character of two units, shifted by %i",
	async (shift) => {
		const changes = changesWith({ text: "x".repeat(shift) + "😀".repeat(2_500_000) });
		const parts = await encodeChangeSet(changes);
		expect(parts.length).toBeGreaterThan(1);
		// As a database keeps text.
		const stored = parts.map((part) => ({ ...part, body: Buffer.from(part.body).toString() }));
		expect(await decodeChangeSet(stored)).toEqual(changes);
	},
);

/** A change set of so many memories, each with a vector. */
function manyChanges(memories: number) {
	const one = changesWith({});
	const [version] = one.batch.changes.insert;
	const [vector] = one.batch.vectors;
	const insert = Array.from({ length: memories }, (_, n) => ({
		...version,
		versionId: BigInt(n),
		content: { n, looks: { $: "l", v: `${memories} /batch/vectors` } },
	}));
	const vectors = insert.map(({ versionId }) => ({ ...vector, versionId }));
	const batch = { ...one.batch, vectors, changes: { ...one.batch.changes, insert } };
	return { ...one, batch } as typeof one;
}

test("long lists stand in parts of their own, come back whole, and are refused with one missing", async () => {
	const changes = manyChanges(20_000);
	const parts = await encodeChangeSet(changes);
	expect(new Set(parts.map(({ part }) => part))).toEqual(
		new Set(["changes", "/batch/vectors", "/batch/changes/insert"]),
	);
	for (const { body } of parts) expect(body.length).toBeLessThan(4_100_000);
	expect(await decodeChangeSet(parts.toReversed())).toEqual(changes);
	for (const at of parts.keys()) await expectRefused(parts.toSpliced(at, 1));
});

test("others have their turn while a large change set is encoded and decoded", async () => {
	let turns = 0;
	const timer = setInterval(() => {
		turns += 1;
	}, 1);
	try {
		const parts = await encodeChangeSet(manyChanges(60_000));
		expect(turns).toBeGreaterThan(2);
		turns = 0;
		await decodeChangeSet(parts);
		expect(turns).toBeGreaterThan(2);
	} finally {
		clearInterval(timer);
	}
});

async function expectRefused(parts: readonly Part[]): Promise<void> {
	await expect(decodeChangeSet(parts)).rejects.toMatchObject({
		code: "rollback_failed",
	} satisfies Partial<FatalError>);
}
