import type { Height, MemoryKey } from "../../domain/ids.ts";
import type { LayerKey, Shadow, ShadowRow, ShadowStore } from "../../restore/shadow-store.ts";
import { layerNumber } from "../codec.ts";
import type { Database } from "../database.ts";
import { pgArray } from "../pg-array.ts";
import type { Queryable } from "../sql.ts";
import { byMemoryKey, putShadowRows, type StoredShadowRow, shadowRowOf } from "./shadow-rows.ts";

export class PostgresShadowStore implements ShadowStore {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async begin({ shadowId, chainId, purpose, ownerId, height }: Shadow): Promise<void> {
		await this.#database.transaction(async (tx) => {
			await dropShadowsOf(tx, ownerId);
			await tx`insert into shadows (shadow_id, chain_id, purpose, owner_id, height)
				values (${shadowId}, ${chainId}, ${purpose}, ${ownerId}, ${height})`;
		});
	}

	async put(shadowId: string, rows: readonly ShadowRow[]): Promise<void> {
		await this.#database.run((sql) => putShadowRows(sql, shadowId, rows));
	}

	async remove(shadowId: string, keys: readonly LayerKey[]): Promise<void> {
		await this.#database.run(
			(sql) => sql`
				delete from shadow_versions s using unnest(
					${pgArray(keys.map(({ memoryKey }) => memoryKey))}::uuid[],
					${pgArray(keys.map(({ layer }) => layerNumber(layer)))}::smallint[]
				) as gone(memory_key, layer)
				where s.shadow_id = ${shadowId} and s.memory_key = gone.memory_key
					and s.layer = gone.layer`,
		);
	}

	async rows(
		shadowId: string,
		keys: readonly MemoryKey[],
	): Promise<ReadonlyMap<MemoryKey, ShadowRow>> {
		if (keys.length === 0) return new Map();
		const rows = await this.#database.run(
			(sql) => sql<StoredShadowRow[]>`
				select s.* from unnest(${pgArray(keys)}::uuid[]) as wanted(memory_key)
				join shadow_versions s on s.shadow_id = ${shadowId}
					and s.memory_key = wanted.memory_key`,
		);
		return byMemoryKey(rows.map(shadowRowOf));
	}

	async expiring(
		shadowId: string,
		{ above, to, time }: { readonly above: Height; readonly to: Height; readonly time: bigint },
	): Promise<readonly MemoryKey[]> {
		const rows = await this.#database.run(
			(sql) => sql<{ memory_key: MemoryKey }[]>`
				select memory_key from shadow_versions where shadow_id = ${shadowId}
					and (expires_time <= ${time} or (expires_block > ${above} and expires_block <= ${to}))
					and content is not null`,
		);
		return rows.map((row) => row.memory_key);
	}

	async page(
		shadowId: string,
		{ after, limit }: { readonly after: MemoryKey | undefined; readonly limit: number },
	): Promise<readonly ShadowRow[]> {
		const rows = await this.#database.run(
			(sql) => sql<StoredShadowRow[]>`
				select * from shadow_versions where shadow_id = ${shadowId}
					and (${after ?? null}::uuid is null or memory_key > ${after ?? null}::uuid)
				order by memory_key limit ${limit}`,
		);
		return rows.map(shadowRowOf);
	}

	async drop(shadowId: string): Promise<void> {
		await this.#database.transaction(async (tx) => {
			await tx`delete from shadows where shadow_id = ${shadowId}`;
			await tx`delete from shadow_versions where shadow_id = ${shadowId}`;
		});
	}
}

/**
 * Deletes what a rollback, an import or a run had built, whichever of its attempts did. The shadow goes
 * first: whoever still writes to it is refused from then on, and has ended before.
 */
export async function dropShadowsOf(sql: Queryable, ownerId: string): Promise<void> {
	const gone = await sql<{ shadow_id: string }[]>`
		delete from shadows where owner_id = ${ownerId} returning shadow_id`;
	for (const { shadow_id: shadowId } of gone) {
		await sql`delete from shadow_versions where shadow_id = ${shadowId}`;
	}
}
