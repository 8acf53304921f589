/** A run of a check: what was asked for, where it stands, and what is kept of it. */
import type { ChainId } from "../domain/ids.ts";
import type { Finding, Level, SeverityCounts } from "./finding.ts";
import type { RunCoordinate } from "./rule.ts";
import type { SampleRequest } from "./sampling.ts";

/** queued: it waits for another run, or for the process that leads the chain. */
export const RUN_STATES = ["queued", "running", "done", "failed"] as const;
export type RunState = (typeof RUN_STATES)[number];

export const RUN_CAUSES = ["operator", "schedule"] as const;
export type RunCause = (typeof RUN_CAUSES)[number];

export interface NewRun {
	readonly runId: string;
	readonly chainId: ChainId;
	readonly level: Level;
	readonly cause: RunCause;
	/** Undefined: everything is read. */
	readonly sample: SampleRequest | undefined;
}

/** What one rule did in a run. */
export interface RuleResult {
	/** Records that it read or was shown. */
	readonly checked: number;
	readonly found: number;
	readonly ms: number;
	/** Why it ended early; undefined: it did not. */
	readonly error: string | undefined;
}

export interface RunProblem {
	readonly code: string;
	readonly message: string;
	readonly hint: string;
}

export interface ConsistencyRun extends NewRun {
	readonly state: RunState;
	/** Undefined until it began. */
	readonly at: Omit<RunCoordinate, "blockHash"> | undefined;
	/** In [0, 1]; undefined until it is done. */
	readonly score: number | undefined;
	/** By name of rule. */
	readonly rules: Readonly<Record<string, RuleResult>>;
	/** Whole, also where the list of findings is cut. */
	readonly counts: SeverityCounts;
	readonly error: RunProblem | undefined;
	readonly startedAt: Date;
	readonly finishedAt: Date | undefined;
}

/** How a run ended. */
export interface RunEnd {
	readonly state: "done" | "failed";
	readonly score: number | undefined;
	readonly rules: ConsistencyRun["rules"];
	readonly counts: SeverityCounts;
	readonly error: RunProblem | undefined;
}

/** A finding as it is kept; `seq` counts a run's findings from 1. */
export interface KeptFinding extends Finding {
	readonly seq: number;
}
