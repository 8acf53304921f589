import { RecantError } from "../../domain/errors.ts";
import {
	type ChainId,
	FOREVER,
	type Generation,
	type Height,
	type Hex,
	type MemoryKey,
	type VersionId,
} from "../../domain/ids.ts";
import type { Layer } from "../../domain/layer.ts";
import type { Version } from "../../domain/memory.ts";
import { type Shadow, type ShadowRow, shadowVersion } from "../../restore/shadow-store.ts";
import type { RestoredStates, UsableSnapshot } from "../../rollback/restored-states.ts";
import type { WrittenMemory } from "../../writer/writer-store.ts";
import {
	bytesVector,
	layerNumber,
	toJson,
	type VersionRow,
	vectorBytes,
	versionOf,
} from "../codec.ts";
import type { Database } from "../database.ts";
import { pgArray } from "../pg-array.ts";
import type { Tx } from "../sql.ts";
import { byMemory } from "../writing/postgres-writer-store.ts";
import { putShadowRows, SHARED_COLUMNS, type StoredShadowRow, shadowRowOf } from "./shadow-rows.ts";

/** Columns that make a row what it is; two rows with the same of all of them say the same. */
const COMPARED = SHARED_COLUMNS.split(", ").filter(
	(name) => !["memory_key", "from_gen", "checksum"].includes(name),
);
/** Reopened tombstones of one write. */
const TOMBSTONES = 2_000;

