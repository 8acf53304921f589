/**
 * What the service answers, as JSON: heights, generations, positions and version ids are decimal
 * strings, dates ISO 8601; what has no value is absent.
 */
import type { StateProof } from "../commitment/proof.ts";
import type { StateRoots } from "../commitment/state-root.ts";
import type { TreeNode } from "../commitment/state-tree.ts";
import type { RepairOutcome } from "../consistency/repair/repair-plan.ts";
import type { CoordinateView, Wire } from "../domain/wire.ts";
import type { SettingsForm } from "../memory/settings-form.ts";
import type { FindingView, RunView, RunWithFindings } from "../service/consistency.ts";
import type { Explanation } from "../service/explaining/explain-service.ts";
import type { EpisodeView, NeighbourView, WalkView } from "../service/graph/graph-service.ts";
import type { ApiKey } from "../service/keys/key-store.ts";
import type { MadeKey } from "../service/keys/keys.ts";
import type { NamespaceListView, NamespaceView } from "../service/layers/namespace-service.ts";
import type { OptimiseAnswer, OptimisePlanView } from "../service/layers/optimise-service.ts";
import type { NamedMemory, RootsFrom } from "../service/proving/proof-service.ts";
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
	SearchCoverage,
	SearchResult,
	StatusView,
} from "../service/recant-service.ts";
import type { DeliveriesService, DeliveryView } from "../service/records/deliveries-service.ts";
import type { ResultView } from "../service/records/results-service.ts";
import type {
	OutlookView,
	RecoveryDryRunView,
	RecoveryPlanView,
	RecoveryView,
} from "../service/recoveries.ts";
import type { RepairListView, RepairPlanView, RepairView } from "../service/repairs.ts";
import type {
	PartialAnswer,
	PartialPlanView,
} from "../service/restoring/partial-restore-service.ts";
import type { RollbackPlanView, RollbackReport, RollbackView } from "../service/rollback-view.ts";
import type { SnapshotView } from "../service/snapshot-view.ts";

export type StatusAnswer = Wire<StatusView>;
export type ChainAnswer = Wire<ChainView>;
export type MemoryAnswer = Wire<MemoryView>;
export type OperationAnswer = Wire<OperationView>;
export type CheckpointAnswer = Wire<CheckpointView>;
export type RollbackAnswer = Wire<RollbackView>;
export type RollbackPlanAnswer = Wire<RollbackPlanView>;
export type RollbackReportAnswer = Wire<RollbackReport>;
export type SnapshotAnswer = Wire<SnapshotView>;
export type RepairAnswer = Wire<RepairView>;
export type RepairPlanAnswer = Wire<RepairPlanView>;
export type RepairOutcomeAnswer = Wire<RepairOutcome>;
export type RepairsAnswer = Wire<Page<RepairListView>>;
export type RecoveryAnswer = Wire<RecoveryView>;
export type RecoveryPlanAnswer = Wire<RecoveryPlanView>;
export type RecoveryDryRunAnswer = Wire<RecoveryDryRunView>;
/** What is possible for a halted chain, and a page of what was done. */
export type RecoveriesAnswer = Wire<{ readonly outlook: OutlookView } & Page<RecoveryView>>;
export type EventAnswer = Wire<EventView>;
export type CheckAnswer = Wire<RunView>;
export type FindingAnswer = Wire<FindingView>;
export type CheckWithFindingsAnswer = Wire<RunWithFindings>;

export type KeyAnswer = Wire<ApiKey>;
/** With its secret, which is shown this once. */
export type MadeKeyAnswer = Wire<MadeKey>;
export type KeysAnswer = Wire<Page<ApiKey>>;

export type BlocksAnswer = Wire<Page<BlockView>>;
export type HistoryAnswer = Wire<Page<HistoryEntryView>>;
export type CheckpointsAnswer = Wire<Page<CheckpointView>>;
export type SnapshotsAnswer = Wire<Page<SnapshotView>>;
export type ChecksAnswer = Wire<Page<RunView>>;
export type RollbacksAnswer = Wire<Page<RollbackView>>;

interface At {
	/** The coordinate that the answer used. */
	readonly at: CoordinateView;
}

export type MemoriesAnswer = At & Wire<Page<MemoryView>>;
export type LinksAnswer = At & Wire<Page<NeighbourView>>;
export type WalkAnswer = At & Omit<Wire<WalkView>, "at">;
export type EpisodesAnswer = At & Wire<Page<EpisodeView>>;
export type ExplainAnswer = At & Omit<Wire<Explanation>, "at">;

export interface ProofAnswer extends At {
	readonly checkpoint: RootsFrom;
	/** Checked without a service by commitment/verify-proof.ts, and by `recant verify`. */
	readonly proof: StateProof;
}

export interface TreeAnswer extends At {
	readonly checkpoint: RootsFrom;
	readonly roots: StateRoots;
	/** In the order of the paths. */
	readonly nodes: readonly TreeNode[];
}

export interface TreeMemoriesAnswer extends At {
	readonly memories: readonly NamedMemory[];
}

/** What would be written, or was. Lists hold the first entries, counts are whole. */
export type PartialPlanAnswer = Omit<Wire<PartialPlanView>, "ours" | "theirs" | "pending"> &
	Readonly<Record<"ours" | "theirs" | "pending", CoordinateView>>;

export type PartialRestoreAnswer = Omit<Wire<PartialAnswer>, "plan" | "at"> & {
	/** Absent when the request was repeated. */
	readonly plan?: PartialPlanAnswer;
	/** Absent while not committed. */
	readonly at?: CoordinateView;
};

export type NamespacesAnswer = Wire<Page<NamespaceListView>>;
export type NamespaceAnswer = Omit<Wire<NamespaceView>, "settings"> & {
	/** What is not set is left out. */
	readonly settings: SettingsForm;
};

export type OptimisationAnswer = Omit<Wire<OptimiseAnswer>, "plan" | "refreshed"> & {
	/** Absent when the request was repeated. */
	readonly plan?: Omit<Wire<OptimisePlanView>, "at"> & At;
	/** Absent unless it was asked for and done. */
	readonly refreshed?: readonly {
		readonly collection: string;
		readonly fromVersion: string;
		readonly toVersion: string;
		readonly rows: number;
		readonly unindexedRows: number;
	}[];
};

export type OneMemoryAnswer = At & { readonly memory: MemoryAnswer };
export type SearchAnswer = At & {
	readonly results: Wire<SearchResult>[];
	/** What the search looked at; not all of it, and not as usual, while a store is away. */
	readonly coverage: Wire<SearchCoverage>;
};
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
	/** Why it is not committed, where that is known, and what helps. */
	readonly hint?: string;
}
export type ResultAnswer = Wire<ResultView>;
export type DeliveryAnswer = Wire<DeliveryView>;
export type DeliveriesAnswer = Wire<Awaited<ReturnType<DeliveriesService["deliveries"]>>>;
