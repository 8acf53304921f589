/** Leaves of a chain's state tree, read from rows in pages and packed by the server. */
import { type ChainId, FOREVER } from "../../domain/ids.ts";
import type { PackedLeaves } from "../../writer/writer-store.ts";
import { layerOf } from "../codec.ts";
import type { Database } from "../database.ts";

/** Rows of one page: an answer of 5 MB, and 20 of them for a million memories. */
const PAGE_ROWS = 50_000;

/**
 * What the pending slot holds, with what is still to end in it. Pages are read one after the other:
 * only the lease holder changes these rows, and it is the one who asks.
 */
export async function* leafPages(
	database: Database,
	chainId: ChainId,
): AsyncGenerator<PackedLeaves> {
	let after: string | undefined;
	do {
		const rows = await page(database, chainId, after);
		for (const row of rows) yield { layer: layerOf(row.layer), bytes: row.packed };
		const count = rows.reduce((sum, row) => sum + row.count, 0n);
		const last = rows
			.map((row) => row.last)
			.sort()
			.at(-1);
		after = count < BigInt(PAGE_ROWS) ? undefined : last;
	} while (after !== undefined);
}

function page(database: Database, chainId: ChainId, after: string | undefined) {
	return database.run(
		(sql) => sql<{ layer: number; packed: Uint8Array; count: bigint; last: string }[]>`
			select layer, string_agg(uuid_send(memory_key) || content_hash, ''::bytea) as packed,
				count(*) as count, max(memory_key::text) as last
			from (
				select v.layer, v.memory_key, v.content_hash
				from versions v, chains c
				where c.chain_id = ${chainId} and v.chain_id = ${chainId}
					${after === undefined ? sql`` : sql`and v.memory_key > ${after}::uuid`}
					and v.to_gen = ${FOREVER} and v.content is not null
					and v.from_block <= coalesce(c.head_height + 1, c.start_block)
					and (v.to_block > coalesce(c.head_height + 1, c.start_block)
						or (v.to_block = coalesce(c.head_height + 1, c.start_block)
							and v.expires_block = v.to_block
							and not exists (select 1 from versions later where later.chain_id = v.chain_id
								and later.memory_key = v.memory_key and later.from_block = v.to_block
								and later.to_gen = ${FOREVER})))
				order by v.memory_key limit ${PAGE_ROWS}
			) found
			group by layer`,
	);
}
