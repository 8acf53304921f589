/**
 * What the HTTP routes ask when a namespace is to be cleared of what is of no use any more; see
 * service/layers/optimise.ts. `chain` is an id in decimal or a name; an unknown one throws
 * `FatalError("unknown_chain")`.
 */
import type { AnsweredAt } from "../../domain/coordinate.ts";
import type { VersionId } from "../../domain/ids.ts";
import type { Layer } from "../../domain/layer.ts";
import type { ApplyMode, PartialOutcomeView } from "../restoring/partial-restore-service.ts";
import type { VectorUpkeep } from "../searching/vector-upkeep.ts";

/**
 * expired: its time has come by this machine's clock, and no block has said so yet. low_confidence: its
 * confidence, as it has faded by now, is below the bound. unreachable_link: one of its ends is gone, and no
 * operation waits that would bring it back. unreachable_memory: a semantic memory that was linked, that no
 * link leads to or from any more, nor will when waiting operations bring it back, and from which nothing that holds was derived.
 */
export const DROP_REASONS = [
	"expired",
	"low_confidence",
	"unreachable_link",
	"unreachable_memory",
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

export interface OptimiseRequest {
	readonly namespace: string;
	readonly drop: {
		readonly expired: boolean;
		/** In (0, 1]; undefined: whatever its confidence. */
		readonly belowConfidence: number | undefined;
		readonly unreachable: boolean;
	};
	/** Flush, compact and index the chain's collections afterwards. */
	readonly refresh: boolean;
}

export interface DroppedMemory {
	readonly namespace: string;
	readonly id: string;
	readonly layer: Layer;
	readonly reason: DropReason;
	readonly versionId: VersionId;
	/** As it has faded by now; undefined: it has none. */
	readonly confidence: number | undefined;
}

export interface OptimisePlanView {
	/** Where it was looked. */
	readonly at: AnsweredAt;
	readonly counts: Readonly<Record<DropReason, number>>;
	/**
	 * What need not be kept once blocks below which nothing is read any more have passed: a deletion is
	 * history as well until then.
	 */
	readonly frees: {
		readonly memories: number;
		/** Of contents and texts. */
		readonly bytes: number;
		readonly vectors: number;
	};
	/** Collections whose tables would be kept up, as last looked at; undefined unless it was asked for. */
	readonly refresh: readonly CollectionFigures[] | undefined;
	/** The first LIMITS.partialItems. */
	readonly items: readonly DroppedMemory[];
	readonly truncated: boolean;
	/** False: LIMITS.optimisedMemories are dropped at a time, and there are more. */
	readonly complete: boolean;
}

export interface CollectionFigures {
	readonly collection: string;
	readonly rows: number;
	/** Rows that the indexes do not know yet. */
	readonly unindexedRows: number;
}

/** What was done for each collection of the chain. */
export type Refreshed = Awaited<ReturnType<VectorUpkeep["run"]>>;

export interface OptimiseAnswer {
	readonly dryRun: boolean;
	/** True: this Idempotency-Key was seen before; nothing was planned nor applied by this call. */
	readonly repeated: boolean;
	/** False: a dry run, or durable but not committed when the deadline passed. */
	readonly committed: boolean;
	readonly idempotencyKey: string | undefined;
	/** Undefined when repeated. */
	readonly plan: OptimisePlanView | undefined;
	/** Undefined for a dry run. A memory that was written meanwhile is not deleted, and named. */
	readonly outcome: PartialOutcomeView | undefined;
	/** Undefined unless it was asked for and done. */
	readonly refreshed: Refreshed | undefined;
}

export interface OptimiseService {
	/** Throws `handler_owned` for one of the chain's own namespaces. */
	optimise(chain: string, request: OptimiseRequest, mode: ApplyMode): Promise<OptimiseAnswer>;
}
