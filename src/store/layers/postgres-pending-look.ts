import type { AtRequest } from "../../domain/coordinate.ts";
import { type ChainId, FOREVER, type MemoryKey } from "../../domain/ids.ts";
import type { SourceRef } from "../../domain/provenance.ts";
import { memoryKey } from "../../memory/memory-key.ts";
import {
	type PendingLook,
	type PendingState,
	sourceKey,
} from "../../service/writing/pending-look.ts";
import { hexBytes } from "../codec.ts";
import type { Database } from "../database.ts";
import { pgArray } from "../pg-array.ts";
import { resolveCoordinate } from "../reading/coordinate.ts";
import { SnapshotView } from "../reading/snapshot-view.ts";
import type { Tx } from "../sql.ts";

const PENDING: AtRequest = { at: { kind: "tag", tag: "pending" }, generation: undefined };

/** The pending slot and the inbox in one snapshot: what is not in the one is in the other. */
export class PostgresPendingLook implements PendingLook {
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	async look(
		chainId: ChainId,
		query: { readonly keys: readonly MemoryKey[]; readonly sources: readonly SourceRef[] },
	): Promise<PendingState | undefined> {
		return this.#database.snapshot(async (tx) => {
			const waiting = await tx`select from inbox where chain_id = ${chainId} limit 1`;
			if (waiting.length > 0) return undefined;
			const view = new SnapshotView(tx, await resolveCoordinate(tx, chainId, PENDING));
			return {
				memories: await view.memories(query.keys),
				held: await heldSources(tx, chainId, query.sources),
			};
		});
	}
}

/** The present generation says it, or said it before it was written over. */
async function heldSources(
	tx: Tx,
	chainId: ChainId,
	sources: readonly SourceRef[],
): Promise<ReadonlySet<string>> {
	if (sources.length === 0) return new Set();
	const keys = sources.map(({ namespace, id }) => memoryKey(namespace, id));
	const hashes = sources.map(({ contentHash }) => hexBytes(contentHash).toString("hex"));
	const rows = await tx<{ readonly number: bigint }[]>`
		select number from unnest(${pgArray(keys)}::uuid[], ${pgArray(hashes)}::text[])
			with ordinality as named(memory_key, hash, number)
		where exists (select from versions v where v.chain_id = ${chainId}
			and v.memory_key = named.memory_key and v.to_gen = ${FOREVER}
			and v.content is not null and v.content_hash = decode(named.hash, 'hex'))`;
	return new Set(
		rows.flatMap(({ number }) => {
			const source = sources[Number(number) - 1];
			return source === undefined ? [] : [sourceKey(source)];
		}),
	);
}
