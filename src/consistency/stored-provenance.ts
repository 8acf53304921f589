/**
 * What one chain's rows say of what was derived from what, in the snapshot of a `StoredState`. The adapter
 * is store/checking/stored-provenance-view.ts.
 */
import type {
	ChainId,
	Generation,
	Height,
	Hex,
	LogPosition,
	MemoryKey,
	OperationId,
} from "../domain/ids.ts";
import type { SourceRef, Sources } from "../domain/provenance.ts";
import type { Held, HeldKey } from "../memory/ground.ts";
import type { StoredLogEntry } from "./stored-log-entry.ts";

/** Names a row of `derivations`. */
export interface DerivationPlace {
	/** Of the operation that was derived. */
	readonly position: LogPosition;
	readonly setNo: number;
	readonly sourceNo: number;
}

/** A row of `derivations`, as it stands or as the log wants it. */
export interface StoredDerivation extends DerivationPlace {
	/** The memory that was derived. */
	readonly memoryKey: MemoryKey;
	readonly sourceKey: MemoryKey;
	readonly source: SourceRef;
	readonly depth: number;
}

/** An agent's operation that takes effect, is trusted, is not final and goes when its sources do. */
export interface DerivedOperation {
	readonly operationId: OperationId;
	readonly namespace: string;
	readonly id: string;
	readonly position: LogPosition;
	readonly effectiveSlot: Height;
	readonly sources: Sources;
}

/** A version that a source names, as it was there when something was derived from it. */
export interface HeldVersion extends Held {
	/** Of the operation that wrote it. */
	readonly position: LogPosition;
	readonly contentHash: Hex;
}

export interface StoredProvenance {
	/** Entries of operations that name sources, by rising position. */
	derivedEntries(): AsyncIterable<readonly StoredLogEntry[]>;
	/** Those of these positions that are left in the log. */
	entriesAt(positions: readonly LogPosition[]): Promise<readonly StoredLogEntry[]>;
	/** Rows of `derivations`, by rising place. */
	derivations(): AsyncIterable<readonly StoredDerivation[]>;
	derivationsAt(positions: readonly LogPosition[]): Promise<readonly StoredDerivation[]>;
	/** Those of these positions that a version has, or an operation that is not final: retention keeps them. */
	needed(
		of: readonly Pick<StoredDerivation, "memoryKey" | "position">[],
	): Promise<ReadonlySet<LogPosition>>;
	/** By rising position. */
	derivedOperations(): AsyncIterable<readonly DerivedOperation[]>;
	/** As the writer looks sources up. */
	heldSources(
		chainId: ChainId,
		query: { readonly sources: readonly SourceRef[]; readonly upTo: Height },
	): Promise<ReadonlyMap<HeldKey, Held>>;
	/** Versions that the sources name, of that generation and written before that position. */
	heldBefore(
		sources: readonly SourceRef[],
		before: { readonly generation: Generation; readonly position: LogPosition },
	): Promise<ReadonlyMap<HeldKey, HeldVersion>>;
	/**
	 * Which of these memories may have said what no row has: a version of an agent gave its slot to a later one, or
	 * there are versions that the writer made by itself, of which that cannot be told.
	 */
	overwritten(
		memories: readonly Pick<SourceRef, "id" | "namespace">[],
	): Promise<ReadonlySet<MemoryKey>>;
}
