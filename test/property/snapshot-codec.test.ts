/**
 * What snapshots are made of: records and manifests survive a round trip whatever they hold, no altered
 * byte of a chunk is ever read, and the root of sorted memories is the state tree's.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { SortedRoot } from "../../src/commitment/sorted-root.ts";
import { StateTree } from "../../src/commitment/state-tree.ts";
import type { Hex, MemoryKey, OperationId } from "../../src/domain/ids.ts";
import { LAYERS, type Layer } from "../../src/domain/layer.ts";
import type { JsonObject } from "../../src/domain/operation.ts";
import { canonicalJson } from "../../src/memory/canonical.ts";
import { ChunkBuilder, packChunk, readChunk } from "../../src/snapshots/chunk.ts";
import {
	decodeManifest,
	encodeManifest,
	type Manifest,
	manifestId,
} from "../../src/snapshots/manifest.ts";
import {
	decodeRecord,
	encodeRecord,
	type SnapshotRecord,
} from "../../src/snapshots/snapshot-record.ts";
import { announcedSeed } from "../support/seed.ts";
import { keyOfHex } from "../support/tree-model.ts";

const SEED = announcedSeed("test/property/snapshot-codec.test.ts");
const RUNS = 300;

const hex = fc
	.uint8Array({ minLength: 32, maxLength: 32 })
	.map((bytes): Hex => `0x${Buffer.from(bytes).toString("hex")}`);
const uuid = fc.uuid().map((text) => text.toLowerCase());
const key = uuid.map((text) => text as MemoryKey);
const number = fc.bigInt({ min: 0n, max: 2n ** 63n - 2n });
const layer: fc.Arbitrary<Layer> = fc.constantFrom(...LAYERS);
const text = fc.string({ unit: "grapheme", maxLength: 40 });
const json = fc
	.dictionary(text, fc.jsonValue({ maxDepth: 3 }), { noNullPrototype: true })
	.map((value) => JSON.parse(JSON.stringify(value)) as JsonObject);
/** Objects as literals make them. */
const plain = <T extends object>(fields: { [Name in keyof T]: fc.Arbitrary<T[Name]> }) =>
	fc.record(fields, { noNullPrototype: true });
const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
const vector = fc
	.float32Array({ minLength: 1, maxLength: 16 })
	.map((values) => Float32Array.from(values));

const record: fc.Arbitrary<SnapshotRecord> = fc.oneof(
	plain({
		kind: fc.constant("memory" as const),
		memoryKey: key,
		namespace: text,
		id: text,
		layer,
		owner: fc.constantFrom("handler" as const, "agent" as const),
		content: json,
		text: maybe(text),
		collection: maybe(text),
		importance: maybe(fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value + 0)),
		confidence: maybe(fc.constantFrom(0, 0.5, 1)),
		vectorHash: maybe(hex),
		versionId: number,
		position: number,
		fromBlock: number,
		expiresBlock: maybe(number),
		expiresTime: maybe(number),
		contentHash: hex,
		suspect: fc.boolean(),
		grounds: maybe(number),
		vector: maybe(vector),
	}).map(
		// A handler's version always rests on a block, on its own.
		({ grounds, ...row }) => ({
			...row,
			grounds: row.owner === "handler" ? row.fromBlock : grounds,
		}),
	),
	plain({ kind: fc.constant("gone" as const), layer, memoryKey: key }),
	plain({
		kind: fc.constant("collection" as const),
		name: text,
		model: text,
		dimensions: fc.integer({ min: 1, max: 4_096 }),
	}),
	plain({
		kind: fc.constant("header" as const),
		number,
		hash: hex,
		parentHash: hex,
		timestamp: number,
	}),
	plain({
		kind: fc.constant("operation" as const),
		operationId: uuid.map((value) => value as OperationId),
		position: number,
		generation: number,
		status: fc.constantFrom("applied" as const, "suspended" as const, "recanted" as const),
		reason: maybe(json),
		originalSlot: number,
		effectiveSlot: maybe(number),
		judgedSlot: number,
		versionId: maybe(number),
		suspect: fc.boolean(),
		anchors: maybe(text),
		anchorBlock: maybe(hex),
		anchorHeight: maybe(number),
		body: json,
	}),
);

test("a record is read as it was written, and its line is one line", () => {
	fc.assert(
		fc.property(record, (written) => {
			const line = encodeRecord(written);
			expect(line).not.toContain("\n");
			expect(decodeRecord(line)).toStrictEqual(written);
			expect(encodeRecord(decodeRecord(line))).toBe(line);
		}),
		{ seed: SEED, numRuns: RUNS },
	);
});

test("a record of before is read with what it does not say, and is written as it was", () => {
	const rest = { content: { a: 1 }, contentHash: `0x${"ab".repeat(32)}`, id: "a" };
	const place = {
		kind: "memory",
		layer: "semantic",
		memoryKey: keyOfHex("ab".repeat(16)),
		namespace: "n",
	};
	for (const owner of ["agent", "handler"]) {
		const numbers = { fromBlock: "7", owner, position: "3", versionId: "2" };
		const line = canonicalJson({ ...rest, ...place, ...numbers });
		const read = decodeRecord(line);
		const grounds = owner === "handler" ? 7n : undefined;
		expect(read).toMatchObject({ expiresTime: undefined, suspect: false, grounds });
		expect(encodeRecord(read)).toBe(line);
	}
});

test("a chunk is read as it was written", async () => {
	await fc.assert(
		fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 30 }), async (written) => {
			const { stored, ref } = await chunkOf(written);
			expect(ref.records).toBe(written.length);
			expect(await readChunk(stored, ref)).toStrictEqual(written);
		}),
		{ seed: SEED, numRuns: 100 },
	);
});

