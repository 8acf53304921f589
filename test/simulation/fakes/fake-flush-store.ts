import { type ChainId, FOREVER, type VersionId } from "../../../src/domain/ids.ts";
import type { VectorRow } from "../../../src/domain/vector.ts";
import type { EmbeddedVersion, VectorPointers } from "../../../src/writer/commit-batch.ts";
import type { FlushStore, FlushTarget } from "../../../src/writer/flush-store.ts";
import type { ChainTables } from "./chain-tables.ts";
import type { FakeDatabase } from "./fake-database.ts";
import { byText, frozen, rising } from "./frozen.ts";

export class FakeFlushStore implements FlushStore {
	readonly #database: FakeDatabase;

	constructor(database: FakeDatabase) {
		this.#database = database;
	}

	async targets(chainId: ChainId): Promise<readonly FlushTarget[]> {
		const tables = this.#database.find(chainId);
		if (tables === undefined) return [];
		return tables.collections
			.all()
			.toSorted((a, b) => byText(a.name, b.name))
			.map(({ name, dimensions, table, pointer }) => {
				const tail = embedded(tables, { collection: name, above: pointer.versionId }).length;
				return { name, dimensions, table, pointer, tail };
			});
	}

	async rows(
		chainId: ChainId,
		query: { readonly collection: string; readonly above: VersionId; readonly limit: number },
	): Promise<{
		readonly rows: readonly VectorRow[];
		readonly upTo: VersionId;
		readonly looked: number;
	}> {
		const tables = this.#database.find(chainId);
		if (tables === undefined) return { rows: [], upTo: query.above, looked: 0 };
		const looked = embedded(tables, query).slice(0, query.limit);
		return {
			rows: looked.flatMap((row) => livingRow(tables, row)),
			upTo: looked.at(-1)?.versionId ?? query.above,
			looked: looked.length,
		};
	}

	async movePointer(move: Parameters<FlushStore["movePointer"]>[0]): Promise<boolean> {
		const tables = this.#database.find(move.chainId);
		const isHeld = tables?.row.fence === move.fence && tables.row.generation === move.generation;
		const pointer = tables?.collections.get(move.collection)?.pointer;
		const isThere =
			pointer?.tableVersion === move.from.tableVersion && pointer.versionId === move.from.versionId;
		if (tables === undefined || !isHeld || !isThere) return false;
		return tables.collections.update(move.collection, { pointer: frozen({ ...move.to }) });
	}

	async oldestNamed(chainId: ChainId, collection: string): Promise<Date> {
		const tables = this.#database.find(chainId);
		const times = (tables === undefined ? [] : namedPointers(tables)).flatMap((pointers) => {
			const pointer = pointers[collection];
			return pointer === undefined || pointer.tableVersion === 0n ? [] : [pointer.at];
		});
		return new Date(times.length === 0 ? this.#database.now() : Math.min(...times));
	}
}

/** By rising version; none above the last version id given out. */
function embedded(
	{ row, vectorRows }: ChainTables,
	{ collection, above }: { readonly collection: string; readonly above: VersionId },
): EmbeddedVersion[] {
	return vectorRows
		.all()
		.filter((each) => each.collection === collection)
		.filter(({ versionId }) => versionId > above && versionId <= row.versionSeq)
		.sort((a, b) => rising(a.versionId, b.versionId));
}

/** None, if only orphaned branches hold it. */
function livingRow({ versions }: ChainTables, row: EmbeddedVersion): readonly VectorRow[] {
	const { versionId, memoryKey, namespace, layer, fromBlock, vector } = row;
	const living = versions.present(memoryKey).find((each) => each.versionId === versionId);
	if (living === undefined) return [];
	const { text } = living;
	return [{ versionId, memoryKey, namespace, layer, fromBlock, text, vector: vector.slice() }];
}

/** By the generations that have ended, and by checkpoints that a rollback may go back to. */
function namedPointers({ row, generations, checkpoints }: ChainTables): readonly VectorPointers[] {
	const points = checkpoints
		.all()
		.filter(({ toGen, height }) => toGen === FOREVER && height >= (row.finalized ?? 0n));
	const ended = generations
		.all()
		.flatMap(({ pointers }) => (pointers === undefined ? [] : [pointers]));
	return [...ended, ...points.map(({ pointers }) => pointers)];
}
