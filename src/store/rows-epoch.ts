/** What tells those who keep embedded rows in memory that others than the newest have changed. */
import type { ChainId } from "../domain/ids.ts";
import type { Tx } from "./sql.ts";

/** To be called in the transaction that changes embedded rows or their texts, or puts some below the last id. */
export async function beginRowsEpoch(tx: Tx, chainId: ChainId): Promise<void> {
	await tx`update collections set rows_epoch = gen_random_uuid() where chain_id = ${chainId}`;
}
