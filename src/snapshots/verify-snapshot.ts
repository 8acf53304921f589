/**
 * Reads a snapshot back, its parents with it, and takes nothing on trust: bytes against the names of
 * chunks and manifests, records against their order and counts, every memory against its content hash
 * and key, the state tree of them all against the roots that the manifest states, and all of it against
 * what a state of the chain can be.
 */
import { hash } from "node:crypto";
import { SortedRoot } from "../commitment/sorted-root.ts";
import { differingLayers, type StateRoots, stateRoot } from "../commitment/state-root.ts";
import type { Hex } from "../domain/ids.ts";
import { LAYERS, type Layer } from "../domain/layer.ts";
import { contentHash } from "../memory/canonical.ts";
import { memoryKey } from "../memory/memory-key.ts";
import type { ArchiveSource } from "./archive-source.ts";
import type { ChunkRef, Manifest, ManifestId } from "./manifest.ts";
import { OwnRecordChecks, VisibleChecks } from "./record-checks.ts";
import { chainDiffers, manifestDamaged, recordDamaged, rootDiffers } from "./snapshot-errors.ts";
import type { MemoryRecord } from "./snapshot-record.ts";
import { manifestChain } from "./snapshot-source.ts";
import {
	type FoundRecord,
	RecordCensus,
	type RecordStream,
	visibleMemories,
} from "./snapshot-state.ts";

export interface VerifiedSnapshot {
	readonly manifest: Manifest;
	/** Bytes that were read, as they are stored. */
	readonly storedBytes: number;
}

/**
 * Throws `FatalError`: `snapshot_incomplete`, `snapshot_damaged`, `snapshot_format_newer`,
 * `snapshot_chain_differs` (a parent of another chain), `snapshot_root_differs`; and
 * `RetryableError("archive_unavailable")`. `onRead` is told the bytes of each chunk, and the bytes of
 * all; it may throw to stop.
 */
export async function verifySnapshot(
	id: ManifestId,
	source: ArchiveSource,
	onRead: (bytes: number, total: number) => Promise<void>,
): Promise<VerifiedSnapshot> {
	const chain = await manifestChain(source, id);
	const manifest = newestOf(chain, id);
	requireContinued(chain.map((each) => each.manifest));
	requireStated(manifest, id);
	const total = chain
		.flatMap((each) => each.manifest.chunks)
		.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
	const read = (ref: ChunkRef) => onRead(ref.storedBytes, total);
	const roots = new LayerRoots();
	const visible = new VisibleChecks(manifest);
	for await (const { chunk, record } of visibleMemories(
		chain.map((each) => checkedRecords(each, source, read)),
	)) {
		checkMemory(chunk, record);
		visible.see(chunk, record);
		roots.add(record);
	}
	roots.compare(manifest, id);
	return { manifest, storedBytes: total };
}

function newestOf(chain: readonly { readonly manifest: Manifest }[], id: ManifestId): Manifest {
	const manifest = chain.at(-1)?.manifest;
	if (manifest === undefined) throw manifestDamaged(id, "it has no chain");
	return manifest;
}

/** Each snapshot is of the same chain as its parent, and above it. */
function requireContinued(chain: readonly Manifest[]): void {
	for (const [index, child] of chain.entries()) {
		const parent = chain[index - 1];
		if (parent === undefined) continue;
		if (parent.chainId !== child.chainId) {
			throw chainDiffers("parent's chain id", `${parent.chainId}`, `${child.chainId}`);
		}
		if (parent.startBlock !== child.startBlock) {
			throw chainDiffers("parent's start block", `${parent.startBlock}`, `${child.startBlock}`);
		}
		if (parent.height >= child.height) {
			throw manifestDamaged(`of height ${child.height}`, `its parent's height is ${parent.height}`);
		}
	}
}

/** The state root binds the layers' roots to chain, height and block. */
function requireStated(manifest: Manifest, id: ManifestId): void {
	const found = stateRoot(manifest.roots, manifest);
	if (found === manifest.stateRoot) return;
	throw rootDiffers({
		manifest: id,
		what: "with its roots the state root",
		found,
		stated: manifest.stateRoot,
	});
}

/** A snapshot's records with their chunks; at the end its counts are compared with the manifest's. */
async function* checkedRecords(
	{ id, manifest }: { readonly id: ManifestId; readonly manifest: Manifest },
	source: ArchiveSource,
	onRead: (ref: ChunkRef) => Promise<void>,
): RecordStream & AsyncGenerator<readonly FoundRecord[]> {
	const census = new RecordCensus();
	const checks = new OwnRecordChecks(id, manifest);
	for (const ref of manifest.chunks) {
		const records = await source.chunk(ref);
		const found = records.map((record) => ({ chunk: ref.hash, record }));
		for (const each of found) {
			census.see(each);
			checks.see(each);
		}
		await onRead(ref);
		yield found;
	}
	const { memory, gone, header, operation, collection } = census.counts;
	const { counts, collections } = manifest;
	const stated = [
		["memory", memory, counts.memoryRecords],
		["gone", gone, counts.goneRecords],
		["header", header, counts.headers],
		["operation", operation, counts.operations],
		["collection", collection, collections.length],
	] as const;
	for (const [kind, there, said] of stated) {
		if (there !== said) {
			throw manifestDamaged(id, `it states ${said} ${kind} records, and there are ${there}`);
		}
	}
	checks.end();
}

/** The record is the memory that its hashes name. */
function checkMemory(chunk: string, record: MemoryRecord): void {
	const name = `memory "${record.id}" of namespace "${record.namespace}"`;
	if (memoryKey(record.namespace, record.id) !== record.memoryKey) {
		throw recordDamaged(chunk, name, `has the key ${record.memoryKey}, which is another's`);
	}
	const found = contentHash(record);
	if (found !== record.contentHash) {
		throw recordDamaged(chunk, name, `hashes to ${found}, and ${record.contentHash} is stated`);
	}
	if (record.vectorHash === undefined) return;
	const vector = record.vector && vectorHash(record.vector);
	if (vector !== record.vectorHash) {
		throw recordDamaged(chunk, name, `has a vector that hashes to ${vector ?? "nothing"}`);
	}
}

/** As memory/given-vector.ts hashes it: the vector is kept at unit length. */
function vectorHash({ buffer, byteOffset, byteLength }: Float32Array): Hex {
	return `0x${hash("sha256", new Uint8Array(buffer, byteOffset, byteLength))}`;
}

class LayerRoots {
	readonly #roots = new Map<Layer, SortedRoot>(LAYERS.map((layer) => [layer, new SortedRoot()]));
	#memories = 0;

	add({ layer, memoryKey: key, contentHash: hash }: MemoryRecord): void {
		this.#roots.get(layer)?.add(key, hash);
		this.#memories += 1;
	}

	compare(manifest: Manifest, id: ManifestId): void {
		const found = Object.fromEntries(
			[...this.#roots].map(([layer, root]) => [layer, root.finish()]),
		) as StateRoots;
		const [layer] = differingLayers(found, manifest.roots);
		if (layer !== undefined) {
			throw rootDiffers({
				manifest: id,
				what: `for ${layer} the root`,
				found: found[layer],
				stated: manifest.roots[layer],
			});
		}
		if (this.#memories !== manifest.counts.memories) {
			throw manifestDamaged(
				id,
				`it states ${manifest.counts.memories} visible memories, and there are ${this.#memories}`,
			);
		}
	}
}