export class PostgresRestoredStates implements RestoredStates {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async snapshots(chainId: ChainId, height: Height): Promise<readonly UsableSnapshot[]> {
		const rows = await this.#database.run(
			(sql) => sql<
				{ snapshot_id: string; manifest_hash: Hex; height: bigint; log_position: bigint }[]
			>`select s.snapshot_id, s.manifest_hash, s.height, s.log_position
				from snapshots s join chains c on c.chain_id = s.chain_id
				where s.chain_id = ${chainId} and s.state = 'verified' and s.manifest_hash is not null
					and s.height <= ${height}
					-- Of this log: made here, after the state was imported if it was, or that very import.
					and ((s.cause <> 'import' and (c.retained_from = 0 or exists (
							select 1 from blocks b where b.chain_id = s.chain_id and b.height = s.height
								and b.hash = s.block_hash and b.to_gen = ${FOREVER}
								and b.from_gen <= s.generation)))
						or (s.height = c.retained_from and s.log_position = c.log_cut_to))
				order by s.height desc, s.log_position desc, s.created_at desc`,
		);
		return rows.map((row) => ({
			snapshotId: row.snapshot_id,
			manifest: row.manifest_hash,
			height: row.height,
			logPosition: row.log_position,
		}));
	}

	async snapshotDamaged(
		snapshotId: string,
		{ code, message }: { readonly code: string; readonly message: string },
	): Promise<void> {
		await this.#database.run(
			(sql) => sql`
				update snapshots set state = 'damaged', error = ${toJson({ code, message })}::text::jsonb
				where snapshot_id = ${snapshotId}`,
		);
	}

	async settle(shadow: Shadow, fromGen: Generation): Promise<void> {
		await this.#database.transaction(async (tx) => {
			await markStanding(tx, shadow);
			await takeTombstones(tx, shadow, fromGen);
		});
	}

	async latestVersions({ shadowId, chainId, height }: Shadow, keys: readonly MemoryKey[]) {
		if (keys.length === 0) return new Map<MemoryKey, Version[]>();
		const rows = await this.#database.run(
			(sql) => sql<StoredShadowRow[]>`
				select * from shadow_versions
				where shadow_id = ${shadowId} and memory_key = any(${pgArray(keys)}::uuid[])`,
		);
		const found = new Map(rows.map((row) => [row.memory_key as MemoryKey, versionFrom(row)]));
		const others = keys.filter((key) => !found.has(key));
		return new Map([...found, ...(await this.#ended(chainId, height, others))]);
	}

	async population(
		{ shadowId, height }: Shadow,
		query: {
			readonly namespace: string;
			readonly layers: readonly Layer[];
			readonly limit: number;
		},
	): Promise<readonly MemoryKey[]> {
		const rows = await this.#database.run(
			(sql) => sql<{ memory_key: MemoryKey }[]>`
				select memory_key from shadow_versions
				where shadow_id = ${shadowId} and namespace = ${query.namespace}
					and layer = any(${pgArray(query.layers.map(layerNumber))}::smallint[])
					and content is not null and (expires_block is null or expires_block > ${height})
				order by position desc, version_id desc limit ${query.limit}`,
		);
		return rows.map((row) => row.memory_key);
	}

	async writingOrder(
		{ shadowId, height }: Shadow,
		query: { readonly namespace: string; readonly limit: number },
	): Promise<readonly WrittenMemory[]> {
		const rows = await this.#database.run(
			(sql) => sql<{ memory_key: MemoryKey; position: bigint; expires_block: bigint | null }[]>`
				select memory_key, position, expires_block from shadow_versions
				where shadow_id = ${shadowId} and namespace = ${query.namespace}
					and layer = ${layerNumber("short_term")} and content is not null
					and (expires_block is null or expires_block > ${height})
				order by position, version_id limit ${query.limit}`,
		);
		return rows.map((row) => ({
			memoryKey: row.memory_key,
			position: row.position,
			expiresBlock: row.expires_block ?? undefined,
		}));
	}

	async vectors({ shadowId, chainId }: Shadow, versionIds: readonly VersionId[]) {
		if (versionIds.length === 0) return new Map<VersionId, Float32Array>();
		const ids = pgArray(versionIds);
		const rows = await this.#database.run(
			(sql) => sql<{ version_id: bigint; vector: Uint8Array }[]>`
				select version_id, vector, false as is_own from vector_rows
				where chain_id = ${chainId} and version_id = any(${ids}::bigint[])
				union all
				select version_id, vector, true from shadow_versions
				where shadow_id = ${shadowId} and version_id = any(${ids}::bigint[])
					and vector is not null
				order by is_own`,
		);
		// The shadow's come last, and count.
		return new Map(rows.map((row) => [row.version_id, bytesVector(row.vector)]));
	}

	async believedOtherwise(
		{ shadowId, chainId, height }: Shadow,
		query: {
			readonly at: Height;
			readonly expiringTo: Height;
			readonly expiringTime: bigint;
			readonly after: MemoryKey | undefined;
			readonly limit: number;
		},
	): Promise<readonly Version[]> {
		const after = query.after ?? null;
		const rows = await this.#database.run(
			(sql) => sql<VersionRow[]>`
				select v.* from versions v
				left join shadow_versions s on s.shadow_id = ${shadowId} and s.memory_key = v.memory_key
				where v.chain_id = ${chainId} and v.to_gen = ${FOREVER} and v.content is not null
					and v.from_block <= ${query.at} and v.to_block > ${query.at}
					and (s.memory_key is null or s.content is null or s.content_hash <> v.content_hash
						or not s.kept or (v.expires_block > ${height} and v.expires_block <= ${query.expiringTo})
						or v.expires_time <= ${query.expiringTime})
					and (${after}::uuid is null or v.memory_key > ${after}::uuid)
				order by v.memory_key limit ${query.limit}`,
		);
		return rows.map(believed);
	}

	async unembedded(
		{ shadowId, chainId, height }: Shadow,
		query: {
			readonly anew: boolean;
			readonly after: MemoryKey | undefined;
			readonly limit: number;
		},
	): Promise<readonly ShadowRow[]> {
		const after = query.after ?? null;
		const rows = await this.#database.run(
			(sql) => sql<StoredShadowRow[]>`
				select s.* from shadow_versions s
				where s.shadow_id = ${shadowId} and s.collection is not null and s.text is not null
					and s.content is not null and s.vector is null and s.vector_hash is null
					and (s.expires_block is null or s.expires_block > ${height})
					and (${query.anew} or not exists (select 1 from vector_rows r
						where r.chain_id = ${chainId} and r.collection = s.collection
							and r.version_id = s.version_id))
					and (${after}::uuid is null or s.memory_key > ${after}::uuid)
				order by s.memory_key limit ${query.limit}`,
		);
		return rows.map(shadowRowOf);
	}

	async giveVectors(
		{ shadowId }: Shadow,
		vectors: ReadonlyMap<MemoryKey, Float32Array>,
	): Promise<void> {
		if (vectors.size === 0) return;
		await this.#database.run(
			(sql) => sql`
				update shadow_versions s set vector = r.vector
				from unnest(${pgArray([...vectors.keys()])}::uuid[],
					${pgArray([...vectors.values()].map(vectorBytes))}::bytea[]) as r(memory_key, vector)
				where s.shadow_id = ${shadowId} and s.memory_key = r.memory_key`,
		);
	}

	/** The newest row of each that had ended by itself at the height. */
	async #ended(chainId: ChainId, height: Height, keys: readonly MemoryKey[]) {
		if (keys.length === 0) return new Map<MemoryKey, Version[]>();
		const rows = await this.#database.run(
			(sql) => sql<VersionRow[]>`
				select v.* from unnest(${pgArray(keys)}::uuid[]) as wanted(memory_key)
				cross join lateral (
					select * from versions where chain_id = ${chainId}
						and memory_key = wanted.memory_key and to_gen = ${FOREVER}
						and from_block <= ${height}
					order by from_block desc limit 1
				) v
				where v.to_block <= ${height}`,
		);
		return byMemory(rows);
	}
}

