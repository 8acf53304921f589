/** What a check compares the chain's own numbers with: the largest that stand in rows, and counts. */
import type { StoredChain, Watermarks } from "../../consistency/stored-state.ts";
import { FOREVER } from "../../domain/ids.ts";
import type { Layer } from "../../domain/layer.ts";
import { layerNumber } from "../codec.ts";
import type { Tx } from "../sql.ts";

export async function watermarksOf(tx: Tx, chain: StoredChain): Promise<Watermarks> {
	const { chainId, head, startBlock } = chain;
	const recent = head ?? startBlock;
	const [row] = await tx<Record<keyof Watermarks, bigint | null>[]>`
		with recent as (select version_id, from_block, from_gen from versions
			where chain_id = ${chainId} and layer in (0, 1, 2, 3) and from_block >= ${recent})
		select
			(select max(position) from log where chain_id = ${chainId}) as "logPosition",
			greatest((select max(version_id) from recent), (select max(top) from collections c
				cross join lateral (select max(version_id) as top from vector_rows v
					where v.chain_id = ${chainId} and v.collection = c.name) tops
				where c.chain_id = ${chainId})) as "versionId",
			(select max(from_gen) from recent) as "versionGeneration",
			(select max(from_block) from recent) as slot,
			(select max(height) from blocks where chain_id = ${chainId} and to_gen = ${FOREVER}) as block,
			(select max(height) from checkpoints where chain_id = ${chainId}
				and to_gen = ${FOREVER}) as checkpoint,
			(select max(generation) from generations where chain_id = ${chainId}) as generation`;
	return {
		logPosition: row?.logPosition ?? undefined,
		versionId: row?.versionId ?? undefined,
		versionGeneration: row?.versionGeneration ?? undefined,
		slot: row?.slot ?? undefined,
		block: row?.block ?? undefined,
		checkpoint: row?.checkpoint ?? undefined,
		generation: row?.generation ?? undefined,
	};
}

export async function visibleCountsOf(
	tx: Tx,
	chain: StoredChain,
): Promise<Readonly<Record<Layer, number>>> {
	const slot = (chain.head ?? chain.startBlock - 1n) + 1n;
	const rows = await tx<{ layer: number; memories: bigint }[]>`
		select layer, count(distinct memory_key) as memories from versions v
		where chain_id = ${chain.chainId} and to_gen = ${FOREVER} and content is not null
			and from_block <= ${slot}
			and (to_block > ${slot} or (to_block = ${slot} and expires_block = to_block
				and not exists (select 1 from versions later where later.chain_id = v.chain_id
					and later.memory_key = v.memory_key and later.from_block = v.to_block
					and later.to_gen = ${FOREVER})))
		group by layer`;
	const counts = new Map(rows.map((row) => [row.layer, Number(row.memories)]));
	const countOf = (layer: Layer) => counts.get(layerNumber(layer)) ?? 0;
	return {
		short_term: countOf("short_term"),
		long_term: countOf("long_term"),
		episodic: countOf("episodic"),
		semantic: countOf("semantic"),
	};
}
