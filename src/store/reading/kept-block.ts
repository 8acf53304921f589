import type { BlockHeader } from "../../domain/block.ts";
import { type ChainId, FOREVER, type Height, type Hex } from "../../domain/ids.ts";
import type { Queryable } from "../sql.ts";

/** Header of a block of the present generation, also below the window; undefined: it is not kept. */
export async function keptBlock(
	sql: Queryable,
	chainId: ChainId,
	height: Height,
): Promise<BlockHeader | undefined> {
	const [row] = await sql<{ hash: Hex; parent_hash: Hex; timestamp: bigint }[]>`
		select hash, parent_hash, timestamp from blocks where chain_id = ${chainId}
			and height = ${height} and to_gen = ${FOREVER}`;
	if (row === undefined) return undefined;
	const { hash, parent_hash: parentHash, timestamp } = row;
	return { number: height, hash, parentHash, timestamp };
}
