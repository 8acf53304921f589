/**
 * Operations: what agents ask for and handlers derive.
 *
 * An agent's operation is durable in the inbox, gets a position in the log with its outcome, and is
 * judged again at every rollback until what it rests on is final.
 */
import type { Height, Hex, LogPosition, OperationId } from "./ids.ts";
import type { Layer } from "./layer.ts";

export type JsonValue =
	| null
	| boolean
	| number
	| string
	| readonly JsonValue[]
	| { readonly [key: string]: JsonValue };
export type JsonObject = { readonly [key: string]: JsonValue };

/** Collection of texts and vectors for which none is named. */
export const DEFAULT_COLLECTION = "default";

/** Content and meaning of a memory: what a put states. */
export interface MemoryBody {
	readonly layer: Layer;
	readonly content: JsonObject;
	/** Text that is embedded and searched; undefined: the memory is not in any collection by text. */
	readonly text: string | undefined;
	/** A vector of the caller's own, instead of one embedded from `text`. */
	readonly vector: readonly number[] | undefined;
	/** Collection that the vector belongs to; undefined without text and vector. */
	readonly collection: string | undefined;
	/** In [0, 1]. */
	readonly importance: number | undefined;
	/** In [0, 1]. */
	readonly confidence: number | undefined;
	/** First height at which the memory is gone; undefined: it does not end by height. */
	readonly expiresAtBlock: Height | undefined;
	/**
	 * Seconds since the epoch: gone from the first sealed block that is not older; undefined: it does not end
	 * by time. At most one of this and `expiresAtBlock`.
	 */
	readonly expiresAtTime: bigint | undefined;
}

interface Target {
	readonly namespace: string;
	readonly id: string;
	/** Version id that the memory must have; `0n`: it must not exist. */
	readonly ifVersion: bigint | undefined;
}

export interface PutOperation extends Target {
	readonly kind: "put";
	readonly body: MemoryBody;
}

/** Shallow merge of `content` (a null removes a field); other parts replace when given. */
export interface PatchOperation extends Target {
	readonly kind: "patch";
	readonly content: JsonObject;
	readonly text: string | undefined;
	readonly importance: number | undefined;
	readonly confidence: number | undefined;
}

export interface DeleteOperation extends Target {
	readonly kind: "delete";
}

export type Operation = PutOperation | PatchOperation | DeleteOperation;

/** What an agent's operation depends on. */
export type Anchor =
	| { readonly kind: "none" }
	| { readonly kind: "block"; readonly blockHash: Hex; readonly height: Height }
	| {
			readonly kind: "transaction";
			readonly transactionHash: Hex;
			/** Hash of what the transaction did, see memory/effects-hash.ts. */
			readonly effectsHash: Hex;
			/** Where it was included when the operation was written. */
			readonly blockHash: Hex;
			readonly height: Height;
	  };

export const NO_ANCHOR: Anchor = { kind: "none" };

/** queued: durable, not yet in the log. refused: never applied. The others: see docs/ARCHITECTURE.md. */
export const OPERATION_STATUSES = [
	"queued",
	"applied",
	"refused",
	"suspended",
	"recanted",
] as const;
export type OperationStatus = (typeof OPERATION_STATUSES)[number];

/** Why an operation was refused, suspended or recanted; `fields` has the values of the message. */
export interface OperationReason {
	readonly code: string;
	readonly message: string;
	readonly fields?: Readonly<Record<string, string | number>> | undefined;
}

/** An agent's operation with its place in history, as the judge sees it. */
export interface AgentOperation {
	readonly operationId: OperationId;
	/** Position that it first got; the order in which agents wrote. */
	readonly position: LogPosition;
	readonly operation: Operation;
	readonly anchor: Anchor;
	/** Slot that it was first given. */
	readonly originalSlot: Height;
	readonly status: "applied" | "suspended" | "recanted";
	/** Slot at which it takes effect now; undefined while it is withdrawn. */
	readonly effectiveSlot: Height | undefined;
}
