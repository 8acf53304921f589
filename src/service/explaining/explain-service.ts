/**
 * What explaining a memory offers: its whole story, as of any coordinate. See service/explaining/explain.ts.
 *
 * A memory that is not visible there is explained too: why it is gone is the question most asked. One of
 * which nothing was ever said, and nothing is waiting, throws `memory_not_found`.
 */
import type { AnsweredAt, AtRequest } from "../../domain/coordinate.ts";
import type {
	Generation,
	Height,
	Hex,
	LogPosition,
	OperationId,
	RollbackId,
} from "../../domain/ids.ts";
import type { Finality } from "../../domain/provenance.ts";
import type { HistoryEntryView, MemoryView, OperationView } from "../recant-service.ts";

export interface VerdictView {
	readonly verdict: string;
	readonly position: LogPosition;
	readonly generation: Generation;
	/** Slot at which it was judged. */
	readonly judgedAt: Height;
	/** Slot at which it takes effect since; undefined: at none. */
	readonly slot: Height | undefined;
	readonly reason: { readonly code: string; readonly message: string } | undefined;
	readonly recordedAt: Date;
}

export interface ExplainedOperation {
	readonly operation: OperationView;
	/** The newest first. */
	readonly verdicts: readonly VerdictView[];
}

export interface ExplainedBlock {
	readonly height: Height;
	readonly hash: Hex;
	/** Seconds since the epoch. */
	readonly timestamp: bigint;
	/** Of the branch that is believed now. */
	readonly canonical: boolean;
	/** Generations [from, to) in which it was canonical; `to` undefined: it still is. */
	readonly generations: { readonly from: Generation; readonly to: Generation | undefined };
}

/** holds: the coordinate's history has it. lost: it does not. hidden: the caller may not see it. */
export const SOURCE_STATES = ["holds", "lost", "hidden"] as const;
export type SourceState = (typeof SOURCE_STATES)[number];

/** Alternatives of sets, as places in `Explanation.sources`. */
export type SourceSets = readonly (readonly number[])[];

export interface ExplainedSource {
	readonly namespace: string;
	readonly id: string;
	readonly contentHash: Hex;
	/** Derivations between it and the memory that is explained; at least 1. */
	readonly depth: number;
	readonly state: SourceState;
	/** What it said; undefined: hidden, or not kept any more. `since` is where it said so. */
	readonly memory: MemoryView | undefined;
	/** What it rests on itself. */
	readonly derivedFrom: SourceSets;
}

/**
 * visible: it says so at the coordinate. past: it did, and says something else or nothing by now. The others
 * as of operations.
 */
export const DEPENDENT_STATES = ["visible", "past", "suspended", "recanted"] as const;
export type DependentState = (typeof DEPENDENT_STATES)[number];

export interface ExplainedDependent {
	readonly namespace: string;
	readonly id: string;
	/** Derivations between the memory that is explained and it; at least 1. */
	readonly depth: number;
	/** Place in `Explanation.dependents` of what it rests on; undefined: the explained memory itself. */
	readonly restsOn: number | undefined;
	readonly state: DependentState;
	/** Undefined unless it is visible or past. */
	readonly memory: MemoryView | undefined;
	/** Undefined once it is final, and for what Recant concluded by itself. */
	readonly operationId: OperationId | undefined;
}

/**
 * gone: said before the rollback and not after it. back: the other way round. changed: something else is
 * said. kept: the same is said, and an operation on it was judged.
 */
export const ROLLBACK_EFFECTS = ["gone", "back", "changed", "kept"] as const;
export type RollbackEffect = (typeof ROLLBACK_EFFECTS)[number];

export interface ExplainedRollback {
	readonly rollbackId: RollbackId;
	/** Generation that it began. */
	readonly generation: Generation;
	/** Undefined, as `finishedAt`: its record is not kept any more. */
	readonly cause: "reorg" | "manual" | "handlers" | undefined;
	readonly ancestor: Height;
	/** Committed head before it. */
	readonly from: Height;
	readonly finishedAt: Date | undefined;
	readonly effect: RollbackEffect;
	/** What was said before and after; undefined: nothing. */
	readonly before: Hex | undefined;
	readonly after: Hex | undefined;
}

/** What an explanation leaves out, each for a limit: see LIMITS.explain…. */
export const EXPLAINED_PARTS = [
	"operations",
	"verdicts",
	"history",
	"sources",
	"dependents",
	"rollbacks",
] as const;
export type ExplainedPart = (typeof EXPLAINED_PARTS)[number];

export interface Explanation {
	readonly at: AnsweredAt;
	readonly namespace: string;
	readonly id: string;
	/** What it says there; undefined: nothing. */
	readonly memory: MemoryView | undefined;
	/** Of what it says there. */
	readonly finality: Finality | undefined;
	/** Highest block that this rests on; undefined: none, or nothing is said. */
	readonly grounds: Height | undefined;
	/** Agents' operations on it, the newest first. */
	readonly operations: readonly ExplainedOperation[];
	/** Blocks that it or an operation on it is of, by rising height, orphaned ones too. */
	readonly blocks: readonly ExplainedBlock[];
	/** What is said there, or was said last, was derived from these. */
	readonly derivedFrom: SourceSets;
	/** The nearest first, each once. */
	readonly sources: readonly ExplainedSource[];
	/** What rests on it, the nearest first, each once. */
	readonly dependents: readonly ExplainedDependent[];
	/** What it was in every generation, the newest first. */
	readonly history: readonly HistoryEntryView[];
	/** Rollbacks that touched it, the newest first. */
	readonly rollbacks: readonly ExplainedRollback[];
	/** Parts that hold only their first entries; empty: all is there. */
	readonly truncated: readonly ExplainedPart[];
}

export interface ExplainQuery {
	readonly namespace: string;
	readonly id: string;
	/** What the caller may see; undefined: all. */
	readonly namespaces?: readonly string[] | undefined;
	readonly at: AtRequest;
	/** Derivations that are followed up and down, at most LIMITS.explainDepth. */
	readonly depth: number;
}

export interface ExplainService {
	explain(chain: string, query: ExplainQuery): Promise<Explanation>;
}
