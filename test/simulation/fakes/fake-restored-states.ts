import {
	type ChainId,
	FOREVER,
	type Generation,
	type Height,
	type MemoryKey,
	type VersionId,
} from "../../../src/domain/ids.ts";
import type { Version } from "../../../src/domain/memory.ts";
import type { Shadow, ShadowRow } from "../../../src/restore/shadow-store.ts";
import type { RestoredStates, UsableSnapshot } from "../../../src/rollback/restored-states.ts";
import type { Problem, WrittenMemory } from "../../../src/writer/writer-store.ts";
import { type ChainTables, vectorKey } from "./chain-tables.ts";
import { type FakeDatabase, type ShadowVersionRow, shadowRowKey } from "./fake-database.ts";
import { putShadowRows, shadowRowOf } from "./fake-shadow-store.ts";
import { byText, rising } from "./frozen.ts";
import { isOpenAt, shadowRowsOf, versionOf } from "./merge-shadow.ts";
import { isUsable } from "./snapshot-rows.ts";

/** Fields that make a row what it is; two rows with the same of all of them say the same. */
const COMPARED = [
	"fromBlock",
	"expiresBlock",
	"expiresTime",
	"suspect",
	"grounds",
	"versionId",
	"position",
	"layer",
	"owner",
	"namespace",
	"id",
	"text",
	"collection",
	"importance",
	"confidence",
	"vectorHash",
	"contentHash",
] as const satisfies readonly (keyof Version & keyof ShadowRow)[];

export class FakeRestoredStates implements RestoredStates {
	readonly #database: FakeDatabase;

	constructor(database: FakeDatabase) {
		this.#database = database;
	}

	async snapshots(chainId: ChainId, height: Height): Promise<readonly UsableSnapshot[]> {
		const tables = this.#database.find(chainId);
		if (tables === undefined) return [];
		return this.#database.snapshots
			.all()
			.filter((row) => row.chainId === chainId && row.height <= height && isUsable(tables, row))
			.toReversed()
			.sort(
				(a, b) =>
					rising(b.height, a.height) ||
					rising(b.logPosition, a.logPosition) ||
					b.createdMs - a.createdMs,
			)
			.flatMap(({ snapshotId, manifestHash, height: at, logPosition }) =>
				manifestHash === undefined
					? []
					: [{ snapshotId, manifest: manifestHash, height: at, logPosition }],
			);
	}

	async snapshotDamaged(
		snapshotId: string,
		{ code, message }: { readonly code: string; readonly message: string },
	): Promise<void> {
		// No hint is kept.
		const error = { code, message } as Problem;
		this.#database.snapshots.update(snapshotId, { state: "damaged", error });
	}

