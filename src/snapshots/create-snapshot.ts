/**
 * Writes one snapshot: first what is small (collections, headers, operations), then its memories in
 * pages. After each chunk it says how far it is, so that whoever takes it over goes on behind that
 * chunk; the manifest comes last, so that no half of a snapshot can be read.
 */
import { stateRoot } from "../commitment/state-root.ts";
import { LIMITS } from "../domain/limits.ts";
import type { ArchiveSource } from "./archive-source.ts";
import { changedRecords, changedTotal } from "./changed-records.ts";
import { ChunkBuilder, type RawChunk } from "./chunk.ts";
import type {
	ChunkRef,
	Manifest,
	ManifestId,
	SnapshotCollection,
	SnapshotCounts,
} from "./manifest.ts";
import { Pace } from "./pace.ts";
import type { KeyedRecord, RecordPages } from "./record-pages.ts";
import { orphaned } from "./snapshot-errors.ts";
import type { SnapshotRecord } from "./snapshot-record.ts";
import {
	NOT_BEGUN,
	type SnapshotRow,
	type WritePlace,
	type WriteProgress,
} from "./snapshot-row.ts";
import type { ChangedMemory, Lease, SnapshotReader, SnapshotStore } from "./snapshot-store.ts";

export interface CreationContext {
	readonly store: SnapshotStore;
	readonly reader: SnapshotReader;
	readonly source: ArchiveSource;
	readonly lease: Lease;
	/** Aborts: stop behind the next chunk; it is gone on with later. */
	readonly signal: AbortSignal;
}

/**
 * Goes on with a row in state `creating` until it is `stored`. Throws `FatalError("snapshot_orphaned")`
 * when its block is taken back, the abort's reason, and what store and archive throw.
 */
export async function createSnapshot(row: SnapshotRow, context: CreationContext): Promise<void> {
	await new Creation(row, context).run();
}

class Creation {
	#row: SnapshotRow;
	readonly #context: CreationContext;
	readonly #builder = new ChunkBuilder();
	readonly #pace = new Pace();
	readonly #chunks: ChunkRef[];
	#counts: SnapshotCounts;
	#place: WritePlace | undefined;
	#done: number;
	#total = 0;

	constructor(row: SnapshotRow, context: CreationContext) {
		const progress = row.progress?.phase === "write" ? row.progress : NOT_BEGUN;
		this.#row = row;
		this.#context = context;
		this.#chunks = progress.place === undefined ? [] : [...progress.chunks];
		this.#counts = progress.place === undefined ? NOT_BEGUN.counts : progress.counts;
		this.#done = progress.place === undefined ? 0 : progress.done;
		this.#place = progress.place;
	}

	async run(): Promise<void> {
		const { source, store, lease } = this.#context;
		await this.#requireCanonical();
		const pages = await this.#pages();
		if (this.#place === undefined) await this.#writeFirstPart();
		for await (const page of pages(this.#place ?? FIRST_PLACE)) {
			for (const record of page.records) await this.#add(record);
			this.#done += page.looked;
			this.#pace.went(page.looked);
		}
		await this.#flush(this.#builder.finish());
		const manifest = await this.#manifest();
		// Behind the last read: what was read before was the state of a block that was canonical.
		await this.#requireCanonical();
		const manifestId = await source.addManifest(manifest);
		await store.stored(this.#row, lease, {
			manifestId,
			memories: manifest.counts.memories,
			chunks: manifest.chunks.length,
			rawBytes: sum(manifest.chunks, "rawBytes"),
			storedBytes: sum(manifest.chunks, "storedBytes"),
		});
	}

	/** Full, or what changed above the parent; too many changes make a full one of it. */
	async #pages(): Promise<(from: WritePlace) => RecordPages> {
		const { reader } = this.#context;
		if (this.#row.kind === "incremental") {
			const parent = await this.#parent();
			const changes = parent && (await this.#changesAbove(parent));
			if (changes !== undefined) {
				this.#total = changedTotal(changes);
				return (from) => changedRecords(reader, this.#row, changes, from);
			}
			await this.#becomeFull();
		}
		this.#total = await reader.memoryCount(this.#row.chainId);
		return (from) => this.#allRecords(from);
	}

	async #changesAbove(parent: SnapshotRow): Promise<readonly ChangedMemory[] | undefined> {
		const query = { parent: parent.height, limit: LIMITS.snapshotChanges };
		if (this.#place === undefined) this.#counts = { ...this.#counts, memories: parent.memories };
		return this.#context.reader.changes(this.#row, query);
	}

	/** What was written of the increment does not count any more. */
	async #becomeFull(): Promise<void> {
		const { store, lease } = this.#context;
		await store.becomeFull(this.#row, lease);
		this.#row = { ...this.#row, kind: "full", parentId: undefined };
		this.#chunks.length = 0;
		this.#counts = NOT_BEGUN.counts;
		this.#place = undefined;
		this.#done = 0;
	}

	/** What it continues, as long as that is whole. */
	async #parent(): Promise<SnapshotRow | undefined> {
		const { parentId, chainId } = this.#row;
		if (parentId === undefined) return undefined;
		const parent = await this.#context.store.load(chainId, parentId);
		return parent?.state === "stored" || parent?.state === "verified" ? parent : undefined;
	}

	async *#allRecords(from: WritePlace): RecordPages {
		const { reader } = this.#context;
		const limit = LIMITS.snapshotPage;
		let after = from.after?.memoryKey;
		for (;;) {
			const page = await reader.memories(this.#row, { after, limit });
			yield {
				records: page.records.map((record) => ({ record, visible: 1 })),
				looked: page.looked,
			};
			after = page.last;
			if (page.looked < limit) return;
		}
	}

	async #writeFirstPart(): Promise<void> {
		const { reader } = this.#context;
		const { chainId } = this.#row;
		for (const each of await reader.collections(chainId)) {
			await this.#addFirst({ kind: "collection", ...each });
		}
		const above = (await this.#parent())?.height;
		const { windowBlocks } = await reader.chain(chainId);
		const headers = await reader.headers(this.#row, { above, limit: windowBlocks });
		for (const header of headers) await this.#addFirst({ kind: "header", ...header });
		let operations = 0;
		for (let after = 0n; ; ) {
			const page = await reader.operations(this.#row, { after, limit: LIMITS.snapshotPage });
			for (const operation of page) await this.#addFirst(operation);
			operations += page.length;
			const last = page.at(-1);
			if (last === undefined) break;
			after = last.position;
		}
		this.#counts = { ...this.#counts, headers: headers.length, operations };
		await this.#storeChunk(this.#builder.finish());
		this.#place = FIRST_PLACE;
		await this.#save();
	}

	async #addFirst(record: SnapshotRecord): Promise<void> {
		await this.#storeChunk(this.#builder.add(record));
	}

	async #add({ record, visible }: KeyedRecord): Promise<void> {
		// A chunk that is full ends before this record, and so do the counts that are saved with it.
		await this.#flush(this.#builder.add(record));
		const { memories, memoryRecords, goneRecords } = this.#counts;
		this.#counts = {
			...this.#counts,
			memories: memories + visible,
			memoryRecords: memoryRecords + (record.kind === "memory" ? 1 : 0),
			goneRecords: goneRecords + (record.kind === "gone" ? 1 : 0),
		};
	}

