/**
 * What the HTTP routes ask when part of the state is to be brought back, or two coordinates to be merged.
 * main.ts builds it; see service/restoring/partial-restores.ts.
 *
 * Both are agents' operations in the pending slot, so the state stays what the chain and the log make of
 * it. `chain` is an id in decimal or a name; an unknown one throws `FatalError("unknown_chain")`.
 */
import type { AnsweredAt, AtRequest } from "../../domain/coordinate.ts";
import type { Height, Hex, VersionId } from "../../domain/ids.ts";
import type { Layer } from "../../domain/layer.ts";
import type { JsonObject } from "../../domain/operation.ts";
import type { Change } from "../../memory/compensation.ts";
import type { MergeRule } from "../../memory/merge-rules.ts";
import type { OperationView } from "../recant-service.ts";

/**
 * A memory is selected when what it says at either coordinate is in all that are given; undefined: in any.
 * Lists are not empty.
 */
export interface PartialSelection {
	readonly namespaces: readonly string[] | undefined;
	readonly layers: readonly Layer[] | undefined;
	readonly collections: readonly string[] | undefined;
}

export interface RestoreRequest {
	readonly to: AtRequest;
	readonly selection: PartialSelection;
}

export interface MergeRequest {
	readonly ours: AtRequest;
	readonly theirs: AtRequest;
	readonly rule: MergeRule;
	readonly selection: PartialSelection;
}

export type ApplyMode =
	/** Changes nothing. */
	| { readonly dryRun: true }
	| {
			readonly dryRun: false;
			/** Undefined: one is made, and answered. */
			readonly idempotencyKey: string | undefined;
			/** Id of who asks, whose own the key is; undefined: whoever starts the service. */
			readonly caller?: string | undefined;
	  };

/** What a memory says in the pending slot. */
export interface PresentView {
	readonly versionId: VersionId;
	readonly contentHash: Hex;
	readonly layer: Layer;
	readonly content: JsonObject;
}

/** What it is to say. */
export interface WantedView {
	readonly contentHash: Hex;
	readonly layer: Layer;
	readonly content: JsonObject;
	readonly text: string | undefined;
	readonly vectorHash: Hex | undefined;
	readonly collection: string | undefined;
	readonly importance: number | undefined;
	readonly confidence: number | undefined;
	readonly expiresAtBlock: Height | undefined;
	/** Seconds since the epoch. */
	readonly expiresAtTime: bigint | undefined;
}

export interface PlannedMemory {
	readonly namespace: string;
	readonly id: string;
	readonly change: Change;
	readonly before: PresentView | undefined;
	readonly after: WantedView | undefined;
}

/**
 * handler_owned: the chain's handlers derive it. expired: what it said has ended by itself since.
 * vector_missing: the vector that was given with it is not kept any more.
 */
export type SkipReason = "handler_owned" | "expired" | "vector_missing";

export interface SkippedMemory {
	readonly namespace: string;
	readonly id: string;
	readonly layer: Layer;
	readonly reason: SkipReason;
	readonly message: string;
}

/** In the order of the operations: by namespace and id. Lists hold the first LIMITS.partialItems. */
export interface PartialPlanView {
	readonly ours: AnsweredAt;
	readonly theirs: AnsweredAt;
	/** Where the memories were compared, and where operations would be written. */
	readonly pending: AnsweredAt;
	readonly counts: Readonly<Record<Change, number>> & {
		readonly skip: number;
		readonly operations: number;
	};
	/** SHA-256 over all operations: equal plans are equal here, however long. */
	readonly planHash: Hex;
	readonly items: readonly PlannedMemory[];
	readonly skipped: readonly SkippedMemory[];
	/** True: a list holds only its first entries; the counts are whole. */
	readonly truncated: boolean;
}

export interface PartialOutcomeView {
	/** Operations that hold now. */
	readonly applied: number;
	/** Operations that do not: the memory was written meanwhile, or a fork took them back since. */
	readonly failed: number;
	/** Durable, not yet committed. */
	readonly waiting: number;
	/** The first LIMITS.partialItems of all, and of those that failed. */
	readonly operations: readonly OperationView[];
	readonly failures: readonly OperationView[];
	readonly truncated: boolean;
}

export interface PartialAnswer {
	readonly dryRun: boolean;
	/** True: this Idempotency-Key was seen before; nothing was planned nor applied by this call. */
	readonly repeated: boolean;
	/** False: a dry run, or durable but not committed when the deadline passed. */
	readonly committed: boolean;
	/** Repeats the request: it then answers what has become of the same operations. */
	readonly idempotencyKey: string | undefined;
	/** Undefined when repeated. */
	readonly plan: PartialPlanView | undefined;
	/** Undefined for a dry run. */
	readonly outcome: PartialOutcomeView | undefined;
	/** Undefined while not committed. */
	readonly at: AnsweredAt | undefined;
}

export interface PartialRestoreService {
	/** Brings the selected memories back to what they said at `to`. */
	restore(chain: string, request: RestoreRequest, mode: ApplyMode): Promise<PartialAnswer>;
	/** Makes of memories that differ between two coordinates what the rule says. */
	merge(chain: string, request: MergeRequest, mode: ApplyMode): Promise<PartialAnswer>;
}
