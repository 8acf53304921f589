/** Chunks on their way in: so many at once that memory stays bounded, and the others wait or are told. */
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import { SnapshotService } from "../../src/service/snapshots.ts";
import { ArchiveSource } from "../../src/snapshots/archive-source.ts";
import { chunkHash, packFrame } from "../../src/snapshots/chunk-frame.ts";

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

/** With an archive and a chain; nothing else is asked here. */
function snapshots(): SnapshotService {
	const files = new Map<string, Uint8Array>();
	const source = new ArchiveSource({
		place: "memory",
		read: async (name) => files.get(name),
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
		store: none,
		reader: none,
		source,
		canApply: false,
	});
}
