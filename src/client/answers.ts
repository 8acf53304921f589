/**
 * What the service answers, as JSON: heights, generations, positions and version ids are decimal
 * strings, dates ISO 8601; what has no value is absent.
 */
import type { CoordinateView, Wire } from "../domain/wire.ts";
import type {
	BlockView,
	ChainView,
	CheckpointView,
	DiffEntry,
	EventView,
	HistoryEntryView,
	MemoryView,
	OperationView,
	Page,
	RollbackPlanView,
	RollbackReport,
	RollbackView,
	SearchResult,
	StatusView,
} from "../service/recant-service.ts";

export type StatusAnswer = Wire<StatusView>;
export type ChainAnswer = Wire<ChainView>;
export type MemoryAnswer = Wire<MemoryView>;
export type OperationAnswer = Wire<OperationView>;
export type CheckpointAnswer = Wire<CheckpointView>;
export type RollbackAnswer = Wire<RollbackView>;
export type RollbackPlanAnswer = Wire<RollbackPlanView>;
export type RollbackReportAnswer = Wire<RollbackReport>;
export type EventAnswer = Wire<EventView>;

export type BlocksAnswer = Wire<Page<BlockView>>;
export type HistoryAnswer = Wire<Page<HistoryEntryView>>;
export type CheckpointsAnswer = Wire<Page<CheckpointView>>;
export type RollbacksAnswer = Wire<Page<RollbackView>>;

interface At {
	/** The coordinate that the answer used. */
	readonly at: CoordinateView;
}

export type MemoriesAnswer = At & Wire<Page<MemoryView>>;
export type OneMemoryAnswer = At & { readonly memory: MemoryAnswer };
export type SearchAnswer = At & { readonly results: Wire<SearchResult>[] };
export type DiffAnswer = { readonly from: CoordinateView; readonly to: CoordinateView } & Wire<
	Page<DiffEntry>
>;

export interface WriteAnswer {
	/** False: durable, but not yet committed; it may still be refused. */
	readonly committed: boolean;
	/** True: the Idempotency-Key was seen before; nothing was applied by this call. */
	readonly repeated: boolean;
	readonly operations: readonly OperationAnswer[];
	readonly at?: CoordinateView;
}
