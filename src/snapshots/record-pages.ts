/** Memories and goners on their way into chunks. */
import type { GoneRecord, MemoryRecord } from "./snapshot-record.ts";

/** A record of the second part, and what it changes in the number of visible memories. */
export interface KeyedRecord {
	readonly record: MemoryRecord | GoneRecord;
	readonly visible: -1 | 0 | 1;
}

/** Pages of records in their order, and how many memories each looked through. */
export type RecordPages = AsyncIterable<{
	readonly records: readonly KeyedRecord[];
	readonly looked: number;
}>;
