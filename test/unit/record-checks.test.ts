/** Snapshots whose hashes all fit, and which can be no state of their chain: each is refused by name. */
import { expect, test } from "vitest";
import { SortedRoot } from "../../src/commitment/sorted-root.ts";
import { type StateRoots, stateRoot } from "../../src/commitment/state-root.ts";
import type { Hex, OperationId } from "../../src/domain/ids.ts";
import { LAYERS } from "../../src/domain/layer.ts";
import { linkContent, linkId } from "../../src/domain/link.ts";
import type { LinkName } from "../../src/domain/link-name.ts";
import { contentHash } from "../../src/memory/canonical.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { ArchiveSource } from "../../src/snapshots/archive-source.ts";
import { comparePlaces } from "../../src/snapshots/changed-records.ts";
import { ChunkBuilder } from "../../src/snapshots/chunk.ts";
import type { Manifest } from "../../src/snapshots/manifest.ts";
import type {
	CollectionRecord,
	HeaderRecord,
	MemoryRecord,
	OperationRecord,
	SnapshotRecord,
} from "../../src/snapshots/snapshot-record.ts";
import { verifySnapshot } from "../../src/snapshots/verify-snapshot.ts";

const HEIGHT = 3n;
const NOTES: CollectionRecord = { kind: "collection", name: "notes", model: "m", dimensions: 2 };
const HEADERS = [1n, 2n, 3n].map(header);
const LINK: LinkName = {
	from: { namespace: "default", id: "a" },
	type: "about",
	to: { namespace: "default", id: "b" },
};
const OTHER_LINK: LinkName = { ...LINK, type: "isA" };

interface Forged {
	readonly collections?: readonly CollectionRecord[];
	readonly stated?: Manifest["collections"];
	readonly headers?: readonly HeaderRecord[];
	readonly operations?: readonly OperationRecord[];
	readonly memories?: readonly MemoryRecord[];
	readonly manifest?: Partial<Manifest>;
}

test("a snapshot that could be a state is verified", async () => {
	const memories = [
		memory({ collection: "notes", vector: Float32Array.of(0.6, 0.8) }),
		memory({ id: linkId(LINK), content: linkContent(LINK, 1, undefined) }),
	];
	const { anchor: _anchor, ...body } = operation(2n).body;
	const place = { blockHash: hashOf(1n), height: "1" };
	const anchors = { mode: "any", anchors: [{ kind: "block", blockHash: hashOf(1n), place }] };
	const source = { namespace: "default", id: "a", contentHash: hashOf(9n) };
	const derived = { ...body, anchors, derivedFrom: [[source]], onLoss: "flag" };
	const operations = [
		operation(1n),
		{ ...operation(2n), anchors: JSON.stringify(anchors), suspect: true, body: derived },
	];
	await expect(verified({ memories, operations })).resolves.toBeUndefined();
});

