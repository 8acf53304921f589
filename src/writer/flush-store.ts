/** What the flusher asks of Postgres. The adapter is store/writing/postgres-flush-store.ts. */
import type { ChainId, Generation, VersionId } from "../domain/ids.ts";
import type { VectorRow } from "../domain/vector.ts";
import type { VectorPointer } from "./commit-batch.ts";

export interface FlushTarget {
	readonly name: string;
	readonly dimensions: number;
	readonly table: string;
	readonly pointer: VectorPointer;
	/** Embedded versions above the pointer. */
	readonly tail: number;
}

export interface FlushStore {
	targets(chainId: ChainId): Promise<readonly FlushTarget[]>;
	/**
	 * The oldest rows above a version, without those that only orphaned branches hold, and without any
	 * above the last version id given out, which can only be damage; `upTo` is the last
	 * version that was looked at, `looked` how many were.
	 */
	rows(
		chainId: ChainId,
		query: { readonly collection: string; readonly above: VersionId; readonly limit: number },
	): Promise<{
		readonly rows: readonly VectorRow[];
		readonly upTo: VersionId;
		readonly looked: number;
	}>;
	/** False: fence, generation or pointer moved meanwhile, and nothing was changed. */
	movePointer(move: {
		readonly chainId: ChainId;
		readonly fence: bigint;
		readonly generation: Generation;
		readonly collection: string;
		readonly from: VectorPointer;
		readonly to: VectorPointer;
	}): Promise<boolean>;
	/** When the oldest table version that anything still names was made. */
	oldestNamed(chainId: ChainId, collection: string): Promise<Date>;
}
