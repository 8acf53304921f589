/**
 * Operations: what agents ask for and handlers derive.
 *
 * An agent's operation is durable in the inbox, gets a position in the log with its outcome, and is
 * judged again at every rollback until what it rests on is final.
 */
import type { Height, Hex } from "./ids.ts";
import type { Layer } from "./layer.ts";
import type { LinkName } from "./link-name.ts";

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

/** An action is an episode that says what an agent did; it happened, whatever becomes of its reasons. */
export interface PutOperation extends Target {
	readonly kind: "put" | "action";
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

/** A directed link, see domain/link.ts; `id` is the link's own. Written again it says what it says now. */
export interface LinkOperation extends Target {
	readonly kind: "link";
	readonly link: LinkName;
	/** Above 0. */
	readonly weight: number;
	readonly properties: JsonObject | undefined;
}

export interface UnlinkOperation extends Target {
	readonly kind: "unlink";
	readonly link: LinkName;
}

/** Runs the namespace's rules of consolidation; `id` names what is run and is no memory's. */
export interface ConsolidateOperation extends Target {
	readonly kind: "consolidate";
	/** Undefined: all rules. */
	readonly rule: string | undefined;
}

export type Operation =
	| PutOperation
	| PatchOperation
	| DeleteOperation
	| LinkOperation
	| UnlinkOperation
	| ConsolidateOperation;

export type OperationKind = Operation["kind"];

/** Where an anchor stands on the chain. */
export interface AnchorPlace {
	readonly blockHash: Hex;
	readonly height: Height;
}

/** A block, or a transaction with what it did; see memory/effects-hash.ts. */
export type AnchorTarget =
	| { readonly kind: "block"; readonly blockHash: Hex }
	| { readonly kind: "transaction"; readonly transactionHash: Hex; readonly effectsHash: Hex };

/** `place` undefined: it is not on the chain now, or has other effects. */
export type Anchor = AnchorTarget & { readonly place: AnchorPlace | undefined };

/** What an agent's operation depends on: all of these, or any one of them. None: nothing. */
export interface AnchorSet {
	readonly mode: "all" | "any";
	readonly anchors: readonly Anchor[];
}

export const NO_ANCHORS: AnchorSet = { mode: "all", anchors: [] };

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