const refused: Readonly<Record<string, readonly [Forged, RegExp]>> = {
	"begins above the height": [{ memories: [memory({ fromBlock: 4n })] }, /begins at 4/],
	"has expired": [{ memories: [memory({ expiresBlock: 3n })] }, /expires at 3/],
	"ends at a height and at a time": [
		{ memories: [{ ...memory({ expiresTime: 9n }), expiresBlock: 9n }] },
		/both at a height and at a time/,
	],
	"has an operation that ends twice": [
		{
			operations: [
				{
					...operation(1n),
					body: {
						...operation(1n).body,
						body: { layer: "semantic", content: {}, expiresAtBlock: "9", expiresAtTime: "9" },
					},
				},
			],
		},
		/both at a height and at a time/,
	],
	"has a position to come": [{ memories: [memory({ position: 101n })] }, /position 101 of 100/],
	"has a version to come": [{ memories: [memory({ versionId: 51n })] }, /version id 51 of 50/],
	"is in two layers": [
		{ memories: [memory({}), memory({ layer: "episodic" })] },
		/is in two layers/,
	],
	"is in no collection of its": [{ memories: [memory({ collection: "nope" })] }, /not there/],
	"has another number of dimensions": [
		{ memories: [memory({ collection: "notes", vector: Float32Array.of(1) })] },
		/1 dimensions of 2/,
	],
	"has a vector without end": [
		{ memories: [memory({ collection: "notes", vector: Float32Array.of(1, Number.NaN) })] },
		/not finite/,
	],
	"cannot be stored": [{ memories: [memory({ text: "a\u0000b" })] }, /U\+0000/],
	"has too long an id": [{ memories: [memory({ id: "x".repeat(257) })] }, /257 characters/],
	"has no headers": [{ headers: [] }, /last header is missing/],
	"has headers that do not reach its block": [{ headers: HEADERS.slice(0, 2) }, /at height 2/],
	"has headers with a gap": [
		{ headers: HEADERS.filter(({ number }) => number !== 2n) },
		/does not continue/,
	],
	"has two operations at one position": [
		{ operations: [operation(2n), operation(2n)] },
		/out of order/,
	],
	"has an operation to come": [{ operations: [operation(101n)] }, /position 101 of 100/],
	"has an operation without a name": [
		{ operations: [{ ...operation(1n), body: {} }] },
		/cannot be read: namespace/,
	],
	"has an operation with a broken anchor": [
		{
			operations: [
				{ ...operation(1n), body: { namespace: "n", id: "i", anchor: { height: "x" } } },
			],
		},
		/cannot be read: anchor/,
	],
	"has an operation with anchors that are no JSON": [
		{ operations: [{ ...operation(1n), anchors: "{" }] },
		/anchors are no JSON/,
	],
	"has an operation with an anchor of no kind": [
		{
			operations: [
				{
					...operation(1n),
					anchors: JSON.stringify({ mode: "all", anchors: [{ kind: "transaction" }] }),
				},
			],
		},
		/does not say what it is/,
	],
	"has an operation with a source without a hash": [
		{
			operations: [
				{
					...operation(1n),
					body: { namespace: "n", id: "i", derivedFrom: [[{ namespace: "n", id: "i" }]] },
				},
			],
		},
		/cannot be read: derivedFrom/,
	],
	"has a link that joins others than its id says": [
		{ memories: [memory({ id: linkId(LINK), content: linkContent(OTHER_LINK, 1, undefined) })] },
		/does not say what it joins/,
	],
	"names a collection like a path": [
		{ collections: [{ ...NOTES, name: "../../evil" }], stated: [stated("../../evil")] },
		/is not what a manifest states/,
	],
	"names a collection that it does not state": [
		{ stated: [stated("others")] },
		/is not what a manifest states/,
	],
	"leaves no room for what comes": [{ manifest: { versionSeq: 2n ** 62n } }, /or more/],
};

for (const [name, [forged, message]] of Object.entries(refused)) {
	test(`one that ${name} is refused, however well its hashes fit`, async () => {
		await expect(verified(forged)).rejects.toMatchObject({
			code: "snapshot_damaged",
			message: expect.stringMatching(message),
		});
	});
}

test("a manifest that names a chunk twice is refused before its chunks are read", async () => {
	const twice = (manifest: Manifest) => [...manifest.chunks, ...manifest.chunks];
	await expect(verified({}, twice)).rejects.toThrow(/names a chunk twice/);
});

test("counts that are not those of the chunks are refused before these are read", async () => {
	const more = ({ chunks }: Manifest) => chunks.map((chunk) => ({ ...chunk, records: 9 }));
	await expect(verified({}, more)).rejects.toThrow(/chunks have 9 records, and its counts 5/);
});

async function verified(
	forged: Forged,
	chunks = (manifest: Manifest) => manifest.chunks,
): Promise<void> {
	const source = new ArchiveSource(archive());
	const manifest = await made(source, forged);
	const id = await source.addManifest({ ...manifest, chunks: chunks(manifest) });
	await verifySnapshot(id, source, async () => undefined);
}

