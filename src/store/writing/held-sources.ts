/** Looks up which sources hold; see WriterStore.heldSources. */
import { type ChainId, FOREVER, type Height, type Hex, type MemoryKey } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { SourceRef } from "../../domain/provenance.ts";
import { type Held, type HeldKey, heldKey, sourceKey } from "../../memory/ground.ts";
import { hexBytes } from "../codec.ts";
import { pgArray } from "../pg-array.ts";
import type { Queryable } from "../sql.ts";

/**
 * Versions of one memory that are looked through at first: what is cited was mostly said lately, and a memory
 * that every block writes has as many versions as the chain has blocks.
 */
const RECENT_VERSIONS = 1_024;

interface Wanted {
	readonly key: MemoryKey;
	readonly contentHash: Hex;
}

export async function findHeldSources(
	sql: Queryable,
	chainId: ChainId,
	{ sources, upTo }: { readonly sources: readonly SourceRef[]; readonly upTo: Height },
): Promise<ReadonlyMap<HeldKey, Held>> {
	const wanted = new Map<HeldKey, Wanted>();
	for (const source of sources) {
		const key = sourceKey(source);
		wanted.set(heldKey(key, source.contentHash), { key, contentHash: source.contentHash });
	}
	const found = new Map<HeldKey, Held>();
	await lookUp(sql, chainId, { wanted, upTo, recent: RECENT_VERSIONS }, found);
	const older = new Map([...wanted].filter(([key]) => !found.has(key)));
	if (older.size > 0) {
		await lookUp(sql, chainId, { wanted: older, upTo, recent: LIMITS.sourceVersions }, found);
	}
	return found;
}

async function lookUp(
	sql: Queryable,
	chainId: ChainId,
	query: {
		readonly wanted: ReadonlyMap<HeldKey, Wanted>;
		readonly upTo: Height;
		/** Versions of each memory that are looked through, the newest. */
		readonly recent: number;
	},
	found: Map<HeldKey, Held>,
): Promise<void> {
	const wanted = [...query.wanted.values()];
	// Each memory's versions are read once, however many of them are named.
	const rows = await sql<HeldRow[]>`
		with wanted as (
			select * from unnest(${pgArray(wanted.map(({ key }) => key))}::uuid[],
				${pgArray(wanted.map(({ contentHash }) => hexBytes(contentHash)))}::bytea[])
				with ordinality as w (memory_key, content_hash, place)
		), found as (
			select distinct on (w.place) w.place, v.from_block, v.grounds_block, v.suspect, v.position
			from (select distinct memory_key from wanted) m
			cross join lateral (
				select from_block, grounds_block, suspect, position, content_hash, content is null as gone
				from versions
				where chain_id = ${chainId} and memory_key = m.memory_key and to_gen = ${FOREVER}
					and from_block <= ${query.upTo}
				order by from_block desc limit ${query.recent}
			) v
			join wanted w on w.memory_key = m.memory_key and w.content_hash = v.content_hash
			where not v.gone
			order by w.place, v.suspect, v.from_block
		)
		select f.*, coalesce(d.depth, 0) as depth from found f
		left join lateral (
			select depth from derivations
			where chain_id = ${chainId} and position = f.position limit 1
		) d on true`;
	const keys = [...query.wanted.keys()];
	for (const row of rows) {
		const key = keys[Number(row.place) - 1];
		if (key === undefined) continue;
		found.set(key, {
			slot: row.from_block,
			grounds: row.grounds_block ?? undefined,
			suspect: row.suspect,
			depth: row.depth,
		});
	}
}

interface HeldRow {
	readonly place: bigint;
	readonly from_block: bigint;
	readonly grounds_block: bigint | null;
	readonly suspect: boolean;
	readonly depth: number;
}
