/** What a plan is made from: findings, one snapshot of the rows, the writer's tree, and the other stores. */
import type { ChainId, Generation, Height, LogPosition, MemoryKey } from "../../domain/ids.ts";
import type { Version } from "../../domain/memory.ts";
import type { GroupDeriver } from "../../restore/group-deriver.ts";
import type { ShadowRow } from "../../restore/shadow-store.ts";
import type { Embedder } from "../../vectors/embedder.ts";
import type { InspectedTables } from "../../vectors/inspected-tables.ts";
import type { VectorPointers } from "../../writer/commit-batch.ts";
import type { SealedStates } from "../../writer/sealed-states.ts";
import type { NodeHeaders } from "../check-context.ts";
import type { KeptFinding } from "../consistency-run.ts";
import type { StoredCollection, StoredState, StoredVersion } from "../stored-state.ts";
import type { RepairRows } from "./repair-store.ts";

/** The parts of the running chain that a repair takes its sources from. */
export interface RepairParts {
	readonly tables: InspectedTables;
	readonly embedder: Embedder;
	readonly node: NodeHeaders;
	/** Undefined where the chain's handlers are not known. */
	readonly deriver: GroupDeriver | undefined;
	/** Undefined: no verified snapshot can be read here. */
	readonly snapshots: SnapshotMemories | undefined;
}

/** Memories from the newest verified snapshot of the present branch. */
export interface SnapshotMemories {
	/** At the head, which is sealed. A memory without a copy has no entry. */
	memories(
		at: {
			readonly chainId: ChainId;
			readonly height: Height;
			readonly generation: Generation;
			readonly logPosition: LogPosition;
		},
		keys: readonly MemoryKey[],
	): Promise<ReadonlyMap<MemoryKey, ShadowRow>>;
}

export interface PlanContext {
	readonly chainId: ChainId;
	readonly findings: readonly KeptFinding[];
	readonly state: StoredState;
	readonly rows: RepairRows;
	readonly parts: RepairParts;
	/** The writer's; undefined: its tree was built from rows that are damaged, and proves nothing. */
	readonly states: SealedStates | undefined;
	/** Where the writer knows the tables to be. */
	readonly pointers: VectorPointers;
	readonly collections: ReadonlyMap<string, StoredCollection>;
	/** Oldest generation that is kept. */
	readonly kept: Generation;
	/** Highest slot that can be written. */
	readonly slot: Height;
}

/** A row as a check would see it. */
export function asStored(version: Version): StoredVersion {
	return { ...version, tombstone: version.content === undefined, body: version, intact: true };
}

/** Whether retention has taken away what ended at that generation. */
export function isPruned(toGen: Generation, { kept }: Pick<PlanContext, "kept">): boolean {
	return kept > 0n && toGen <= kept;
}
