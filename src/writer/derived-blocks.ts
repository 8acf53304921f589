/** What the follower hands to the writer: blocks with everything that was derived from them. */
import type { BlockHeader } from "../domain/block.ts";
import type { Height, Hex, OperationId } from "../domain/ids.ts";
import type { FoundAnchor } from "../memory/anchors.ts";
import type { HandlerOperation } from "../memory/handler-operation.ts";

export interface DerivedBlock {
	readonly header: BlockHeader;
	/** In the order of the chain. */
	readonly operations: readonly HandlerOperation[];
	/** Anchors of operations that are in this block, of those that were asked for. */
	readonly anchors: ReadonlyMap<OperationId, readonly FoundAnchor[]>;
}

/**
 * window: consecutive blocks, each with entry, header and checkpoint. backfill: below finality; blocks
 * that derived something and the last one, with one log entry for all.
 */
export interface DerivedGroup {
	readonly mode: "window" | "backfill";
	readonly blocks: readonly DerivedBlock[];
	/** First height that the group covers; the last is that of its last block. */
	readonly from: Height;
	/** Both heights after the group; undefined: not known. */
	readonly finality: { readonly safe: Height | undefined; readonly finalized: Height | undefined };
	readonly handlersHash: Hex;
	/** Of a backfill: every how manyth height stays readable; undefined: all of them. */
	readonly historyEvery?: number | undefined;
}

/** Without vectors a group needs no room in the tail; what comes back with an anchor may have some. */
export function addsVectors({ blocks }: DerivedGroup): boolean {
	return blocks.some(
		({ operations, anchors }) =>
			anchors.size > 0 ||
			operations.some((each) => each.kind === "put" && each.body.collection !== undefined),
	);
}