test("no altered byte of a chunk is read", async () => {
	const [records = []] = fc.sample(fc.array(record, { minLength: 8, maxLength: 12 }), {
		seed: SEED,
		numRuns: 1,
	});
	const { stored, ref } = await chunkOf(records);
	let altered = 0;
	for (let index = 0; index < stored.length; index += 1) {
		for (let bit = 0; bit < 8; bit += 1) {
			const damaged = Uint8Array.from(stored);
			damaged[index] = (damaged[index] ?? 0) ^ (1 << bit);
			await expect(readChunk(damaged, ref), `byte ${index}, bit ${bit}`).rejects.toMatchObject({
				code: "snapshot_damaged",
			});
			altered += 1;
		}
	}
	console.info(`${altered} alterations of a chunk of ${stored.length} bytes, all refused`);
	for (const cut of [0, 1, stored.length - 1]) {
		await expect(readChunk(stored.subarray(0, cut), ref)).rejects.toMatchObject({
			code: "snapshot_damaged",
		});
	}
	const longer = Buffer.concat([stored, Buffer.from([0])]);
	await expect(readChunk(longer, ref)).rejects.toMatchObject({ code: "snapshot_damaged" });
});

test("a manifest is read as it was written, and no altered byte of it is", () => {
	fc.assert(
		fc.property(manifest(), (written) => {
			const bytes = encodeManifest(written);
			const id = manifestId(bytes);
			expect(decodeManifest(bytes, id)).toStrictEqual(written);
			expect(encodeManifest(decodeManifest(bytes, id))).toEqual(bytes);
		}),
		{ seed: SEED, numRuns: RUNS },
	);
	const [written] = fc.sample(manifest(), { seed: SEED, numRuns: 1 });
	if (written === undefined) throw new Error("no manifest was made");
	const bytes = encodeManifest(written);
	for (let index = 0; index < bytes.length; index += 1) {
		const damaged = Uint8Array.from(bytes);
		damaged[index] = (damaged[index] ?? 0) ^ 1;
		expect(() => decodeManifest(damaged, manifestId(bytes))).toThrow(/is damaged/);
	}
});

test("sorted memories give the root of the state tree", () => {
	fc.assert(
		fc.property(fc.uniqueArray(closeKey(), { maxLength: 40 }), hex, (keys, contentHash) => {
			const tree = new StateTree();
			const sorted = new SortedRoot();
			for (const memoryKey of [...keys].sort()) sorted.add(memoryKey, contentHash);
			for (const memoryKey of keys) tree.set({ layer: "semantic", memoryKey, contentHash });
			expect(sorted.finish()).toBe(tree.roots().semantic);
		}),
		{ seed: SEED, numRuns: 2_000 },
	);
});

test("memories that are not sorted, or are there twice, are refused", () => {
	const low = "00000000-0000-0000-0000-000000000001" as MemoryKey;
	const high = "00000000-0000-0000-0000-000000000002" as MemoryKey;
	const hash: Hex = `0x${"11".repeat(32)}`;
	for (const [first, second] of [
		[high, low],
		[low, low],
	] as const) {
		const sorted = new SortedRoot();
		sorted.add(first, hash);
		expect(() => sorted.add(second, hash)).toThrow(/does not come after/);
	}
});

async function chunkOf(records: readonly SnapshotRecord[]) {
	const builder = new ChunkBuilder();
	for (const each of records) expect(builder.add(each)).toBeUndefined();
	const raw = builder.finish();
	if (raw === undefined) throw new Error("the chunk is empty");
	return packChunk(raw);
}

/** Keys with long common beginnings, so that nodes are deep. */
function closeKey(): fc.Arbitrary<MemoryKey> {
	const begin = fc.constantFrom("", "00000000", "0000000000000000", "ffffffffffffffffffffff");
	return fc.tuple(begin, fc.uint8Array({ minLength: 16, maxLength: 16 })).map(([start, bytes]) => {
		const all = start + Buffer.from(bytes).toString("hex").slice(start.length);
		const parts = [all.slice(0, 8), all.slice(8, 12), all.slice(12, 16), all.slice(16, 20)];
		return `${parts.join("-")}-${all.slice(20)}` as MemoryKey;
	});
}

function manifest(): fc.Arbitrary<Manifest> {
	const count = fc.nat();
	const rest = {
		chainId: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
		startBlock: number,
		height: number,
		blockHash: hex,
		generation: number,
		logPosition: number,
		versionSeq: number,
		roots: plain({ short_term: hex, long_term: hex, episodic: hex, semantic: hex }),
		stateRoot: hex,
		handlersHash: hex,
		collections: fc.array(
			plain({
				name: fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 20 }),
				model: fc.string({ minLength: 1, maxLength: 20 }),
				dimensions: fc.integer({ min: 1, max: 4_096 }),
			}),
			{ maxLength: 3 },
		),
		counts: plain({
			memories: count,
			memoryRecords: count,
			goneRecords: count,
			headers: count,
			operations: count,
		}),
		chunks: fc.array(
			plain({
				hash: hex,
				rawBytes: fc.integer({ min: 1, max: 4_194_304 }),
				storedBytes: fc.integer({ min: 1, max: 4_194_304 }),
				records: fc.integer({ min: 1, max: 100_000 }),
			}),
			{ maxLength: 5 },
		),
		createdAt: fc
			.date({ min: new Date(0), max: new Date("2100-01-01"), noInvalidDate: true })
			.map((date) => date.toISOString()),
	};
	return fc.oneof(
		plain({ kind: fc.constant("full" as const), parent: fc.constant(undefined), ...rest }),
		plain({ kind: fc.constant("incremental" as const), parent: hex, ...rest }),
	);
}
