import { RetryableError } from "../../../src/domain/errors.ts";
import type { Height, MemoryKey } from "../../../src/domain/ids.ts";
import type {
	LayerKey,
	Shadow,
	ShadowRow,
	ShadowStore,
} from "../../../src/restore/shadow-store.ts";
import { type FakeDatabase, type ShadowVersionRow, shadowRowKey } from "./fake-database.ts";
import { frozen, storedVersion } from "./frozen.ts";
import { shadowRowsOf } from "./merge-shadow.ts";
import { dropShadowsOf } from "./rollback-rows.ts";

export class FakeShadowStore implements ShadowStore {
	readonly #database: FakeDatabase;

	constructor(database: FakeDatabase) {
		this.#database = database;
	}

	async begin({ shadowId, chainId, purpose, ownerId, height }: Shadow): Promise<void> {
		this.#database.transaction(() => {
			dropShadowsOf(this.#database, ownerId);
			const createdMs = this.#database.now();
			this.#database.shadows.insert({ shadowId, chainId, purpose, ownerId, height, createdMs });
		});
	}

	async put(shadowId: string, rows: readonly ShadowRow[]): Promise<void> {
		this.#database.transaction(() => putShadowRows(this.#database, shadowId, rows));
	}

	async remove(shadowId: string, keys: readonly LayerKey[]): Promise<void> {
		this.#database.transaction(() => {
			for (const { layer, memoryKey } of keys) {
				const key = shadowRowKey(shadowId, memoryKey);
				const row = this.#database.shadowVersions.get(key);
				if (row?.layer === layer) this.#database.shadowVersions.delete(key);
			}
		});
	}

	async rows(
		shadowId: string,
		keys: readonly MemoryKey[],
	): Promise<ReadonlyMap<MemoryKey, ShadowRow>> {
		return new Map(
			keys.flatMap((key) => {
				const row = this.#database.shadowVersions.get(shadowRowKey(shadowId, key));
				return row === undefined ? [] : [[key, shadowRowOf(row)] as const];
			}),
		);
	}

	async expiring(
		shadowId: string,
		{ above, to, time }: { readonly above: Height; readonly to: Height; readonly time: bigint },
	): Promise<readonly MemoryKey[]> {
		const ends = ({ expiresBlock, expiresTime }: ShadowRow) =>
			(expiresTime !== undefined && expiresTime <= time) ||
			(expiresBlock !== undefined && expiresBlock > above && expiresBlock <= to);
		return shadowRowsOf(this.#database, shadowId)
			.filter((row) => row.content !== undefined && ends(row))
			.map((row) => row.memoryKey);
	}

	async page(
		shadowId: string,
		{ after, limit }: { readonly after: MemoryKey | undefined; readonly limit: number },
	): Promise<readonly ShadowRow[]> {
		return shadowRowsOf(this.#database, shadowId)
			.filter(({ memoryKey }) => after === undefined || memoryKey > after)
			.slice(0, limit)
			.map(shadowRowOf);
	}

	async drop(shadowId: string): Promise<void> {
		this.#database.transaction(() => {
			this.#database.shadows.delete(shadowId);
			this.#database.shadowVersions.deleteWhere((row) => row.shadowId === shadowId);
		});
	}
}

/** Throws `RetryableError("rollback_fenced")` when the shadow was deleted meanwhile. */
export function putShadowRows(
	database: FakeDatabase,
	shadowId: string,
	rows: readonly ShadowRow[],
): void {
	if (rows.length === 0) return;
	if (database.shadows.get(shadowId) === undefined) throw overtaken(shadowId);
	for (const row of rows) database.shadowVersions.put(storedRow(shadowId, row));
}

function storedRow(shadowId: string, row: ShadowRow): ShadowVersionRow {
	const { vector, ...body } = row;
	const {
		toBlock: _toBlock,
		toGen: _toGen,
		...stored
	} = storedVersion({
		...body,
		toBlock: 0n,
		toGen: 0n,
	});
	return { ...stored, shadowId, kept: false, vector: vector && Float32Array.from(vector) };
}

export function shadowRowOf({ shadowId: _id, kept: _kept, ...row }: ShadowVersionRow): ShadowRow {
	return frozen({ ...row, vector: row.vector && Float32Array.from(row.vector) });
}

function overtaken(shadowId: string): RetryableError {
	return new RetryableError("rollback_fenced", {
		message: `shadow ${shadowId} is gone: another attempt has taken over`,
		hint: "nothing of this attempt counts",
		fields: { shadowId },
	});
}
