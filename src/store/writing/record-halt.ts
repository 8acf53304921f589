import type { ChainId, LogPosition } from "../../domain/ids.ts";
import { canonicalJson } from "../../memory/canonical.ts";
import type { LogEntry } from "../../writer/commit-batch.ts";
import type { Problem } from "../../writer/writer-store.ts";
import { toJson } from "../codec.ts";
import { sendNotice } from "../notices.ts";
import { logChecksum } from "../row-checksum.ts";
import type { Tx } from "../sql.ts";

/**
 * Halts a chain, or lets it go on, and tells whoever reads the log; part of a transaction. Answers the entry's
 * position; undefined: the fence is not the newest, or the place in the log is taken, as in a log that is
 * damaged: then the chain is halted all the same.
 */
export async function recordHalt(
	tx: Tx,
	{ chainId, fence }: { readonly chainId: ChainId; readonly fence: bigint },
	problem: Problem | undefined,
): Promise<LogPosition | undefined> {
	const [chain] = await tx<
		{ generation: bigint; head_height: bigint | null; log_position: bigint }[]
	>`update chains set halt = ${problem === undefined ? null : toJson(problem)}
		where chain_id = ${chainId} and fence = ${fence}
		returning generation, head_height, log_position`;
	if (chain === undefined) return undefined;
	const entry: LogEntry = {
		position: chain.log_position + 1n,
		generation: chain.generation,
		height: chain.head_height ?? 0n,
		kind: "halt",
		operationId: undefined,
		memoryKey: undefined,
		body: canonicalJson(problem === undefined ? { isOver: true } : { ...problem }),
	};
	const { count } = await tx`
		insert into log (chain_id, position, generation, height, kind, body, checksum)
		values (${chainId}, ${entry.position}, ${entry.generation}, ${entry.height}, ${entry.kind},
			${entry.body}, ${logChecksum(entry)}) on conflict do nothing`;
	if (count === 0) return undefined;
	await tx`update chains set log_position = ${entry.position} where chain_id = ${chainId}`;
	await sendNotice(tx, { kind: "commit", chainId });
	return entry.position;
}
