/**
 * Brings the rows of a chain to a restored state, inside the transaction of the rollback's commit. What
 * stands as the shadow has it stays; what is above the ancestor, or differs, ends with the generation;
 * what is missing begins with the next. Rows that had ended at the ancestor's height are left alone, but
 * for those that overlap a row which begins.
 *
 * Set-based: the server's work grows with the state, Node's memory does not.
 */
import { RetryableError } from "../../domain/errors.ts";
import { type ChainId, FOREVER, type Generation, type MemoryKey } from "../../domain/ids.ts";
import type { Shadow } from "../../restore/shadow-store.ts";
import type { CommitBatch } from "../../writer/commit-batch.ts";
import { bytesVector, layerNumber, layerOf } from "../codec.ts";
import { pgArray } from "../pg-array.ts";
import { vectorChecksum } from "../row-checksum.ts";
import { beginRowsEpoch } from "../rows-epoch.ts";
import type { Tx } from "../sql.ts";
import { SHARED_COLUMNS } from "./shadow-rows.ts";

/** Vectors that are carried over at a time: 8 MB of the largest. */
const VECTOR_ROWS = 500;

/**
 * Throws `RetryableError("lease_lost")` and changes nothing when fence, generation or log position are no
 * longer those that the batch was made against.
 */
export async function mergeShadow(
	tx: Tx,
	{ shadowId, height }: Pick<Shadow, "shadowId" | "height">,
	{ chainId, generation, basePosition }: CommitBatch,
	expected: { readonly fence: bigint; readonly generation: Generation },
): Promise<void> {
	const [held] = await tx`
		select 1 from chains where chain_id = ${chainId} and fence = ${expected.fence}
			and generation = ${expected.generation} and log_position = ${basePosition} for update`;
	if (held === undefined) throw late(chainId);
	await tx`
		update versions set to_gen = ${generation}
		where chain_id = ${chainId} and layer in (0, 1, 2, 3) and from_block > ${height}
			and to_gen = ${FOREVER}`;
	await tx`
		update versions v set to_gen = ${generation}
		where v.chain_id = ${chainId} and v.from_block <= ${height} and v.to_block > ${height}
			and v.to_gen = ${FOREVER}
			and not exists (select 1 from shadow_versions s where s.shadow_id = ${shadowId} and s.kept
				and s.memory_key = v.memory_key and s.from_block = v.from_block
				and s.from_gen = v.from_gen)`;
	// Cut short by damage, it ended below the height, and would lie beside what takes its place.
	await tx`
		update versions v set to_gen = ${generation}
		from shadow_versions s
		where s.shadow_id = ${shadowId} and not s.kept
			and (s.expires_block is null or s.expires_block > ${height})
			and v.chain_id = ${chainId} and v.memory_key = s.memory_key
			and v.from_block <= ${height} and v.to_block > s.from_block and v.to_gen = ${FOREVER}`;
	await insertShadowRows(tx, { shadowId, height, chainId });
	await carryVectors(tx, shadowId, chainId);
}

/** Rows of the shadow that do not stand yet and are there at its height, tombstones too, with names. */
export async function insertShadowRows(
	tx: Tx,
	{ shadowId, height, chainId }: Pick<Shadow, "shadowId" | "height" | "chainId">,
): Promise<void> {
	await tx.unsafe(
		`insert into versions (chain_id, to_block, to_gen, ${SHARED_COLUMNS})
			select $1::bigint, coalesce(expires_block, ${FOREVER}), ${FOREVER}, ${SHARED_COLUMNS}
			from shadow_versions where shadow_id = $2::uuid and not kept
				and (expires_block is null or expires_block > $3::bigint)`,
		[chainId.toString(), shadowId, height.toString()],
	);
	await tx`
		insert into memories (chain_id, namespace, layer, id, memory_key)
		select ${chainId}, namespace, layer, id, memory_key from shadow_versions
		where shadow_id = ${shadowId} and not kept and content is not null
		on conflict do nothing`;
}

/** Vectors that are not there, or are others than the restored ones. */
export async function carryVectors(tx: Tx, shadowId: string, chainId: ChainId): Promise<void> {
	let after: MemoryKey | null = null;
	for (let pages = 0; ; pages += 1) {
		const rows: readonly MissingVector[] = await tx<MissingVector[]>`
			select s.collection, s.version_id, s.memory_key, s.namespace, s.layer, s.from_block, s.vector
			from shadow_versions s
			left join vector_rows r on r.chain_id = ${chainId} and r.collection = s.collection
				and r.version_id = s.version_id
			where s.shadow_id = ${shadowId} and s.vector is not null and s.collection is not null
				and s.content is not null and (r.version_id is null or r.vector <> s.vector)
				and (${after}::uuid is null or s.memory_key > ${after}::uuid)
			order by s.memory_key limit ${VECTOR_ROWS}`;
		if (rows.length > 0) await putVectors(tx, chainId, rows);
		if (rows.length > 0 && pages === 0) await beginRowsEpoch(tx, chainId);
		const last = rows.at(-1);
		if (last === undefined || rows.length < VECTOR_ROWS) return;
		after = last.memory_key;
	}
}

interface MissingVector {
	readonly collection: string;
	readonly version_id: bigint;
	readonly memory_key: MemoryKey;
	readonly namespace: string;
	readonly layer: number;
	readonly from_block: bigint;
	readonly vector: Uint8Array;
}

async function putVectors(tx: Tx, chainId: ChainId, rows: readonly MissingVector[]): Promise<void> {
	const checksums = rows.map((row) =>
		vectorChecksum({
			collection: row.collection,
			versionId: row.version_id,
			memoryKey: row.memory_key,
			namespace: row.namespace,
			layer: layerOf(row.layer),
			fromBlock: row.from_block,
			vector: bytesVector(row.vector),
		}),
	);
	await tx`
		insert into vector_rows (chain_id, collection, version_id, memory_key, namespace, layer,
			from_block, vector, checksum)
		select ${chainId}, r.* from unnest(
			${pgArray(rows.map((row) => row.collection))}::text[],
			${pgArray(rows.map((row) => row.version_id))}::bigint[],
			${pgArray(rows.map((row) => row.memory_key))}::uuid[],
			${pgArray(rows.map((row) => row.namespace))}::text[],
			${pgArray(rows.map((row) => layerNumber(layerOf(row.layer))))}::smallint[],
			${pgArray(rows.map((row) => row.from_block))}::bigint[],
			${pgArray(rows.map((row) => row.vector))}::bytea[],
			${pgArray(checksums)}::bytea[]) as r
		on conflict (chain_id, collection, version_id) do update set
			memory_key = excluded.memory_key, namespace = excluded.namespace, layer = excluded.layer,
			from_block = excluded.from_block, vector = excluded.vector, checksum = excluded.checksum`;
}

function late(chainId: ChainId): RetryableError {
	return new RetryableError("lease_lost", {
		message: `the restored state of chain ${chainId} came too late`,
		hint: "another process holds the chain, or changed it; this one reads its state again",
		fields: { chainId },
	});
}
