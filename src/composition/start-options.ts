/** What a start is told beside its environment. */
import type { Environment } from "../config/environment.ts";
import type { ChainSpec } from "../follower/chain-spec.ts";
import type { RollbackRecord, Stage } from "../rollback/rollback-record.ts";

export interface StartOptions {
	/** Also says which roles this process has. */
	readonly environment: Environment;
	/** Instead of the folder of chains. */
	readonly chains?: readonly ChainSpec[];
	/** Waited for before each stage of a rollback; tests stop a process there. */
	readonly beforeStage?: (stage: Stage, rollback: RollbackRecord) => Promise<void>;
	/** False: rollbacks are prepared by whoever takes their job. Default true. */
	readonly inlineRollbacks?: boolean;
	/** Tail rows at which vectors are flushed to LanceDB; default LIMITS.tailFlushRows. */
	readonly flushRows?: number;
	/** Memories that a rollback may set back one by one; default LIMITS.rollbackChanges. */
	readonly rollbackChanges?: number;
}

/** For requests under way, and for jobs, at the end. */
export const CLOSE_MS = 5_000;
