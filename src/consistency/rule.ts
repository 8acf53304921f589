/**
 * What a rule is. A rule compares records with a source of truth and says what differs; it changes
 * nothing. There are two kinds: one reads for itself, the other is shown each memory in the one pass
 * that a run makes over the versions, so that many rules cost one reading.
 *
 * Everything a rule reads through `state` is one snapshot of Postgres, taken at the run's coordinate:
 * what is written meanwhile is not in it. A rule that looks at another store must bear that that
 * store moves on.
 */
import type { ChainId, Generation, Height, Hex, LogPosition } from "../domain/ids.ts";
import type { Finding, Level, Severity } from "./finding.ts";
import type { StoredMemory, StoredState } from "./stored-state.ts";

/** What a run compares: everything up to this, the pending slot included. */
export interface RunCoordinate {
	readonly generation: Generation;
	/** Committed head. */
	readonly height: Height;
	readonly blockHash: Hex;
	readonly logPosition: LogPosition;
}

export interface RuleContext {
	readonly chainId: ChainId;
	readonly at: RunCoordinate;
	readonly level: Level;
	readonly state: StoredState;
	/**
	 * To be called for every page of records, with their number: counts what was checked, and resolves
	 * when the read budget allows the next page. Rejects when the run is stopped.
	 */
	readonly read: (records: number) => Promise<void>;
}

/** A finding as a rule gives it; the run adds chain and rule, and the rule's severity unless one is named. */
export type RuleFinding = Omit<Finding, "chainId" | "rule" | "severity"> & {
	readonly severity?: Severity;
};

interface RuleHead {
	/** Short and stable, in kebab-case: findings name it. */
	readonly name: string;
	/** Lowest level that runs it. */
	readonly level: Level;
	/** Of its findings, unless they name their own. */
	readonly severity: Severity;
	/** What is held against what, in one sentence. */
	readonly compares: string;
}

/** A rule that reads for itself. */
export interface ScanRule<Context = RuleContext> extends RuleHead {
	readonly kind: "scan";
	check(context: Context): AsyncIterable<RuleFinding>;
}

/** A rule that is shown every memory with all its rows, by rising key, in pages. */
export interface MemoryRule<Context = RuleContext> extends RuleHead {
	readonly kind: "memories";
	open(context: Context): Promise<MemoryInspection>;
}

/** One pass of one rule. */
export interface MemoryInspection {
	page(memories: readonly StoredMemory[]): Promise<readonly RuleFinding[]>;
	/** After the last page; not called when the run was stopped. */
	end(): Promise<readonly RuleFinding[]>;
	/** Always called, last. */
	close(): void;
}

export type Rule<Context = RuleContext> = ScanRule<Context> | MemoryRule<Context>;
