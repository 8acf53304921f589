/** What taking agents' operations in asks of Postgres. The adapter is store/writing/postgres-inbox-store.ts. */
import type { ChainId, OperationId } from "../domain/ids.ts";
import type {
	AnchorSet,
	OperationKind,
	OperationReason,
	OperationStatus,
} from "../domain/operation.ts";
import type { LossPolicy, Sources } from "../domain/provenance.ts";
import type { StoredOperation } from "../memory/operation-codec.ts";

export interface Submission {
	readonly chainId: ChainId;
	/** In order; each is admitted whole or refused whole, whatever becomes of the others. */
	readonly entries: readonly (readonly StoredOperation[])[];
	readonly idempotency: IdempotentRequest | undefined;
	/** Id of the API key that sent it; undefined or empty: none was needed. */
	readonly caller?: string | undefined;
	/** Operations of the caller that may wait, these included; undefined: as many as the inbox takes. */
	readonly mostWaiting?: number | undefined;
	/** False: this process writes the chain, and needs no notice. Default true. */
	readonly announced?: boolean | undefined;
}

/** A key is one caller's own: the same of another is another request. */
export interface IdempotentRequest {
	readonly key: string;
	readonly bodyHash: Uint8Array;
	/** As of the submission. */
	readonly caller?: string | undefined;
}

/** An operation as it stands now; see domain/operation.ts. */
export interface OperationRecord {
	readonly operationId: OperationId;
	readonly kind: OperationKind;
	readonly namespace: string;
	readonly id: string;
	readonly status: OperationStatus;
	readonly reason: OperationReason | undefined;
	readonly position: bigint | undefined;
	readonly originalSlot: bigint | undefined;
	readonly effectiveSlot: bigint | undefined;
	readonly versionId: bigint | undefined;
	/** Where its anchors stand now. */
	readonly anchors: AnchorSet;
	readonly sources: Sources;
	readonly policy: LossPolicy;
	/** True: it takes effect although what it rests on is gone. */
	readonly suspect: boolean;
	readonly final: boolean;
}

/** new: durable now. repeated: the key was seen with the same body; nothing was stored. */
export type Submitted =
	| { readonly type: "new"; readonly operationIds: readonly OperationId[] }
	| { readonly type: "repeated"; readonly operationIds: readonly OperationId[] };

export interface CollectionShape {
	readonly name: string;
	readonly model: string;
	readonly dimensions: number;
}

export interface InboxStore {
	/**
	 * Stores all of it with its Idempotency-Key in one transaction. Throws `FatalError("idempotency_conflict")`
	 * for a key with another body, `RetryableError("inbox_full")` past LIMITS.inboxOperations.
	 */
	submit(submission: Submission): Promise<Submitted>;
	/** What an earlier request with that key was answered. Throws `FatalError("idempotency_conflict")`. */
	earlier(
		chainId: ChainId,
		idempotency: NonNullable<Submission["idempotency"]>,
	): Promise<Submitted | undefined>;
	/** In the order of the ids; unknown ones are left out. */
	operations(
		chainId: ChainId,
		operationIds: readonly OperationId[],
	): Promise<readonly OperationRecord[]>;
	collection(chainId: ChainId, name: string): Promise<CollectionShape | undefined>;
	/**
	 * Makes the collection if it is new, and answers it as it stands. Throws
	 * `FatalError("limit_exceeded")` past LIMITS.collections.
	 */
	ensureCollection(chainId: ChainId, shape: CollectionShape): Promise<CollectionShape>;
	/** Embedded versions above the pointer, over all collections of the chain. */
	tailRows(chainId: ChainId): Promise<number>;
}