/** Rows that are, at the shadow's height, what it says, and that nothing has been written over. */
async function markStanding(tx: Tx, { shadowId, chainId }: Shadow): Promise<void> {
	const same = COMPARED.map((name) => `v.${name} is not distinct from s.${name}`).join(" and ");
	await tx.unsafe(
		`update shadow_versions s set kept = true, from_gen = v.from_gen, checksum = v.checksum
			from versions v
			where s.shadow_id = $1::uuid and v.chain_id = $2::bigint and v.memory_key = s.memory_key
				and v.to_gen = ${FOREVER} and v.to_block = coalesce(s.expires_block, ${FOREVER})
				and ${same}`,
		[shadowId, chainId.toString()],
	);
}

/** Tombstones that hold at the height, of memories that the shadow has no row of that is there. */
async function takeTombstones(tx: Tx, shadow: Shadow, fromGen: Generation): Promise<void> {
	const { shadowId, chainId, height } = shadow;
	const found = `from versions v where v.chain_id = $2::bigint and v.to_gen = ${FOREVER}
		and v.content is null and v.from_block <= $3::bigint and v.to_block > $3::bigint
		and not exists (select 1 from shadow_versions s where s.shadow_id = $1::uuid
			and s.memory_key = v.memory_key and (s.expires_block is null or s.expires_block > $3::bigint))`;
	const parameters = [shadowId, chainId.toString(), height.toString()];
	const open = `and v.to_block = ${FOREVER}`;
	await tx.unsafe(
		`insert into shadow_versions (shadow_id, kept, ${SHARED_COLUMNS})
			select $1::uuid, true, ${SHARED_COLUMNS} ${found} ${open}
			on conflict (shadow_id, memory_key) do nothing`,
		parameters,
	);
	// Written over above the height: they hold again, as rows of their own.
	for (;;) {
		const rows = await tx.unsafe<VersionRow[]>(
			`select v.* ${found} and v.to_block < ${FOREVER} limit ${TOMBSTONES}`,
			parameters,
		);
		const reopened = rows.map((row) => ({ ...shadowRowOf({ ...row, vector: null }), fromGen }));
		await putShadowRows(tx, shadowId, reopened);
		if (rows.length < TOMBSTONES) return;
	}
}

function versionFrom(row: StoredShadowRow): Version[] {
	return [shadowVersion(shadowRowOf(row))];
}

/** What a damaged row says cannot be told any more; that it was there can. */
function believed(row: VersionRow): Version {
	try {
		return versionOf(row);
	} catch (error) {
		if (!(error instanceof RecantError)) throw error;
		return { ...versionOf({ ...row, content: null }), content: { unreadable: row.content } };
	}
}
