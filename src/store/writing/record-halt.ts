import type { ChainId, Generation, Height, LogPosition } from "../../domain/ids.ts";
import type { JsonObject } from "../../domain/operation.ts";
import { canonicalJson } from "../../memory/canonical.ts";
import type { LogEntry } from "../../writer/commit-batch.ts";
import type { Problem } from "../../writer/writer-store.ts";
import { toJson } from "../codec.ts";
import { sendNotice } from "../notices.ts";
import { recordDeliveries } from "../records/postgres-delivery-store.ts";
import { logChecksum } from "../row-checksum.ts";
import type { Tx } from "../sql.ts";

/**
 * Halts a chain, or lets it go on, and tells whoever reads the log and the receivers of webhooks; part of a
 * transaction. Answers the entry's position; undefined: the fence is not the newest, or the place in the log is
 * taken, as in a log that is damaged: then the chain is halted all the same.
 */
export async function recordHalt(
	tx: Tx,
	{ chainId, fence }: { readonly chainId: ChainId; readonly fence: bigint },
	{
		problem,
		receivers,
	}: { readonly problem: Problem | undefined; readonly receivers: readonly string[] },
): Promise<LogPosition | undefined> {
	const [chain] = await tx<HaltedRow[]>`
		select halt, generation, head_height, log_position from chains
		where chain_id = ${chainId} and fence = ${fence} for no key update`;
	if (chain === undefined) return undefined;
	const now = problem && toJson(problem);
	await tx`update chains set halt = ${now ?? null} where chain_id = ${chainId}`;
	await tellOfHalt(tx, { chainId, before: chain.halt ?? undefined, now }, receivers);
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

interface HaltedRow {
	readonly halt: string | null;
	readonly generation: Generation;
	readonly head_height: Height | null;
	readonly log_position: LogPosition;
}

/**
 * Records what receivers are told when a chain's halt changes, in the transaction that changes it, so that it is
 * told whatever dies then. `before` and `now`: JSON of the problem; undefined: it is not halted.
 */
export async function tellOfHalt(
	tx: Tx,
	change: {
		readonly chainId: ChainId;
		readonly before: string | undefined;
		readonly now: string | undefined;
	},
	receivers: readonly string[],
): Promise<void> {
	const { chainId, before, now } = change;
	const said = now ?? before;
	if (before === now || said === undefined || receivers.length === 0) return;
	const kind = now === undefined ? "chain.resumed" : "chain.halted";
	const problem = JSON.parse(said) as JsonObject;
	const [chain] = await tx<Pick<HaltedRow, "generation" | "head_height">[]>`
		select generation, head_height from chains where chain_id = ${chainId}`;
	const data = {
		generation: (chain?.generation ?? 0n).toString(),
		height: (chain?.head_height ?? 0n).toString(),
		problem,
	};
	await recordDeliveries(tx, { chainId, told: { kind, data } }, receivers);
}
