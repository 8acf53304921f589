/** Chunks on their way in: so many at once that memory stays bounded, and the others wait or are told. */
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { EMPTY_ROOTS } from "../../src/commitment/state-root.ts";
import type { Hex } from "../../src/domain/ids.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { SnapshotService } from "../../src/service/snapshots.ts";
import { ArchiveSource } from "../../src/snapshots/archive-source.ts";
import { chunkHash, packFrame } from "../../src/snapshots/chunk-frame.ts";
import { encodeManifest, type Manifest } from "../../src/snapshots/manifest.ts";

test("bytes of a chunk are not taken in before it is its turn", async () => {
	const service = snapshots();
	const raw = Buffer.from("{}\n");
	const stored = await packFrame(raw);
	const opened = Promise.withResolvers<void>();
	let reading = 0;
	let most = 0;
	const read = async () => {
		reading += 1;
		most = Math.max(most, reading);
		await opened.promise;
		reading -= 1;
		return stored;
	};
	const taken = LIMITS.chunkTransfers + LIMITS.chunkTransfersWaiting;
	const calls = Array.from({ length: taken + 3 }, () =>
		service.addChunk("one", chunkHash(raw), read).then(
			() => "stored",
			(error: { readonly code: string }) => error.code,
		),
	);
	await turn();
	expect(reading).toBe(LIMITS.chunkTransfers);
	opened.resolve();
	const ended = await Promise.all(calls);
	expect(most).toBe(LIMITS.chunkTransfers);
	expect(ended.filter((each) => each === "stored")).toHaveLength(taken);
	expect(ended.filter((each) => each === "archive_unavailable")).toHaveLength(3);
});

test("an import looks whether the chunks are there, and reads none of them", async () => {
	const raw = Buffer.from("{}\n");
	const read: string[] = [];
	const service = snapshots({ read, stored: { ...MANIFEST, progress: undefined } });
	const chunk = { hash: chunkHash(raw), rawBytes: raw.length, storedBytes: 20, records: 1 };
	const manifest = JSON.parse(
		Buffer.from(encodeManifest({ ...MANIFEST, chunks: [chunk] })).toString(),
	);
	const options = { replace: false, dryRun: false };
	const wanted = { manifest, goal: "store", options } as const;
	await expect(service.import("one", wanted)).rejects.toMatchObject({
		code: "snapshot_incomplete",
		message: expect.stringContaining(chunk.hash),
	});

	await service.addChunk("one", chunk.hash, () => packFrame(raw));
	read.length = 0;
	await service.import("one", wanted);
	expect(read).toEqual([]);
});

const HASH: Hex = `0x${"11".repeat(32)}`;

const MANIFEST: Manifest = {
	kind: "full",
	parent: undefined,
	chainId: 1,
	startBlock: 0n,
	height: 7n,
	blockHash: HASH,
	generation: 0n,
	logPosition: 8n,
	versionSeq: 0n,
	roots: EMPTY_ROOTS,
	stateRoot: HASH,
	handlersHash: HASH,
	collections: [],
	counts: { memories: 0, memoryRecords: 0, goneRecords: 0, headers: 1, operations: 0 },
	chunks: [],
	createdAt: "2026-01-01T00:00:00.000Z",
};

/**
 * With an archive and a chain. `read` gets the names of files that are read; `stored` is the row that an
 * imported manifest has already. Nothing else is asked here.
 */
function snapshots({
	read = [],
	stored,
}: {
	readonly read?: string[];
	readonly stored?: Readonly<Record<string, unknown>>;
} = {}): SnapshotService {
	const files = new Map<string, Uint8Array>();
	const row = { ...stored, snapshotId: "00000000-0000-4000-8000-000000000001" };
	const source = new ArchiveSource({
		place: "memory",
		read: async (name) => {
			read.push(name);
			return files.get(name);
		},
		has: async (name) => files.has(name),
		write: async (name, bytes) => void files.set(name, bytes),
		remove: async (name) => void files.delete(name),
		close: async () => undefined,
	});
	const none = {} as never;
	return new SnapshotService({
		chains: [
			{
				chainId: 1,
				name: "one",
				fullEvery: 1,
				hashOnNode: async () => undefined,
				due: () => undefined,
			},
		],
		state: none,
		store: { byManifest: async () => row, load: async () => row } as never,
		reader: { chain: async () => ({ startBlock: 0n }), hashAt: async () => HASH } as never,
		source,
		canApply: false,
	});
}
