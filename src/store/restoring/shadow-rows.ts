/** Rows of shadows as Postgres has them. */
import { RetryableError } from "../../domain/errors.ts";
import type { MemoryKey } from "../../domain/ids.ts";
import { canonicalJson } from "../../memory/canonical.ts";
import { type ShadowRow, shadowVersion } from "../../restore/shadow-store.ts";
import {
	bytesVector,
	hexBytes,
	layerNumber,
	ownerNumber,
	type VersionRow,
	vectorBytes,
	versionOf,
} from "../codec.ts";
import { pgArray } from "../pg-array.ts";
import { versionChecksum } from "../row-checksum.ts";
import type { Queryable } from "../sql.ts";

/** A row of `shadow_versions` as the driver gives it. */
export interface StoredShadowRow extends Omit<VersionRow, "to_block" | "to_gen"> {
	readonly vector: Uint8Array | null;
}

/** Columns that are the same in `versions` and in `shadow_versions`, in the order of `put`. */
export const SHARED_COLUMNS =
	"memory_key, from_block, from_gen, expires_block, expires_time, suspect, grounds_block, version_id, " +
	"position, layer, owner, namespace, id, content, text, collection, importance, confidence, vector_hash, content_hash, checksum";

export function shadowRowOf(row: StoredShadowRow): ShadowRow {
	const {
		toBlock: _toBlock,
		toGen: _toGen,
		...version
	} = versionOf({
		...row,
		to_block: 0n,
		to_gen: 0n,
	});
	return { ...version, vector: row.vector === null ? undefined : bytesVector(row.vector) };
}

/**
 * Adds rows, and replaces those of the same memories; none of them stands in `versions` as it is. Throws
 * `RetryableError("rollback_fenced")` when the shadow was deleted meanwhile.
 */
export async function putShadowRows(
	sql: Queryable,
	shadowId: string,
	rows: readonly ShadowRow[],
): Promise<void> {
	if (rows.length === 0) return;
	const columns: readonly (readonly [string, Parameters<typeof pgArray>[0]])[] = [
		["uuid", rows.map((row) => row.memoryKey)],
		["bigint", rows.map((row) => row.fromBlock)],
		["bigint", rows.map((row) => row.fromGen)],
		["bigint", rows.map((row) => row.expiresBlock)],
		["bigint", rows.map((row) => row.expiresTime)],
		["boolean", rows.map((row) => row.suspect)],
		["bigint", rows.map((row) => row.grounds)],
		["bigint", rows.map((row) => row.versionId)],
		["bigint", rows.map((row) => row.position)],
		["smallint", rows.map((row) => layerNumber(row.layer))],
		["smallint", rows.map((row) => ownerNumber(row.owner))],
		["text", rows.map((row) => row.namespace)],
		["text", rows.map((row) => row.id)],
		["text", rows.map((row) => row.content && canonicalJson(row.content))],
		["text", rows.map((row) => row.text)],
		["text", rows.map((row) => row.collection)],
		["double precision", rows.map((row) => row.importance)],
		["double precision", rows.map((row) => row.confidence)],
		["bytea", rows.map((row) => row.vectorHash && hexBytes(row.vectorHash))],
		["bytea", rows.map((row) => hexBytes(row.contentHash))],
		["bytea", rows.map((row) => versionChecksum(shadowVersion(row)))],
		["bytea", rows.map((row) => row.vector && vectorBytes(row.vector))],
	];
	const arrays = columns.map(([type], index) => `$${index + 2}::${type}[]`);
	const updates = [...SHARED_COLUMNS.split(", ").slice(1), "vector"];
	const { count } = await sql.unsafe(
		`with held as (select 1 from shadows where shadow_id = $1::uuid for share)
			insert into shadow_versions (shadow_id, ${SHARED_COLUMNS}, vector)
			select $1::uuid, r.* from unnest(${arrays.join(", ")}) as r
			where exists (select 1 from held)
			on conflict (shadow_id, memory_key) do update set kept = false,
				${updates.map((name) => `${name} = excluded.${name}`).join(", ")}`,
		[shadowId, ...columns.map(([, values]) => pgArray(values))],
		{ prepare: true },
	);
	if (count === 0) throw overtaken(shadowId);
}

function overtaken(shadowId: string): RetryableError {
	return new RetryableError("rollback_fenced", {
		message: `shadow ${shadowId} is gone: another attempt has taken over`,
		hint: "nothing of this attempt counts",
		fields: { shadowId },
	});
}

export function byMemoryKey(rows: readonly ShadowRow[]): Map<MemoryKey, ShadowRow> {
	return new Map(rows.map((row) => [row.memoryKey, row]));
}
