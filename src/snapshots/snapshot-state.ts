/**
 * The state of a chain of snapshots as one stream of memories by key: the newest snapshot that
 * says something of a memory counts. All are read side by side, a chunk of each at a time.
 */
import { comparePlaces } from "./changed-records.ts";
import { recordDamaged } from "./snapshot-errors.ts";
import type { GoneRecord, MemoryRecord, SnapshotRecord } from "./snapshot-record.ts";

export type PlacedRecord = MemoryRecord | GoneRecord;

/** A record with the chunk that it stands in, for messages. */
export interface FoundRecord {
	readonly chunk: string;
	readonly record: SnapshotRecord;
}

/** Records of one snapshot, in its order. */
export type RecordStream = AsyncIterable<readonly FoundRecord[]>;

/** Visible memories. `streams`: oldest first. Throws `snapshot_damaged` where a stream's order is wrong. */
export async function* visibleMemories(
	streams: readonly RecordStream[],
): AsyncGenerator<{ readonly chunk: string; readonly record: MemoryRecord }> {
	const cursors = streams.map((stream) => new Cursor(stream));
	await Promise.all(cursors.map((cursor) => cursor.next()));
	for (;;) {
		const newest = newestOfFirst(cursors);
		if (newest === undefined) return;
		const { chunk, record } = newest;
		if (record.kind === "memory") yield { chunk, record };
		for (const cursor of cursors) {
			if (cursor.present !== undefined && comparePlaces(cursor.present.record, record) === 0) {
				const next = cursor.next();
				if (next !== undefined) await next;
			}
		}
	}
}

/** Of the records at the lowest place the one of the newest snapshot. */
function newestOfFirst(cursors: readonly Cursor[]): PlacedFound | undefined {
	let found: PlacedFound | undefined;
	for (const { present } of cursors) {
		if (present === undefined) continue;
		if (found === undefined || comparePlaces(present.record, found.record) <= 0) found = present;
	}
	return found;
}

interface PlacedFound {
	readonly chunk: string;
	readonly record: PlacedRecord;
}

/** One stream's memories and goners; what stands before them is passed over. */
class Cursor {
	present: PlacedFound | undefined;
	readonly #batches: AsyncIterator<readonly FoundRecord[]>;
	#batch: readonly FoundRecord[] = [];
	#index = 0;

	constructor(stream: RecordStream) {
		this.#batches = stream[Symbol.asyncIterator]();
	}

	/** Goes on; a promise only where a batch has to be read. */
	next(): Promise<void> | undefined {
		for (; this.#index < this.#batch.length; this.#index += 1) {
			const found = this.#batch[this.#index];
			if (found === undefined || !isPlaced(found)) continue;
			this.#index += 1;
			this.#move(found);
			return undefined;
		}
		return this.#nextBatch();
	}

	async #nextBatch(): Promise<void> {
		const { done, value } = await this.#batches.next();
		if (done === true) {
			this.present = undefined;
			return;
		}
		this.#batch = value;
		this.#index = 0;
		const next = this.next();
		if (next !== undefined) await next;
	}

	#move(found: PlacedFound): void {
		const before = this.present;
		if (before !== undefined && comparePlaces(before.record, found.record) >= 0) {
			const { layer, memoryKey } = found.record;
			throw recordDamaged(found.chunk, `${layer} memory ${memoryKey}`, "is out of order");
		}
		this.present = found;
	}
}

function isPlaced(found: FoundRecord): found is PlacedFound {
	return found.record.kind === "memory" || found.record.kind === "gone";
}

/** Counts a stream's records by kind, and checks the order of the kinds. */
export class RecordCensus {
	readonly counts = { memory: 0, gone: 0, collection: 0, header: 0, operation: 0 };
	#rank = 0;

	see({ chunk, record }: FoundRecord): void {
		const rank = RANKS[record.kind];
		if (rank < this.#rank) throw recordDamaged(chunk, `a ${record.kind} record`, "is out of order");
		this.#rank = rank;
		this.counts[record.kind] += 1;
	}
}

const RANKS = { collection: 0, header: 1, operation: 2, memory: 3, gone: 3 } as const;
