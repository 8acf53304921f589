/** What repairs ask of Postgres. The adapter is store/checking/postgres-repair-store.ts. */
import type { BlockHeader } from "../../domain/block.ts";
import type { ChainId, Generation, Height, Hex, LogPosition, VersionId } from "../../domain/ids.ts";
import type { EmbeddedVersion, VectorPointer } from "../../writer/commit-batch.ts";
import type { ConsistencyRun, KeptFinding } from "../consistency-run.ts";
import type { StoredState } from "../stored-state.ts";
import type { CheckpointRow, RepairOutcome, RepairStatus, RowRepair } from "./repair-plan.ts";

/** A row as it stands, with the word of its checksum on what might have stood there. */
export interface HeldRow<Columns, Candidate> {
	readonly columns: Columns;
	readonly intact: boolean;
	/** Whether the stored checksum is that of the candidate. */
	fits(candidate: Candidate): boolean;
}

export interface HeldHeader extends BlockHeader {
	readonly fromGen: Generation;
	readonly toGen: Generation;
}

export interface HeldCheckpoint extends Omit<CheckpointRow, "roots"> {
	/** JSON, whatever stands there. */
	readonly roots: string;
}

/** Where a rollback stands in the log, and where the commit ends that it was made by. */
export interface RollbackCommit {
	readonly position: LogPosition;
	/** Generation that it began. */
	readonly generation: Generation;
	readonly ancestor: Height;
	/** Last position of the same commit, inclusive. */
	readonly end: LogPosition;
}

/** Rows in the snapshot of a `StoredState`, where a repair has to see more than a check. */
export interface RepairRows {
	rollbacks(): Promise<readonly RollbackCommit[]>;
	headers(
		heights: readonly Height[],
	): Promise<readonly HeldRow<HeldHeader, BlockHeader & { readonly fromGen: Generation }>[]>;
	checkpoints(
		heights: readonly Height[],
	): Promise<readonly HeldRow<HeldCheckpoint, Omit<CheckpointRow, "toGen">>[]>;
	vectors(
		collection: string,
		ids: readonly VersionId[],
	): Promise<readonly HeldRow<VersionId, EmbeddedVersion>[]>;
	/** Pointers of each checkpoint of the present generation that fits its checksum, the highest first. */
	sealedPointers(): AsyncIterable<{
		readonly height: Height;
		/** As it is stored, JSON. */
		readonly pointers: string;
	}>;
}

/** What a change of a row did, for the log. Hashes are of the row as JSON; undefined: no row. */
export interface RowEffect {
	readonly before: Hex | undefined;
	readonly after: Hex | undefined;
}

export interface RepairBatch {
	readonly chainId: ChainId;
	readonly repairId: string;
	readonly rows: readonly RowRepair[];
	/** Pointer of a collection that moves from where the row says that it is. */
	readonly pointer:
		| {
				readonly collection: string;
				readonly from: VectorPointer;
				readonly to: VectorPointer;
				readonly detail: string;
		  }
		| undefined;
}

export const REPAIR_STATES = ["running", "done", "failed"] as const;

export interface Repair {
	readonly repairId: string;
	readonly chainId: ChainId;
	readonly runId: string;
	readonly state: (typeof REPAIR_STATES)[number];
	/** By status of outcome. */
	readonly counts: Readonly<Record<RepairStatus, number>>;
	readonly outcomes: readonly RepairOutcome[];
	readonly error:
		| { readonly code: string; readonly message: string; readonly hint: string }
		| undefined;
	readonly startedAt: Date;
	readonly finishedAt: Date | undefined;
}

export type RepairEnd = Pick<Repair, "state" | "counts" | "outcomes" | "error">;

export interface RepairStore {
	/** One snapshot for all that `work` reads. Throws `unknown_chain`. */
	read<Result>(
		chainId: ChainId,
		work: (state: StoredState, rows: RepairRows) => Promise<Result>,
	): Promise<Result>;
	/** Undefined: there is no such run of this chain. */
	run(chainId: ChainId, runId: string): Promise<ConsistencyRun | undefined>;
	/** The newest that has ended and found something: one that read every record, if there is one. */
	lastRun(chainId: ChainId): Promise<ConsistencyRun | undefined>;
	/** Every finding that was kept, by rising seq. */
	findings(runId: string): Promise<readonly KeptFinding[]>;
	/**
	 * Changes rows and pointer and logs each change, in one transaction. Throws
	 * `RetryableError("lease_lost")` and changes nothing when fence, generation or log position are no
	 * longer those given. Answers false, and changes nothing, when the pointer is not where it was.
	 */
	apply(
		batch: RepairBatch,
		expected: {
			readonly fence: bigint;
			readonly generation: Generation;
			readonly logPosition: LogPosition;
			readonly head: Height;
		},
	): Promise<boolean>;
	/** Records a repair as running; those of the chain that were running have been broken off. */
	begin(repair: Pick<Repair, "repairId" | "chainId" | "runId">): Promise<Repair>;
	end(repairId: string, end: RepairEnd): Promise<void>;
	load(chainId: ChainId, repairId: string): Promise<Repair | undefined>;
	/** The newest first, without outcomes. */
	repairs(
		chainId: ChainId,
		query: { readonly limit: number; readonly before: string | undefined },
	): Promise<readonly Repair[]>;
}
