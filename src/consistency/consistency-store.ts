/** What checks ask of Postgres. The adapter is store/checking/postgres-consistency-store.ts. */
import type { ChainId } from "../domain/ids.ts";
import type { VectorPointers } from "../writer/commit-batch.ts";
import type { ConsistencyRun, KeptFinding, NewRun, RunEnd } from "./consistency-run.ts";
import type { Level } from "./finding.ts";
import type { RunCoordinate } from "./rule.ts";
import type { StoredState } from "./stored-state.ts";

/** What of a run's findings one page holds. */
export interface FindingQuery {
	/** Findings after this one; 0: from the first. */
	readonly after: number;
	readonly limit: number;
}

/** Which runs one page holds. */
export interface RunQuery {
	/** Runs that began before this one. */
	readonly before: string | undefined;
	/** Undefined: every level. */
	readonly level: Level | undefined;
	readonly limit: number;
}

export interface ConsistencyStore {
	/** One snapshot for all that `work` reads. Throws `unknown_chain`. */
	read<Result>(chainId: ChainId, work: (state: StoredState) => Promise<Result>): Promise<Result>;
	/** Where the tables stand now, by the rows. */
	pointers(chainId: ChainId): Promise<VectorPointers>;
	/** Records a run as queued. */
	create(run: NewRun): Promise<ConsistencyRun>;
	begin(runId: string, at: RunCoordinate): Promise<void>;
	addFindings(runId: string, findings: readonly KeptFinding[]): Promise<void>;
	/** Ends it, and drops what is beyond LIMITS.consistencyRuns of its chain. */
	end(runId: string, end: RunEnd): Promise<void>;
	/** Runs that a process began and will not end; `known` are this one's own. */
	endInterrupted(chainId: ChainId, known: ReadonlySet<string>): Promise<void>;
	/** Runs that nobody began, the oldest first. */
	queued(chainId: ChainId, limit: number): Promise<readonly ConsistencyRun[]>;
	load(runId: string): Promise<ConsistencyRun | undefined>;
	/** The newest first. */
	runs(chainId: ChainId, query: RunQuery): Promise<readonly ConsistencyRun[]>;
	/** The newest that is done, of any level. */
	lastDone(chainId: ChainId): Promise<ConsistencyRun | undefined>;
	findings(runId: string, query: FindingQuery): Promise<readonly KeptFinding[]>;
}
