/** What checking writes asks of Postgres before they are taken in. The adapter is store/layers/postgres-pending-look.ts. */
import type { ChainId, MemoryKey } from "../../domain/ids.ts";
import type { Version } from "../../domain/memory.ts";
import type { SourceRef } from "../../domain/provenance.ts";

export interface PendingState {
	/** Visible in the pending slot. */
	readonly memories: ReadonlyMap<MemoryKey, Version>;
	/** Those of the sources, by `sourceKey`, that the present history says or said. */
	readonly held: ReadonlySet<string>;
}

export interface PendingLook {
	/** Undefined: operations wait for the writer, and what they will change is not known. */
	look(
		chainId: ChainId,
		query: { readonly keys: readonly MemoryKey[]; readonly sources: readonly SourceRef[] },
	): Promise<PendingState | undefined>;
}

/** Tells one source from all others. */
export function sourceKey({ namespace, id, contentHash }: SourceRef): string {
	return JSON.stringify([namespace, id, contentHash]);
}
