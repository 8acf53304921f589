/** Records of an increment: what its parent's state has to become. */
import { LAYERS } from "../domain/layer.ts";
import { LIMITS } from "../domain/limits.ts";
import type { KeyedRecord, RecordPages } from "./record-pages.ts";
import type { RecordPlace, WritePlace } from "./snapshot-row.ts";
import type { ChangedMemory, CutPlace, SnapshotReader } from "./snapshot-store.ts";

/** One record to be: of a memory that is there, or that is gone from a layer. */
interface Change extends RecordPlace {
	readonly gone: boolean;
	/** What it adds to the number of visible memories. */
	readonly visible: -1 | 0 | 1;
}

export function changedTotal(changes: readonly ChangedMemory[]): number {
	return changes.reduce((total, change) => total + changesOf(change).length, 0);
}

/** In pages, in their order, behind a place. */
export async function* changedRecords(
	reader: SnapshotReader,
	cut: CutPlace,
	changes: readonly ChangedMemory[],
	from: WritePlace,
): RecordPages {
	const wanted = changes.flatMap(changesOf).filter((change) => isBehind(change, from));
	wanted.sort(comparePlaces);
	for (let start = 0; start < wanted.length; start += LIMITS.snapshotPage) {
		const page = wanted.slice(start, start + LIMITS.snapshotPage);
		yield { records: await recordsOf(reader, cut, page), looked: page.length };
	}
}

async function recordsOf(
	reader: SnapshotReader,
	cut: CutPlace,
	page: readonly Change[],
): Promise<readonly KeyedRecord[]> {
	const there = page.filter(({ gone }) => !gone).map(({ memoryKey }) => memoryKey);
	const memories = await reader.memoriesOf(cut, there);
	const byKey = new Map(memories.map((memory) => [memory.memoryKey, memory]));
	return page.flatMap(({ layer, memoryKey, gone, visible }): readonly KeyedRecord[] => {
		if (gone) return [{ record: { kind: "gone", layer, memoryKey }, visible }];
		const record = byKey.get(memoryKey);
		// Not there any more: the block was taken back since, and the next look finds it.
		return record === undefined ? [] : [{ record, visible }];
	});
}

/** A memory that moved to another layer is gone from the old one. */
function changesOf({ memoryKey, before, after }: ChangedMemory): readonly Change[] {
	const changes: Change[] = [];
	if (before !== undefined && before !== after) {
		changes.push({ layer: before, memoryKey, gone: true, visible: -1 });
	}
	if (after !== undefined) {
		changes.push({ layer: after, memoryKey, gone: false, visible: before === after ? 0 : 1 });
	}
	return changes;
}

/** Order of the records: of the key's text, which is the order of its bytes, then of LAYERS. */
export function comparePlaces(a: RecordPlace, b: RecordPlace): number {
	if (a.memoryKey !== b.memoryKey) return a.memoryKey < b.memoryKey ? -1 : 1;
	return LAYERS.indexOf(a.layer) - LAYERS.indexOf(b.layer);
}

function isBehind(change: Change, { after }: WritePlace): boolean {
	return after === undefined || comparePlaces(change, after) > 0;
}
