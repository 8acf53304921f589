/**
 * What the writer tells the working memory: the copy of short-term memories, as they are at `pending`
 * in the present generation, that is read without Postgres. The adapter is cache/.
 *
 * The writer names what a commit changes before it sends the commit, and says what became of it after. In
 * between none of that is read from the copy; the rest is, as of the commit before. While the writer does not
 * know an outcome nothing is. None of the calls waits, and none fails: a copy that cannot be told something is
 * given up whole.
 */
import type { BlockHeader } from "../domain/block.ts";
import type { ChainId, Generation, Height, LogPosition, MemoryKey } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import type { StateChanges } from "../memory/state-editor.ts";

/** The state that the copy belongs to. */
export interface CommittedState {
	readonly generation: Generation;
	readonly head: BlockHeader | undefined;
	readonly safe: Height | undefined;
	readonly finalized: Height | undefined;
	readonly logPosition: LogPosition;
}

export interface WorkingMemory {
	/** A commit that changes these memories is about to be sent. */
	changing(keys: readonly MemoryKey[]): void;
	/** It succeeded: `state` holds now, and these rows were written by it, in order. */
	changed(state: CommittedState, written: readonly Version[]): void;
	/** What Postgres holds is not known here: an unknown outcome, or work of somebody else. */
	suspend(): void;
	/** `state` was read from Postgres; what was copied before is forgotten. */
	resume(state: CommittedState): void;
	/** This writer is done with the chain. */
	close(): void;
}

export interface WorkingMemories {
	/** The copy of one chain, for its one writer; read only while `isLeaseHeld`. */
	open(chainId: ChainId, isLeaseHeld: () => boolean): WorkingMemory;
}

/** Every memory of which a row begins or ends. */
export function changedMemories(changes: StateChanges): readonly MemoryKey[] {
	const rows = [...changes.insert, ...changes.closeBlock, ...changes.closeGen];
	return [...new Set(rows.map((row) => row.memoryKey))];
}
