/** Brings the rows of a chain to a restored state; see store/restoring/merge-shadow.ts. */
import { FOREVER, type Generation } from "../../../src/domain/ids.ts";
import type { Version } from "../../../src/domain/memory.ts";
import { type Shadow, shadowVersion } from "../../../src/restore/shadow-store.ts";
import type { CommitBatch } from "../../../src/writer/commit-batch.ts";
import { type ChainTables, vectorKey } from "./chain-tables.ts";
import type { FakeDatabase, ShadowVersionRow } from "./fake-database.ts";
import { byText } from "./frozen.ts";

/** Part of a transaction that has found the fence to be current. */
export function mergeShadow(
	database: FakeDatabase,
	tables: ChainTables,
	{
		shadow: { shadowId, height },
		batch,
	}: { readonly shadow: Pick<Shadow, "height" | "shadowId">; readonly batch: CommitBatch },
): void {
	const { generation } = batch;
	const rows = shadowRowsOf(database, shadowId);
	const kept = new Map(rows.filter((row) => row.kept).map((row) => [row.memoryKey, row]));
	const isKept = ({ memoryKey, fromBlock, fromGen }: Version) => {
		const row = kept.get(memoryKey);
		return row?.fromBlock === fromBlock && row.fromGen === fromGen;
	};
	end(tables, generation, (row) => row.fromBlock > height);
	end(tables, generation, (row) => row.fromBlock <= height && row.toBlock > height && !isKept(row));
	const coming = rows.filter((row) => !row.kept && isOpenAt(row, height));
	const beginnings = new Map(coming.map((row) => [row.memoryKey, row.fromBlock]));
	end(tables, generation, (row) => {
		const from = beginnings.get(row.memoryKey);
		return from !== undefined && row.fromBlock <= height && row.toBlock > from;
	});
	for (const row of coming) tables.versions.add(versionOf(row));
	for (const { namespace, layer, id, memoryKey, ...row } of rows) {
		const isNamed = !row.kept && row.content !== undefined;
		if (isNamed) tables.memories.insertIfNew({ namespace, layer, id, memoryKey });
	}
	for (const row of rows) carryVector(tables, row);
}

/** By rising key. */
export function shadowRowsOf(
	database: FakeDatabase,
	shadowId: string,
): readonly ShadowVersionRow[] {
	return database.shadowVersions
		.all()
		.filter((row) => row.shadowId === shadowId)
		.sort((a, b) => byText(a.memoryKey, b.memoryKey));
}

function end(
	{ versions }: ChainTables,
	generation: Generation,
	isOver: (row: Version) => boolean,
): void {
	for (const row of versions.allPresent()) {
		if (isOver(row)) versions.replace({ ...row, toGen: generation });
	}
}

export function isOpenAt({ expiresBlock }: ShadowVersionRow, height: bigint): boolean {
	return expiresBlock === undefined || expiresBlock > height;
}

export function versionOf({ shadowId: _shadow, kept: _kept, ...row }: ShadowVersionRow): Version {
	return { ...shadowVersion(row), toGen: FOREVER };
}

export function carryVector({ vectorRows }: ChainTables, row: ShadowVersionRow): void {
	const { collection, vector, content, versionId, memoryKey, namespace, layer, fromBlock } = row;
	if (collection === undefined || vector === undefined || content === undefined) return;
	const before = vectorRows.get(vectorKey({ collection, versionId }))?.vector;
	if (before !== undefined && isSame(before, vector)) return;
	const copy = Float32Array.from(vector);
	vectorRows.put({ collection, versionId, memoryKey, namespace, layer, fromBlock, vector: copy });
}

function isSame(a: Float32Array, b: Float32Array): boolean {
	return Buffer.compare(bytesOf(a), bytesOf(b)) === 0;
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
	return new Uint8Array(buffer, byteOffset, byteLength);
}
