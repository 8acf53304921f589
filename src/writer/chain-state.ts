/**
 * What the lease holder knows of its chain between two commits. It is read once under the lease and
 * then follows each commit; when the outcome of a commit is unknown it is read again.
 */
import type { WindowSize } from "../chain/window-size.ts";
import type { StateRoots } from "../commitment/state-root.ts";
import type { BlockHeader } from "../domain/block.ts";
import type { ChainId, Generation, Height, LogPosition, VersionId } from "../domain/ids.ts";
import type { VectorPointers } from "./commit-batch.ts";

export interface ChainState extends WindowSize {
	readonly chainId: ChainId;
	readonly generation: Generation;
	/** Fencing number of the lease under which this was read. */
	readonly fence: bigint;
	readonly logPosition: LogPosition;
	readonly versionSeq: VersionId;
	/** Roots of the state tree, pending slot included. */
	readonly roots: StateRoots;
	/** Undefined before the first block. */
	readonly head: BlockHeader | undefined;
	readonly startBlock: Height;
	readonly safe: Height | undefined;
	readonly finalized: Height | undefined;
	readonly pointers: VectorPointers;
}

/** Slot over the committed head; the start block before there is a head. */
export function pendingSlot(state: ChainState): Height {
	return state.head === undefined ? state.startBlock : state.head.number + 1n;
}
