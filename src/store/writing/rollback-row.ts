/** A row of `rollbacks` as the domain's record: without its report, which may be as long as the fork was deep. */
import type { ForkEvidence } from "../../chain/decision.ts";
import type { BlockHeader } from "../../domain/block.ts";
import type { Hex, RollbackId } from "../../domain/ids.ts";
import type {
	Counts,
	RollbackCause,
	RollbackRecord,
	RollbackState,
	Stage,
	Strategy,
} from "../../rollback/rollback-record.ts";
import type { Problem } from "../../writer/writer-store.ts";

export interface RollbackRow {
	readonly rollback_id: RollbackId;
	readonly chain_id: bigint;
	readonly cause: RollbackCause;
	readonly state: RollbackState;
	readonly stage: Stage | null;
	readonly paused: boolean;
	readonly failed_stage: Stage | null;
	readonly retries: number;
	readonly from_generation: bigint;
	readonly ancestor_height: bigint;
	readonly ancestor_hash: Hex;
	readonly from_height: bigint;
	readonly from_hash: Hex;
	readonly branch: string;
	readonly attempt: number;
	readonly takeovers: number;
	readonly supersessions: number;
	readonly claim_holder: string | null;
	readonly claim_until: Date | null;
	readonly done: number;
	readonly total: number;
	readonly counts: Counts;
	readonly stage_ms: Partial<Record<Stage, number>>;
	readonly stage_started_at: Date | null;
	readonly recovery_id: string | null;
	readonly evidence: string | null;
	readonly strategy: Strategy | null;
	readonly strategy_reason: string | null;
	readonly wanted_strategy: Strategy | null;
	readonly error: Problem | null;
	readonly superseded_by: RollbackId | null;
	readonly created_at: Date;
	readonly finished_at: Date | null;
	/** Of the query. */
	readonly read_at: Date;
}

export const ROLLBACK_COLUMNS = [
	"rollback_id",
	"chain_id",
	"cause",
	"state",
	"stage",
	"paused",
	"failed_stage",
	"retries",
	"from_generation",
	"ancestor_height",
	"ancestor_hash",
	"from_height",
	"from_hash",
	"branch",
	"attempt",
	"takeovers",
	"supersessions",
	"claim_holder",
	"claim_until",
	"done",
	"total",
	"counts",
	"stage_ms",
	"stage_started_at",
	"recovery_id",
	"evidence",
	"strategy",
	"strategy_reason",
	"wanted_strategy",
	"error",
	"superseded_by",
	"created_at",
	"finished_at",
] as const satisfies readonly (keyof RollbackRow)[];

/** What JSON leaves out is undefined. */
function evidenceOf(stored: Omit<ForkEvidence, "support"> & Partial<ForkEvidence>): ForkEvidence {
	return { ...stored, support: stored.support };
}

export function rollbackOf(row: RollbackRow): RollbackRecord {
	const branch = JSON.parse(row.branch) as (Omit<BlockHeader, "number" | "timestamp"> & {
		number: string;
		timestamp: string;
	})[];
	return {
		rollbackId: row.rollback_id,
		chainId: Number(row.chain_id),
		cause: row.cause,
		state: row.state,
		stage: row.stage ?? undefined,
		paused: row.paused,
		failedStage: row.failed_stage ?? undefined,
		retries: row.retries,
		fromGeneration: row.from_generation,
		ancestor: { height: row.ancestor_height, hash: row.ancestor_hash },
		from: { height: row.from_height, hash: row.from_hash },
		branch: branch.map((block) => ({
			...block,
			number: BigInt(block.number),
			timestamp: BigInt(block.timestamp),
		})),
		attempt: row.attempt,
		takeovers: row.takeovers,
		supersessions: row.supersessions,
		claimHolder: row.claim_holder ?? undefined,
		claimUntil: row.claim_until ?? undefined,
		done: row.done,
		total: row.total,
		counts: row.counts,
		stageMs: row.stage_ms,
		stageStartedAt: row.stage_started_at ?? undefined,
		readAt: row.read_at,
		strategy: row.strategy ?? undefined,
		strategyReason: row.strategy_reason ?? undefined,
		wantedStrategy: row.wanted_strategy ?? undefined,
		recoveryId: row.recovery_id ?? undefined,
		evidence: row.evidence === null ? undefined : evidenceOf(JSON.parse(row.evidence)),
		error: row.error ?? undefined,
		supersededBy: row.superseded_by ?? undefined,
		createdAt: row.created_at,
		finishedAt: row.finished_at ?? undefined,
	};
}
