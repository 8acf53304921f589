/** What an import asks of Postgres. The adapter is store/restoring/postgres-import-store.ts. */
import type { BlockHeader } from "../domain/block.ts";
import type { ChainId, Generation, Height, MemoryKey } from "../domain/ids.ts";
import type { Manifest, ManifestId } from "../snapshots/manifest.ts";
import type { CollectionRecord, OperationRecord } from "../snapshots/snapshot-record.ts";
import type { Problem } from "../writer/writer-store.ts";
import type { Shadow } from "./shadow-store.ts";

/** What stands before an import. */
export interface StandingState {
	/** Undefined: the chain has no committed block. */
	readonly head: Height | undefined;
	readonly generation: Generation;
	/** Agents' operations that were admitted here: what an import would lose. */
	readonly agentOperations: number;
	/** Whether a rollback is under way. */
	readonly rollingBack: boolean;
}

/** A verified state that becomes the chain's. */
export interface ImportedState {
	readonly shadow: Shadow;
	/** In which its rows begin, and which is the present one from then on. */
	readonly generation: Generation;
	readonly manifest: Manifest;
	readonly collections: readonly CollectionRecord[];
	/** By rising height, the last at the snapshot's height. */
	readonly headers: readonly BlockHeader[];
	readonly operations: readonly OperationRecord[];
	/** Deleted memories that an operation which may come back still names. */
	readonly deleted: readonly {
		readonly memoryKey: MemoryKey;
		readonly operation: OperationRecord;
	}[];
}

export interface ImportStore {
	/** Manifest of a snapshot that is verified; undefined: there is no such snapshot, or it is not. */
	verifiedManifest(chainId: ChainId, snapshotId: string): Promise<ManifestId | undefined>;
	standing(chainId: ChainId): Promise<StandingState>;
	/**
	 * Puts the state in place of what stands, in one transaction. Requests that wait in the inbox, and
	 * their Idempotency-Keys, stay. Throws `RetryableError("lease_lost")` when the fence is not the newest,
	 * and `RetryableError("chain_busy")` when what stands is not what stood when the state was restored.
	 */
	replace(state: ImportedState, fence: bigint): Promise<void>;
	/** Says beside the snapshot why it was not imported. */
	failed(snapshotId: string, problem: Problem): Promise<void>;
}
