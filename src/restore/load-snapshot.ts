/**
 * Loads a snapshot, with the snapshots that it continues, into a shadow: the oldest first, some chunks
 * at a time, so that reading one and writing others go on together and memory stays bounded.
 */

import type { BlockHeader } from "../domain/block.ts";
import { FatalError } from "../domain/errors.ts";
import type { Generation } from "../domain/ids.ts";
import type { Manifest, ManifestId } from "../snapshots/manifest.ts";
import type {
	CollectionRecord,
	MemoryRecord,
	OperationRecord,
	SnapshotRecord,
} from "../snapshots/snapshot-record.ts";
import { manifestChain, type SnapshotSource } from "../snapshots/snapshot-source.ts";
import type { ShadowRow, ShadowStore } from "./shadow-store.ts";

/** Chunks that are written at once: one a connection that a restore may take. */
const WRITES = 3;
/** Rows of one write: a statement of some megabytes. */
const WRITE_ROWS = 2_000;

export interface LoadedSnapshot {
	readonly manifest: Manifest;
	readonly collections: readonly CollectionRecord[];
	/** By rising height. */
	readonly headers: readonly BlockHeader[];
	readonly operations: readonly OperationRecord[];
}

export interface LoadContext {
	readonly source: SnapshotSource;
	readonly shadows: ShadowStore;
	readonly shadowId: string;
	/** Generation in which the rows begin. */
	readonly generation: Generation;
	/** Memories that are wanted. */
	readonly wanted: (record: Pick<MemoryRecord, "memoryKey" | "owner">) => boolean;
	/** Records that were taken in so far. */
	readonly onRecords: (done: number) => void;
}

/** Throws what `SnapshotSource` throws. */
export async function loadSnapshot(id: ManifestId, context: LoadContext): Promise<LoadedSnapshot> {
	const chain = await manifestChain(context.source, id);
	const headers = new Map<bigint, BlockHeader>();
	let parts: Omit<LoadedSnapshot, "manifest" | "headers"> = { collections: [], operations: [] };
	let done = 0;
	for (const link of chain) {
		const writes = new Writes(context);
		// Those of a snapshot replace its parent's.
		const collections: CollectionRecord[] = [];
		const operations: OperationRecord[] = [];
		for await (const records of context.source.records(link.id)) {
			for (const record of records) {
				if (record.kind === "collection") collections.push(record);
				if (record.kind === "operation") operations.push(record);
				if (record.kind === "header") headers.set(record.number, headerOf(record));
			}
			await writes.add(records);
			done += records.length;
			context.onRecords(done);
		}
		await writes.settled();
		parts = { collections, operations };
	}
	const last = chain.at(-1);
	if (last === undefined) {
		throw new FatalError("internal", {
			message: `snapshot ${id} has no manifest`,
			hint: "this is a defect of Recant; please report it with the log",
		});
	}
	return { manifest: last.manifest, headers: [...headers.values()], ...parts };
}

/** Writes under way, at most WRITES; the rows of one snapshot are of different memories. */
class Writes {
	readonly #context: LoadContext;
	readonly #running = new Set<Promise<void>>();
	#failure: { readonly error: unknown } | undefined;

	constructor(context: LoadContext) {
		this.#context = context;
	}

	async add(records: readonly SnapshotRecord[]): Promise<void> {
		while (this.#running.size >= WRITES) await Promise.race(this.#running);
		if (this.#failure !== undefined) throw this.#failure.error;
		const write = this.#write(records)
			.catch((error: unknown) => {
				this.#failure ??= { error };
			})
			.finally(() => this.#running.delete(write));
		this.#running.add(write);
	}

	async settled(): Promise<void> {
		await Promise.all(this.#running);
		if (this.#failure !== undefined) throw this.#failure.error;
	}

	async #write(records: readonly SnapshotRecord[]): Promise<void> {
		const { shadows, shadowId, generation, wanted } = this.#context;
		const rows = records.flatMap((record) =>
			record.kind === "memory" && wanted(record) ? [rowOf(record, generation)] : [],
		);
		for (let start = 0; start < rows.length; start += WRITE_ROWS) {
			await shadows.put(shadowId, rows.slice(start, start + WRITE_ROWS));
		}
		const gone = records.filter((record) => record.kind === "gone");
		if (gone.length > 0) await shadows.remove(shadowId, gone);
	}
}

function rowOf(record: MemoryRecord, fromGen: Generation): ShadowRow {
	const { kind: _kind, ...row } = record;
	return { ...row, fromGen };
}

function headerOf({ number, hash, parentHash, timestamp }: BlockHeader): BlockHeader {
	return { number, hash, parentHash, timestamp };
}
