/**
 * The two deeper marks of the committed chain, and the floor of its window.
 *
 * 1. 0 <= finalized <= safe <= committed head.
 * 2. finalized only moves forward, whatever a node says later. safe does too, except that a rollback
 *    takes back what it orphaned (`rewindFinality`). One that an operator accepted on a quorum's word may go
 *    below finality: it alone takes `finalized` back with it (`retractFinality`).
 * 3. A tag counts only as far as the committed chain holds the tagged block.
 */
import type { BlockHeader } from "../domain/block.ts";
import { FatalError } from "../domain/errors.ts";
import type { Height, Hex } from "../domain/ids.ts";
import type { HeaderWindow } from "./header-window.ts";
import { higher, lower } from "./height.ts";
import type { WindowSize } from "./window-size.ts";

/** Both inclusive. */
export interface Finality {
	readonly safe: Height;
	readonly finalized: Height;
}

/** Of a chain that has just begun: block 0 is final. */
export const GENESIS_FINALITY: Finality = { safe: 0n, finalized: 0n };

interface FinalityInput {
	/**
	 * The committed chain. Its tip must have been confirmed by the node in this very round (extended,
	 * reorganised or the same head): a tag above the tip makes the whole window final.
	 */
	readonly window: HeaderWindow;
	/** What the node answers for its tags; undefined where it has no such tag. */
	readonly tagged: {
		readonly safe: BlockHeader | undefined;
		readonly finalized: BlockHeader | undefined;
	};
	/** Blocks under the head that count as final where the node has no finalized tag. */
	readonly depthBlocks: number;
	readonly previous: Finality;
}

/**
 * Where the chain stands now. Without a safe tag, safe is the finalized height, since nothing weaker
 * is known. Throws `FatalError("internal")` if the head is below what was final before.
 */
export function finality(input: FinalityInput): Finality {
	const { window, tagged, depthBlocks, previous } = input;
	const head = window.tip.number;
	if (previous.finalized > head) throw headBelowFinality(head, previous.finalized);

	const marked =
		tagged.finalized === undefined
			? head - BigInt(depthBlocks)
			: taggedHeight(tagged.finalized, window, previous.finalized);
	const safeMark =
		tagged.safe === undefined ? marked : taggedHeight(tagged.safe, window, previous.safe);
	const finalized = higher(previous.finalized, lower(marked, safeMark));
	return { finalized, safe: lower(head, higher(higher(previous.safe, safeMark), finalized)) };
}

/** What still stands after the chain went back to `ancestor`, which is at or above the finalized block. */
export function rewindFinality(previous: Finality, ancestor: Height): Finality {
	if (ancestor < previous.finalized) throw headBelowFinality(ancestor, previous.finalized);
	return { finalized: previous.finalized, safe: lower(previous.safe, ancestor) };
}

/** The same after a rollback that a recovery lets go below the finalized block: both marks go back with it. */
export function retractFinality({ safe, finalized }: Finality, ancestor: Height): Finality {
	return { finalized: lower(finalized, ancestor), safe: lower(safe, ancestor) };
}

/**
 * Lowest height that the window keeps, inclusive: the finalized block, which may be an ancestor, or
 * where finality stalls the last `windowBlocks`. It is the floor of retention too.
 */
export function windowFloor(
	at: { readonly head: Height; readonly finalized: Height } & WindowSize,
): Height {
	const cap = at.head - BigInt(at.windowBlocks) + 1n;
	const lowest = lower(higher(at.finalized, at.windowFrom), at.head);
	return higher(0n, higher(lowest, cap));
}

/**
 * Where a tagged block stands to the committed chain. off_chain: it is of another branch, above what is final.
 * changed: it is another block at a height that was final. unknown: it is above the tip, or below the window.
 */
export type TagPlace = "changed" | "off_chain" | "on_chain" | "unknown";

/** `kept`: hash of the committed block of that height, where the window does not reach down to it. */
export function tagPlace(
	tag: Pick<BlockHeader, "hash" | "number">,
	committed: {
		readonly window: HeaderWindow;
		readonly finalized: Height;
		readonly kept?: Hex | undefined;
	},
): TagPlace {
	const { window, finalized, kept } = committed;
	const hash =
		window.at(tag.number)?.hash ?? (tag.number < window.oldest.number ? kept : undefined);
	if (hash === undefined) return "unknown";
	if (hash === tag.hash) return "on_chain";
	return tag.number <= finalized ? "changed" : "off_chain";
}

/** A tag on another branch says nothing about this chain. Below the window it cannot be compared. */
function taggedHeight(tag: BlockHeader, window: HeaderWindow, otherwise: Height): Height {
	if (tag.number > window.tip.number) return window.tip.number;
	const committed = window.at(tag.number);
	return committed === undefined || committed.hash === tag.hash ? tag.number : otherwise;
}

function headBelowFinality(head: Height, finalized: Height): FatalError {
	return new FatalError("internal", {
		message: `the head ${head} is below the finalized height ${finalized}`,
		hint: "this is a defect of Recant; please report it with the log",
		fields: { head: head.toString(), finalized: finalized.toString() },
	});
}