/** Its roots, counts and hashes are right, whatever it says. */
async function made(source: ArchiveSource, forged: Forged): Promise<Manifest> {
	const { collections = [NOTES], headers = HEADERS, operations = [] } = forged;
	const memories = [...(forged.memories ?? [memory({})])].sort(comparePlaces);
	const builder = new ChunkBuilder();
	const records: readonly SnapshotRecord[] = [
		...collections,
		...headers,
		...operations,
		...memories,
	];
	for (const record of records) builder.add(record);
	const raw = builder.finish();
	if (raw === undefined) throw new RangeError("nothing is in the chunk");
	const { ref } = await source.addChunk(raw);
	const roots = rootsOf(memories);
	const place = { chainId: 1, height: HEIGHT, blockHash: hashOf(HEIGHT) };
	return {
		...place,
		kind: "full",
		parent: undefined,
		startBlock: 0n,
		generation: 0n,
		logPosition: 100n,
		versionSeq: 50n,
		roots,
		stateRoot: stateRoot(roots, place),
		handlersHash: hashOf(0n),
		collections: forged.stated ?? collections.map((each) => stated(each.name)),
		counts: {
			memories: memories.length,
			memoryRecords: memories.length,
			goneRecords: 0,
			headers: headers.length,
			operations: operations.length,
		},
		chunks: [ref],
		createdAt: new Date(0).toISOString(),
		...forged.manifest,
	};
}

function rootsOf(memories: readonly MemoryRecord[]): StateRoots {
	const entries = LAYERS.map((layer) => {
		const root = new SortedRoot();
		for (const each of memories) {
			if (each.layer === layer) root.add(each.memoryKey, each.contentHash);
		}
		return [layer, root.finish()];
	});
	return Object.fromEntries(entries) as StateRoots;
}

function stated(name: string): Manifest["collections"][number] {
	return { name, model: NOTES.model, dimensions: NOTES.dimensions };
}

function memory(fields: Partial<MemoryRecord>): MemoryRecord {
	const body = {
		kind: "memory",
		namespace: "default",
		id: "a",
		layer: "semantic",
		owner: "agent",
		content: { a: 1 },
		text: undefined,
		collection: undefined,
		importance: undefined,
		confidence: undefined,
		vectorHash: undefined,
		versionId: 1n,
		position: 1n,
		fromBlock: 1n,
		expiresBlock: undefined,
		expiresTime: undefined,
		suspect: false,
		grounds: undefined,
		vector: undefined,
		...fields,
	} as const;
	return {
		...body,
		memoryKey: memoryKey(body.namespace, body.id),
		contentHash: contentHash(body),
	};
}

function operation(position: bigint): OperationRecord {
	const operationId = `00000000-0000-0000-0000-${position.toString().padStart(12, "0")}`;
	return {
		kind: "operation",
		operationId: operationId as OperationId,
		position,
		generation: 0n,
		status: "applied",
		reason: undefined,
		originalSlot: 2n,
		effectiveSlot: 2n,
		judgedSlot: 2n,
		versionId: 1n,
		suspect: false,
		anchors: undefined,
		anchorBlock: undefined,
		anchorHeight: undefined,
		body: {
			operationId,
			owner: "agent",
			kind: "put",
			namespace: "default",
			id: "a",
			body: { layer: "semantic", content: { a: 1 }, expiresAtBlock: "9" },
			anchor: { kind: "block", blockHash: hashOf(1n), height: "1" },
		},
	};
}

function header(number: bigint): HeaderRecord {
	const parentHash = hashOf(number - 1n);
	return { kind: "header", number, hash: hashOf(number), parentHash, timestamp: number };
}

function hashOf(number: bigint): Hex {
	return `0x${number.toString(16).padStart(64, "0")}`;
}

function archive(): ConstructorParameters<typeof ArchiveSource>[0] {
	const files = new Map<string, Uint8Array>();
	return {
		place: "memory",
		read: async (name) => files.get(name),
		has: async (name) => files.has(name),
		write: async (name, bytes) => void files.set(name, bytes),
		remove: async (name) => void files.delete(name),
		close: async () => undefined,
	};
}
