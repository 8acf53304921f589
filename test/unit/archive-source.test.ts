import { readdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openDirectoryArchive } from "../../src/archive/directory-archive.ts";
import type { Hex } from "../../src/domain/ids.ts";
import { ArchiveSource } from "../../src/snapshots/archive-source.ts";
import { ChunkBuilder, packChunk, type RawChunk } from "../../src/snapshots/chunk.ts";
import { chunkHash } from "../../src/snapshots/chunk-frame.ts";
import { chunkName } from "../../src/snapshots/snapshot-archive.ts";
import { testDir } from "../support/temp-dir.ts";

function rawChunk(name: string): RawChunk {
	const builder = new ChunkBuilder();
	builder.add({ kind: "collection", name, model: "some-model", dimensions: 3 });
	const raw = builder.finish();
	if (raw === undefined) throw new Error("the chunk is empty");
	return raw;
}

async function opened() {
	const folder = testDir("archive");
	const source = new ArchiveSource(await openDirectoryArchive(folder));
	return { folder, source };
}

test("a chunk that is there and good is not written again, one that is damaged is", async () => {
	const { folder, source } = await opened();
	const first = await source.addChunk(rawChunk("a"));
	expect(first.written).toBe(true);
	const path = join(folder, chunkName(first.ref.hash));
	const file = statSync(path).ino;
	expect(await source.addChunk(rawChunk("a"))).toEqual({ ref: first.ref, written: false });
	expect(statSync(path).ino).toBe(file);

	writeFileSync(path, "something else");
	await expect(source.wholeChunk(first.ref.hash)).rejects.toMatchObject({
		code: "snapshot_damaged",
	});
	expect(await source.addChunk(rawChunk("a"))).toEqual({ ref: first.ref, written: true });
	expect((await source.chunk(first.ref))[0]).toMatchObject({ kind: "collection", name: "a" });
	expect(readdirSync(join(folder, "drafts"))).toEqual([]);
});

test("a chunk from outside is taken as what it is named by, and as nothing else", async () => {
	const { source } = await opened();
	const [a, b] = await Promise.all([packChunk(rawChunk("a")), packChunk(rawChunk("b"))]);
	await expect(source.acceptChunk(a.ref.hash, b.stored)).rejects.toMatchObject({
		code: "snapshot_damaged",
		fields: { chunk: a.ref.hash },
	});
	await expect(source.chunk(a.ref)).rejects.toMatchObject({ code: "snapshot_incomplete" });
	await source.acceptChunk(a.ref.hash, a.stored);
	expect(await source.chunk(a.ref)).toHaveLength(1);
	const fewer = { ...a.ref, records: 2 };
	await expect(source.chunk(fewer)).rejects.toMatchObject({ code: "snapshot_damaged" });
});

test("a directory that cannot be written is refused as a setting", async () => {
	const folder = testDir("archive");
	const file = join(folder, "file");
	writeFileSync(file, "");
	await expect(openDirectoryArchive(join(file, "below"))).rejects.toMatchObject({
		code: "configuration_invalid",
	});
});

test.runIf(process.platform === "linux")(
	"one on a file system that takes no folders is refused as well",
	async () => {
		for (const path of ["/proc/nope", "/proc/nope/a/b"]) {
			await expect(openDirectoryArchive(path)).rejects.toMatchObject({
				code: "configuration_invalid",
				message: expect.stringContaining(`the archive ${path} could not be made: ENOENT`),
			});
		}
	},
);

test("what is there is told by its name, but not while the archive is away", async () => {
	const { folder, source } = await opened();
	const { ref } = await source.addChunk(rawChunk("a"));
	const there = (hash: Hex) => source.archive.has(chunkName(hash));
	expect([await there(ref.hash), await there(chunkOf("b"))]).toEqual([true, false]);
	expect(await source.archive.has("chunks")).toBe(false);
	renameSync(folder, `${folder}-away`);
	await expect(there(ref.hash)).rejects.toMatchObject({ code: "archive_unavailable" });
});

test("an archive that is away lacks nothing for good: it does not answer", async () => {
	const { folder, source } = await opened();
	const { ref } = await source.addChunk(rawChunk("a"));
	await expect(source.wholeChunk(chunkOf("b"))).rejects.toMatchObject({
		code: "snapshot_incomplete",
	});
	renameSync(folder, `${folder}-away`);
	await expect(source.wholeChunk(ref.hash)).rejects.toMatchObject({ code: "archive_unavailable" });
	renameSync(`${folder}-away`, folder);
	await expect(source.wholeChunk(ref.hash)).resolves.toBeDefined();
});

function chunkOf(name: string): Hex {
	return chunkHash(rawChunk(name).bytes);
}
