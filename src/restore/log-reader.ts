/** What a restore reads of the log. The adapter is store/restoring/postgres-log-reader.ts. */
import type { ChainId, Generation, Height, LogPosition, OperationId } from "../domain/ids.ts";
import type { JsonObject } from "../domain/operation.ts";

/** Kinds of entries that decide what the state is. */
export const STATE_KINDS = ["derived", "operation", "rollback", "verdict"] as const;
export type StateKind = (typeof STATE_KINDS)[number];

/** The entry by which an operation was admitted. */
export interface Admitted {
	readonly position: LogPosition;
	/** Slot that it was first given. */
	readonly height: Height;
	readonly body: JsonObject;
}

export interface LoggedEntry {
	readonly position: LogPosition;
	readonly height: Height;
	readonly kind: StateKind;
	readonly operationId: OperationId | undefined;
	readonly body: JsonObject;
	/** Of a verdict: what it is about; undefined where that entry was cut. */
	readonly admitted: Admitted | undefined;
}

/** A committed rollback as the log has it. */
export interface RollbackMark {
	readonly position: LogPosition;
	/** Generation that it began. */
	readonly generation: Generation;
	readonly ancestor: Height;
}

export interface LogReader {
	/** Entries at or below this position were cut; 0: none was. */
	cutTo(chainId: ChainId): Promise<LogPosition>;
	/** All that are left, by rising position. */
	rollbacks(chainId: ChainId): Promise<readonly RollbackMark[]>;
	/** Whether any group was derived in (above, to]. */
	hasGroups(
		chainId: ChainId,
		range: { readonly above: LogPosition; readonly to: LogPosition },
	): Promise<boolean>;
	/**
	 * Entries of STATE_KINDS in (above, to] by rising position, at most `limit`. Throws
	 * `FatalError("verification_failed")` for an entry whose checksum is not its own.
	 */
	entries(
		chainId: ChainId,
		range: { readonly above: LogPosition; readonly to: LogPosition; readonly limit: number },
	): Promise<readonly LoggedEntry[]>;
}