	async #flush(chunk: RawChunk | undefined): Promise<void> {
		if (chunk === undefined) return;
		await this.#storeChunk(chunk);
		const { last } = chunk;
		if (last.kind === "memory" || last.kind === "gone") {
			this.#place = { after: { memoryKey: last.memoryKey, layer: last.layer } };
		}
		await this.#save();
		this.#context.signal.throwIfAborted();
		await this.#requireCanonical();
	}

	async #storeChunk(chunk: RawChunk | undefined): Promise<void> {
		if (chunk === undefined) return;
		const { ref } = await this.#context.source.addChunk(chunk);
		this.#chunks.push(ref);
	}

	async #save(): Promise<void> {
		const { store, lease } = this.#context;
		const progress: WriteProgress = {
			phase: "write",
			place: this.#place,
			chunks: this.#chunks,
			counts: this.#counts,
			done: this.#done,
			total: Math.max(this.#total, this.#done),
			ratePerS: this.#pace.perSecond(),
		};
		await store.progress(this.#row, lease, progress);
	}

	async #requireCanonical(): Promise<void> {
		const { height, blockHash, generation } = this.#row;
		if (await this.#context.reader.isCanonical(this.#row, generation)) return;
		throw orphaned(height, blockHash);
	}

	async #manifest(): Promise<Manifest> {
		const { reader } = this.#context;
		const { kind, chainId, height, blockHash, generation, logPosition, versionId, roots } =
			this.#row;
		const [{ startBlock, handlersHash }, collections, parent] = await Promise.all([
			reader.chain(chainId),
			this.#writtenCollections(),
			this.#parentManifest(),
		]);
		return {
			kind,
			parent,
			chainId,
			startBlock,
			handlersHash,
			height,
			blockHash,
			generation,
			logPosition,
			versionSeq: versionId,
			roots,
			stateRoot: stateRoot(roots, { chainId, height, blockHash }),
			collections,
			counts: this.#counts,
			chunks: this.#chunks,
			createdAt: this.#row.createdAt.toISOString(),
		};
	}

	/** Those that the chunks hold: there may be more by now. */
	async #writtenCollections(): Promise<readonly SnapshotCollection[]> {
		const collections: SnapshotCollection[] = [];
		for (const ref of this.#chunks) {
			for (const record of await this.#context.source.chunk(ref)) {
				if (record.kind !== "collection") return collections;
				const { name, model, dimensions } = record;
				collections.push({ name, model, dimensions });
			}
		}
		return collections;
	}

	async #parentManifest(): Promise<ManifestId | undefined> {
		return (await this.#parent())?.manifestId;
	}
}

const FIRST_PLACE: WritePlace = { after: undefined };

function sum(chunks: readonly ChunkRef[], of: "rawBytes" | "storedBytes"): number {
	return chunks.reduce((total, chunk) => total + chunk[of], 0);
}
