/** Snapshots as they stand in an archive: everything that is read is checked against its name. */
import type { Hex } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { packChunk, type RawChunk, readChunk, unpackChunk } from "./chunk.ts";
import { chunkHash, unpackFrame } from "./chunk-frame.ts";
import {
	type ChunkRef,
	decodeManifest,
	encodeManifest,
	type Manifest,
	type ManifestId,
	manifestId,
} from "./manifest.ts";
import {
	chunkName,
	MANIFEST_BYTES,
	manifestName,
	type SnapshotArchive,
} from "./snapshot-archive.ts";
import { incomplete } from "./snapshot-errors.ts";
import type { SnapshotRecord } from "./snapshot-record.ts";
import type { SnapshotSource } from "./snapshot-source.ts";

export class ArchiveSource implements SnapshotSource {
	readonly archive: SnapshotArchive;

	constructor(archive: SnapshotArchive) {
		this.archive = archive;
	}

	async manifest(id: ManifestId): Promise<Manifest> {
		return decodeManifest(await this.#manifestBytes(id), id);
	}

	/** Its bytes, checked. Throws as `manifest`. */
	async wholeManifest(id: ManifestId): Promise<Uint8Array> {
		const bytes = await this.#manifestBytes(id);
		decodeManifest(bytes, id);
		return bytes;
	}

	async #manifestBytes(id: ManifestId): Promise<Uint8Array> {
		const bytes = await this.archive.read(manifestName(id), MANIFEST_BYTES);
		if (bytes === undefined) throw incomplete("manifest", id);
		return bytes;
	}

	async *records(id: ManifestId): AsyncGenerator<readonly SnapshotRecord[]> {
		const { chunks } = await this.manifest(id);
		for (const ref of chunks) yield this.chunk(ref);
	}

	/** Records of one chunk. Throws `snapshot_incomplete` and `snapshot_damaged`. */
	async chunk(ref: ChunkRef): Promise<readonly SnapshotRecord[]> {
		return readChunk(await this.chunkBytes(ref.hash), ref);
	}

	/** As they are stored, checked. Throws `snapshot_incomplete` and `snapshot_damaged`. */
	async wholeChunk(hash: Hex): Promise<Uint8Array> {
		const stored = await this.chunkBytes(hash);
		await unpackChunk(stored, hash);
		return stored;
	}

	/** As they are stored; not checked. Throws `FatalError("snapshot_incomplete")`. */
	async chunkBytes(hash: Hex): Promise<Uint8Array> {
		const stored = await this.archive.read(chunkName(hash), LIMITS.chunkBytes);
		if (stored === undefined) throw incomplete("chunk", hash);
		return stored;
	}

	/** The stored bytes, if they are there and their records are those that they are named by. */
	async #good(hash: Hex): Promise<Uint8Array | undefined> {
		const stored = await this.archive.read(chunkName(hash), LIMITS.chunkBytes);
		if (stored === undefined) return undefined;
		const { flaw } = await unpackFrame(stored, hash);
		return flaw === undefined ? stored : undefined;
	}

	/** Stores a chunk, unless a good one of that name is there: then that one is referred to. */
	async addChunk(raw: RawChunk): Promise<{ readonly ref: ChunkRef; readonly written: boolean }> {
		const hash = chunkHash(raw.bytes);
		const there = await this.#good(hash);
		if (there !== undefined) {
			const { bytes, records } = raw;
			const ref = { hash, rawBytes: bytes.length, storedBytes: there.length, records };
			return { ref, written: false };
		}
		const { ref, stored } = await packChunk(raw);
		await this.archive.write(chunkName(hash), stored);
		return { ref, written: true };
	}

	/** Stores a chunk that came from outside. Throws `FatalError("snapshot_damaged")`. */
	async acceptChunk(hash: Hex, stored: Uint8Array): Promise<void> {
		await unpackChunk(stored, hash);
		if ((await this.#good(hash)) === undefined) await this.archive.write(chunkName(hash), stored);
	}

	/** Stores a manifest; everything that it names must be there. */
	async addManifest(manifest: Manifest): Promise<ManifestId> {
		const bytes = encodeManifest(manifest);
		const id = manifestId(bytes);
		await this.archive.write(manifestName(id), bytes);
		return id;
	}
}
