/** Leaves of a chain's state tree at any sealed coordinate, read from rows and packed by the server. */
import type { Coordinate } from "../../domain/coordinate.ts";
import type { PackedLeaves } from "../../writer/writer-store.ts";
import { layerOf } from "../codec.ts";
import type { Tx } from "../sql.ts";

/**
 * Memories of one page: what is made of one takes some 20 ms, in which nothing else runs, and a
 * hundred of them are a million memories.
 */
const PAGE_ROWS = 10_000;
const FIRST_KEY = "00000000-0000-0000-0000-000000000000";

interface PageRow {
	readonly layer: number;
	readonly packed: Uint8Array;
	readonly count: bigint;
	readonly last: string;
}

/** By rising key, for each page one answer a layer. */
export async function* leavesAt(tx: Tx, at: Coordinate): AsyncGenerator<PackedLeaves> {
	let from: { readonly key: string; readonly inclusive: boolean } | undefined = {
		key: FIRST_KEY,
		inclusive: true,
	};
	while (from !== undefined) {
		const rows = await page(tx, at, from);
		for (const row of rows) yield { layer: layerOf(row.layer), bytes: row.packed };
		const count = rows.reduce((sum, row) => sum + row.count, 0n);
		const last = rows.reduce((most, row) => (row.last > most ? row.last : most), FIRST_KEY);
		from = count < BigInt(PAGE_ROWS) ? undefined : { key: last, inclusive: false };
	}
}

/** Of one memory at most one version is visible at a coordinate. */
function page(
	tx: Tx,
	{ chainId, height, generation }: Coordinate,
	from: { readonly key: string; readonly inclusive: boolean },
) {
	return tx<PageRow[]>`
		select layer, string_agg(uuid_send(memory_key) || content_hash, ''::bytea) as packed,
			count(*) as count, max(memory_key::text) as last
		from (
			select layer, memory_key, content_hash from versions
			where chain_id = ${chainId}
				and (memory_key > ${from.key}::uuid
					or (${from.inclusive} and memory_key = ${from.key}::uuid))
				and from_block <= ${height} and to_block > ${height}
				and from_gen <= ${generation} and to_gen > ${generation}
				and content is not null
			order by memory_key limit ${PAGE_ROWS}
		) visible
		group by layer`;
}