	async settle(shadow: Shadow, fromGen: Generation): Promise<void> {
		this.#database.transaction(() => {
			this.#markStanding(shadow);
			this.#takeTombstones(shadow, fromGen);
		});
	}

	async latestVersions(
		{ shadowId, chainId, height }: Shadow,
		keys: readonly MemoryKey[],
	): Promise<ReadonlyMap<MemoryKey, readonly Version[]>> {
		const tables = this.#database.find(chainId);
		const found = new Map<MemoryKey, readonly Version[]>();
		for (const key of keys) {
			const row = this.#database.shadowVersions.get(shadowRowKey(shadowId, key));
			const ended = tables?.versions.latestUpTo(key, height);
			if (row !== undefined) found.set(key, [versionOf(row)]);
			else if (ended !== undefined && ended.toBlock <= height) found.set(key, [ended]);
		}
		return found;
	}

	async population(
		shadow: Shadow,
		query: Parameters<RestoredStates["population"]>[1],
	): Promise<readonly MemoryKey[]> {
		return this.#visible(shadow, query.namespace)
			.filter(({ layer }) => query.layers.includes(layer))
			.sort((a, b) => rising(b.position, a.position) || rising(b.versionId, a.versionId))
			.slice(0, query.limit)
			.map((row) => row.memoryKey);
	}

	async writingOrder(
		shadow: Shadow,
		query: { readonly namespace: string; readonly limit: number },
	): Promise<readonly WrittenMemory[]> {
		return this.#visible(shadow, query.namespace)
			.filter(({ layer }) => layer === "short_term")
			.sort((a, b) => rising(a.position, b.position) || rising(a.versionId, b.versionId))
			.slice(0, query.limit)
			.map(({ memoryKey, position, expiresBlock }) => ({ memoryKey, position, expiresBlock }));
	}

	async vectors(
		{ shadowId, chainId }: Shadow,
		versionIds: readonly VersionId[],
	): Promise<ReadonlyMap<VersionId, Float32Array>> {
		const wanted = new Set(versionIds);
		// The shadow's come last, and count.
		const rows = [
			...(this.#database.find(chainId)?.vectorRows.all() ?? []),
			...shadowRowsOf(this.#database, shadowId),
		];
		return new Map(
			rows.flatMap(({ versionId, vector }) =>
				vector === undefined || !wanted.has(versionId)
					? []
					: [[versionId, Float32Array.from(vector)] as const],
			),
		);
	}

	async believedOtherwise(
		{ shadowId, chainId, height }: Shadow,
		query: Parameters<RestoredStates["believedOtherwise"]>[1],
	): Promise<readonly Version[]> {
		const { at, after, expiringTo, expiringTime } = query;
		const rows = this.#database.find(chainId)?.versions.allPresent() ?? [];
		const ends = ({ expiresBlock, expiresTime }: Version) =>
			(expiresBlock !== undefined && expiresBlock > height && expiresBlock <= expiringTo) ||
			(expiresTime !== undefined && expiresTime <= expiringTime);
		const differs = (row: Version) => {
			const other = this.#database.shadowVersions.get(shadowRowKey(shadowId, row.memoryKey));
			if (other?.content === undefined || !other.kept) return true;
			return other.contentHash !== row.contentHash;
		};
		return rows
			.filter((row) => row.content !== undefined && row.fromBlock <= at && row.toBlock > at)
			.filter((row) => differs(row) || ends(row))
			.filter(({ memoryKey }) => after === undefined || memoryKey > after)
			.sort((a, b) => byText(a.memoryKey, b.memoryKey))
			.slice(0, query.limit);
	}

	async unembedded(
		{ shadowId, chainId, height }: Shadow,
		query: Parameters<RestoredStates["unembedded"]>[1],
	): Promise<readonly ShadowRow[]> {
		const { anew, after, limit } = query;
		const known = this.#database.find(chainId)?.vectorRows;
		const lacks = ({ collection, vector, vectorHash, versionId }: ShadowVersionRow) => {
			if (collection === undefined || vector !== undefined || vectorHash !== undefined)
				return false;
			return anew || known?.get(vectorKey({ collection, versionId })) === undefined;
		};
		return shadowRowsOf(this.#database, shadowId)
			.filter((row) => row.text !== undefined && row.content !== undefined && lacks(row))
			.filter((row) => isOpenAt(row, height))
			.filter(({ memoryKey }) => after === undefined || memoryKey > after)
			.slice(0, limit)
			.map(shadowRowOf);
	}

	async giveVectors(
		{ shadowId }: Shadow,
		vectors: ReadonlyMap<MemoryKey, Float32Array>,
	): Promise<void> {
		this.#database.transaction(() => {
			for (const [key, vector] of vectors) {
				const copy = Float32Array.from(vector);
				this.#database.shadowVersions.update(shadowRowKey(shadowId, key), { vector: copy });
			}
		});
	}

	#visible({ shadowId, height }: Shadow, namespace: string): ShadowVersionRow[] {
		return shadowRowsOf(this.#database, shadowId).filter(
			(row) => row.namespace === namespace && row.content !== undefined && isOpenAt(row, height),
		);
	}

	/** Rows that are, at the shadow's height, what it says, and that nothing has been written over. */
	#markStanding({ shadowId, chainId }: Shadow): void {
		const tables = this.#database.find(chainId);
		for (const row of shadowRowsOf(this.#database, shadowId)) {
			const standing = tables?.versions
				.present(row.memoryKey)
				.find((each) => each.toBlock === (row.expiresBlock ?? FOREVER) && isSame(each, row));
			if (standing === undefined) continue;
			this.#database.shadowVersions.put({ ...row, kept: true, fromGen: standing.fromGen });
		}
	}

	/** Tombstones that hold at the height, of memories that the shadow has no row of that is there. */
	#takeTombstones({ shadowId, chainId, height }: Shadow, fromGen: Generation): void {
		for (const version of tombstonesAt(this.#database.find(chainId), height)) {
			const key = shadowRowKey(shadowId, version.memoryKey);
			const before = this.#database.shadowVersions.get(key);
			if (before !== undefined && isOpenAt(before, height)) continue;
			const { toBlock, toGen: _toGen, ...row } = version;
			if (toBlock !== FOREVER) {
				// Written over above the height: it holds again, as a row of its own.
				putShadowRows(this.#database, shadowId, [{ ...row, fromGen, vector: undefined }]);
			} else if (before === undefined) {
				this.#database.shadowVersions.put({ ...row, shadowId, kept: true, vector: undefined });
			}
		}
	}
}

function tombstonesAt(tables: ChainTables | undefined, height: Height): readonly Version[] {
	return (tables?.versions.allPresent() ?? []).filter(
		(row) => row.content === undefined && row.fromBlock <= height && row.toBlock > height,
	);
}

function isSame(row: Version, other: ShadowRow): boolean {
	return (
		COMPARED.every((name) => row[name] === other[name]) &&
		JSON.stringify(row.content) === JSON.stringify(other.content)
	);
}
