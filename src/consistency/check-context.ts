/** What the rules of this folder compare with, beside the rows: the parts of the running chain. */

import type { TreeMark } from "../commitment/persistent-tree.ts";
import type { StateRoots } from "../commitment/state-root.ts";
import type { StateTree } from "../commitment/state-tree.ts";
import type { BlockHeader } from "../domain/block.ts";
import type { ChainId, Height, MemoryKey, VersionId } from "../domain/ids.ts";
import type { Version } from "../domain/memory.ts";
import type { Embedder } from "../vectors/embedder.ts";
import type { InspectedTables } from "../vectors/inspected-tables.ts";
import type { VectorPointers } from "../writer/commit-batch.ts";
import type { RuleContext, RunCoordinate } from "./rule.ts";
import type { DrawnSample } from "./sampling.ts";

/** The writer's state tree, frozen at the run's coordinate. */
export interface FrozenTree {
	readonly tree: StateTree;
	/** Pending slot included. */
	readonly mark: TreeMark;
	/** Of the head, as the writer sealed it; undefined: it has not sealed a block since it began. */
	readonly headRoots: StateRoots | undefined;
}

/** Headers from the chain's node. The adapter is rpc/. */
export interface NodeHeaders {
	/** In the same order; undefined: the node does not have it. */
	blocksByNumber(heights: readonly Height[]): Promise<readonly (BlockHeader | undefined)[]>;
}

/** One entry of working memory. */
export interface WorkingEntry {
	readonly memoryKey: MemoryKey;
	/** Undefined: it cannot be read. */
	readonly version: Version | undefined;
}

/** Working memory as a check reads it. The adapter is cache/. */
export interface WorkingEntries {
	/** Everything that a read of the chain could be answered from now. */
	entries(chainId: ChainId): AsyncIterable<WorkingEntry>;
}

/** The chain's state built again from a snapshot or nothing, the log and the chain. Restore makes it. */
export interface ShadowBuilder {
	/** Memories that are visible at that sealed block, by rising key. */
	restoreMemories(chainId: ChainId, at: RunCoordinate): AsyncIterable<readonly RestoredMemory[]>;
}

export interface RestoredMemory {
	readonly memoryKey: MemoryKey;
	readonly versionId: VersionId;
	readonly contentHash: Version["contentHash"];
}

export interface CheckParts {
	/** Undefined: this process holds no tree, and what differs is found but not named. */
	readonly frozen: FrozenTree | undefined;
	/** Where the writer believes the tables stand, now. */
	readonly pointers: () => VectorPointers | undefined;
	/** Where the rows say that the tables stand, now and not in the snapshot. */
	readonly storedPointers: () => Promise<VectorPointers>;
	readonly tables: InspectedTables;
	readonly embedder: Embedder;
	/** Whether the embedder gives one text the same vector to the bit, always. */
	readonly embedsExactly: boolean;
	readonly node: NodeHeaders;
	/** Undefined: there is no working memory. */
	readonly working: WorkingEntries | undefined;
	/** What is believed now of these memories, and in which pending slot. */
	readonly believed: (keys: readonly MemoryKey[]) => Promise<{
		readonly slot: Height;
		readonly versions: ReadonlyMap<MemoryKey, Version>;
	}>;
	/** Undefined: restoring is not available. */
	readonly shadow: ShadowBuilder | undefined;
}

export interface CheckContext extends RuleContext {
	readonly parts: CheckParts;
	/** What a sampled run reads; undefined: it reads everything. */
	readonly sample: DrawnSample | undefined;
}
