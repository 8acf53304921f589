/** What the writer asks of Postgres. The adapter is store/writing/postgres-writer-store.ts. */
import type { BlockHeader } from "../domain/block.ts";
import type {
	ChainId,
	Generation,
	Height,
	Hex,
	LogPosition,
	MemoryKey,
	VersionId,
} from "../domain/ids.ts";
import type { Layer } from "../domain/layer.ts";
import type { Version } from "../domain/memory.ts";
import type { SourceRef } from "../domain/provenance.ts";
import type { Held, HeldKey } from "../memory/ground.ts";
import type { StoredOperation } from "../memory/operation-codec.ts";
import type { ChainState } from "./chain-state.ts";
import type { CommitBatch } from "./commit-batch.ts";

/** Why a chain stands still until an operator acts. */
export interface Problem {
	readonly code: string;
	readonly message: string;
	readonly hint: string;
}

export interface InboxEntry {
	readonly entryId: bigint;
	readonly operations: readonly StoredOperation[];
}

/** An agent's operation that a fork may still touch. */
export interface OpenOperation {
	/** With its anchors where they stand now. */
	readonly stored: StoredOperation;
	/** Position that it first got; the order in which agents wrote. */
	readonly position: LogPosition;
	/** Slot that it was first given. */
	readonly originalSlot: Height;
	readonly status: "applied" | "suspended" | "recanted";
	/** Slot at which it takes effect now; undefined while it is withdrawn. */
	readonly effectiveSlot: Height | undefined;
	/** True: it takes effect although what it rests on is gone. */
	readonly suspect: boolean;
	/** Slot at which it was last judged. */
	readonly judgedSlot: Height;
	/** See OriginalPlace in log-draft.ts. */
	readonly conditionPosition: LogPosition | undefined;
}

/** A memory in the order of writing. */
export type WrittenMemory = Pick<Version, "expiresBlock" | "memoryKey" | "position">;

/** A place in the order in which a memory was written. */
export interface MemoryPlace {
	readonly namespace: string;
	readonly id: string;
	readonly position: LogPosition;
}

/** A link's name: which memories it joins. */
export interface LinkEdge {
	readonly linkKey: MemoryKey;
	readonly fromKey: MemoryKey;
	readonly toKey: MemoryKey;
	readonly type: string;
}

export interface LoadedChain {
	readonly state: ChainState;
	/** The window's headers, ascending and linked; empty before the first block. */
	readonly window: readonly BlockHeader[];
	readonly halt: Problem | undefined;
	/** Hash of block 0 as it was first seen; undefined: it is not known. */
	readonly genesis?: Hex | undefined;
}

export interface PackedLeaves {
	readonly layer: Layer;
	readonly bytes: Uint8Array;
}

