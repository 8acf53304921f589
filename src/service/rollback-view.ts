/** A rollback as it is shown: what it did, does and would do. */
import type { ForkEvidence } from "../chain/decision.ts";
import type {
	ChainId,
	Generation,
	Height,
	Hex,
	LogPosition,
	OperationId,
	RollbackId,
} from "../domain/ids.ts";
import type { Layer, Owner } from "../domain/layer.ts";
import type { JsonObject } from "../domain/operation.ts";
import type { Lost } from "../memory/ground.ts";

export const ROLLBACK_STAGES = ["plan", "rewind", "replay", "verify", "commit"] as const;
export type RollbackStage = (typeof ROLLBACK_STAGES)[number];

/** See rollback/strategy.ts. */
export const ROLLBACK_STRATEGIES = ["rewind", "snapshot", "rebuild"] as const;
export type RollbackStrategy = (typeof ROLLBACK_STRATEGIES)[number];

/** See rollback/orders.ts. */
export const ROLLBACK_ORDERS = ["pause", "resume", "cancel", "retry", "abandon"] as const;
export type RollbackOrder = (typeof ROLLBACK_ORDERS)[number];

export interface RollbackView {
	readonly id: RollbackId;
	readonly chainId: ChainId;
	readonly cause: "reorg" | "manual" | "handlers";
	readonly state:
		| "recorded"
		| "running"
		| "prepared"
		| "committed"
		| "superseded"
		| "cancelled"
		| "failed"
		| "abandoned";
	readonly stage: RollbackStage | undefined;
	/** True: no stage begins before an operator lets it go on. */
	readonly paused: boolean;
	/** Stage at which it failed. */
	readonly failedStage: RollbackStage | undefined;
	/** How often an operator had it tried again after it failed. */
	readonly retries: number;
	readonly fromGeneration: Generation;
	readonly ancestor: { readonly height: Height; readonly hash: Hex };
	/** Committed head when it was recorded. */
	readonly from: { readonly height: Height; readonly hash: Hex };
	/** Head of the new branch; for a manual rollback the ancestor itself. */
	readonly to: { readonly height: Height; readonly hash: Hex };
	readonly attempt: number;
	/** How the ancestor's state is had; undefined until it is planned. */
	readonly strategy: RollbackStrategy | undefined;
	/** Why that strategy was taken. */
	readonly strategyReason: string | undefined;
	/** The one that an operator named. */
	readonly wantedStrategy: RollbackStrategy | undefined;
	/** What its fork was followed on; undefined: it follows none that the follower saw. */
	readonly evidence: ForkEvidence | undefined;
	/** Items of the stage under way. */
	readonly progress: {
		readonly done: number;
		readonly total: number;
		/** Items a second; undefined until one is done, and while nobody works on it. */
		readonly ratePerSecond: number | undefined;
		/** Milliseconds until the stage is done at that rate. */
		readonly etaMs: number | undefined;
	};
	readonly counts: RollbackCounts;
	/** Milliseconds of each stage that has ended, and of the one at which it ended. */
	readonly stageMs: Readonly<Partial<Record<RollbackStage, number>>>;
	readonly error:
		| { readonly code: string; readonly message: string; readonly hint: string }
		| undefined;
	readonly supersededBy: RollbackId | undefined;
	readonly createdAt: Date;
	readonly finishedAt: Date | undefined;
}

export interface RollbackCounts {
	/** Memories that were believed and no longer are, or no longer as they were. */
	readonly recanted: number;
	/** Agents' operations withdrawn until their anchor comes back. */
	readonly suspended: number;
	/** Agents' operations that came back with this rollback. */
	readonly reinstated: number;
	/** Agents' operations carried to the new fork. */
	readonly replayed: number;
	/** Handlers' operations on the new fork. */
	readonly derivedAnew: number;
	/** Agents' operations that could not be applied again; this and what follows is absent until prepared. */
	readonly withdrawn?: number;
	/** Agents' operations that were kept and marked suspect, and those marked no longer. */
	readonly flagged?: number;
	readonly cleared?: number;
	/** Actions that were taken on what no longer holds. */
	readonly actions?: number;
}

export interface RollbackReport {
	readonly rollback: RollbackView;
	/** True when a list below holds only its first entries; the counts are whole. */
	readonly truncated: boolean;
	readonly recanted: readonly {
		readonly namespace: string;
		readonly id: string;
		readonly layer: Layer;
		readonly owner: Owner;
		readonly before: JsonObject;
		/** Undefined: gone. */
		readonly after: JsonObject | undefined;
	}[];
	readonly suspended: readonly OperationVerdict[];
	readonly reinstated: readonly OperationVerdict[];
	readonly replayed: readonly OperationVerdict[];
	/** Agents' operations withdrawn for good or until the next judgement, with the reason. */
	readonly withdrawn: readonly OperationVerdict[];
	/** Kept although what they rest on is gone, and suspect from now on. */
	readonly flagged: readonly OperationVerdict[];
	/** Suspect no longer. */
	readonly cleared: readonly OperationVerdict[];
	/** Actions that were taken on what no longer holds. */
	readonly actions: readonly {
		readonly operationId: OperationId;
		readonly namespace: string;
		readonly id: string;
		readonly position: LogPosition;
		readonly content: JsonObject;
		readonly lost: readonly Lost[];
	}[];
	readonly derivedAnew: readonly {
		readonly namespace: string;
		readonly id: string;
		readonly slot: Height;
	}[];
}

export interface OperationVerdict {
	readonly operationId: OperationId;
	readonly namespace: string;
	readonly id: string;
	readonly originalSlot: Height;
	readonly effectiveSlot: Height | undefined;
	readonly reason: string | undefined;
	/** What it rests on and is not there. */
	readonly lost: readonly Lost[];
}

/** What a manual rollback would do. */
export interface RollbackPlanView {
	readonly dryRun: true;
	readonly ancestor: { readonly height: Height; readonly hash: Hex };
	readonly from: { readonly height: Height; readonly hash: Hex };
	/** Memories whose visible version changes when state goes back. */
	readonly memories: number;
	/** Agents' operations that will be judged again. */
	readonly operations: number;
	readonly blocks: number;
}