export interface WriterStore {
	/** Takes the lease if it is free, lapsed or held by a process known to be dead. */
	acquireLease(
		chainId: ChainId,
		holder: string,
		ttlMs: number,
	): Promise<{ readonly fence: bigint } | { readonly heldBy: string }>;
	/**
	 * False: the lease is another's now. `status`: JSON of where its holder stands, for processes that do not
	 * follow the chain; undefined leaves what was said last.
	 */
	renewLease(lease: {
		readonly chainId: ChainId;
		readonly fence: bigint;
		readonly ttlMs: number;
		readonly status?: string | undefined;
	}): Promise<boolean>;
	releaseLease(chainId: ChainId, fence: bigint): Promise<void>;
	loadChain(chainId: ChainId): Promise<LoadedChain>;
	/**
	 * Leaves of the state tree as the rows have them, with the pending slot and with what is still to end in it,
	 * packed: 16 bytes of memory key and 32 of content hash each. In pieces, in any order.
	 */
	leaves(chainId: ChainId): AsyncIterable<PackedLeaves>;
	inbox(chainId: ChainId, operationLimit: number): Promise<readonly InboxEntry[]>;
	/**
	 * Of each memory the rows of the present generation that a write may touch: the newest two (an
	 * ending one may stand below the pending one). A memory without rows has no entry.
	 */
	latestVersions(
		chainId: ChainId,
		keys: readonly MemoryKey[],
	): Promise<ReadonlyMap<MemoryKey, readonly Version[]>>;
	/**
	 * Memories of the present generation that end by themselves at a height in (above, to], and those that
	 * are there above `above` and end at a block time in (since, time], in seconds.
	 */
	expiring(
		chainId: ChainId,
		range: {
			readonly above: Height;
			readonly to: Height;
			readonly since: bigint;
			readonly time: bigint;
		},
	): Promise<readonly MemoryKey[]>;
	/** Block times above `since`, in seconds, at which memories end: the first LIMITS.expiryTimes, rising. */
	expiryTimes(chainId: ChainId, since: bigint): Promise<readonly bigint[]>;
	/**
	 * Which of these sources hold in the present generation at or below a height: see Held. What does not
	 * has no entry.
	 */
	heldSources(
		chainId: ChainId,
		sources: readonly SourceRef[],
		upTo: Height,
	): Promise<ReadonlyMap<HeldKey, Held>>;
	/**
	 * Memories of a namespace's layers that are visible at `height` in the present generation: at most
	 * `limit`, those that were written last.
	 */
	population(
		chainId: ChainId,
		query: {
			readonly namespace: string;
			readonly layers: readonly Layer[];
			readonly height: Height;
			readonly limit: number;
		},
	): Promise<readonly MemoryKey[]>;
	/** Short-term memories of a namespace that are visible there, at most `limit`, those written first. */
	writingOrder(
		chainId: ChainId,
		query: { readonly namespace: string; readonly height: Height; readonly limit: number },
	): Promise<readonly WrittenMemory[]>;
	/** Links of that type that can be reached from these memories, whether or not they hold; at most `limit`. */
	linksFrom(
		chainId: ChainId,
		query: {
			readonly keys: readonly MemoryKey[];
			readonly type: string;
			readonly limit: number;
		},
	): Promise<readonly LinkEdge[]>;
	/**
	 * For each place of a memory in the order of writing the first put above it that takes effect at or below
	 * a height; none where there is none.
	 */
	nextPuts(
		chainId: ChainId,
		above: readonly MemoryPlace[],
		upTo: Height,
	): Promise<readonly MemoryPlace[]>;
	/**
	 * Agents' operations that are not final, in log order: what is suspended or suspect, and what was judged
	 * for a slot above a height. The writer asks for the former alone: the latter may be all that was lately
	 * written. `finality`: those too that would not be final if no more than that height were; throws
	 * `FatalError("history_pruned")` when the log entry of one of them was cut.
	 */
	openOperations(
		chainId: ChainId,
		which: { readonly judgedAbove: Height | undefined; readonly finality?: Height | undefined },
	): Promise<readonly OpenOperation[]>;
	/** Hashes of the present generation's blocks at these heights; one that is not kept has no entry. */
	blockHashes(chainId: ChainId, heights: readonly Height[]): Promise<ReadonlyMap<Height, Hex>>;
	/** Vectors of these versions; what has none is left out. */
	vectors(
		chainId: ChainId,
		versionIds: readonly VersionId[],
	): Promise<ReadonlyMap<VersionId, Float32Array>>;
	/** See store/writing/commit.ts. */
	commit(
		batch: CommitBatch,
		expected: { readonly fence: bigint; readonly generation: Generation },
	): Promise<void>;
	/** Records finality, and marks the operations that no fork can touch any more. */
	settleFinal(
		chainId: ChainId,
		fence: bigint,
		finality: { readonly safe: Height; readonly finalized: Height },
	): Promise<void>;
	/**
	 * Keeps another cap of the window; nothing if the fence is not the newest. One that is raised reaches no
	 * further down than the window did until then, see WindowSize.
	 */
	resizeWindow(chainId: ChainId, fence: bigint, windowBlocks: number): Promise<void>;
	/** Keeps the hash of block 0, where none is kept yet; nothing if the fence is not the newest. */
	recordGenesis(chainId: ChainId, fence: bigint, hash: Hex): Promise<void>;
	/**
	 * Says why the chain is halted, or that it is not any more, and tells of it in the log. Answers the entry's
	 * position; undefined: nothing was written, as the fence is not the newest.
	 */
	halt(
		chainId: ChainId,
		fence: bigint,
		problem: Problem | undefined,
	): Promise<LogPosition | undefined>;
}
