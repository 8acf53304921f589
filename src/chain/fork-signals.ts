import type { BlockHeader } from "../domain/block.ts";
import type { ForkSignal, Reorg } from "./decision.ts";

/** What a fork itself says of being one. */
export function forkSignals({ orphaned, blocks }: Reorg): readonly ForkSignal[] {
	const tip = orphaned.at(-1);
	const head = blocks.at(-1);
	if (tip === undefined || head === undefined) return [];
	const onTip = blocks.find(({ number }) => number === tip.number + 1n);
	const signals: ForkSignal[] = [];
	if (onTip !== undefined && onTip.parentHash !== tip.hash) signals.push("parent_mismatch");
	if (blocks.some(({ number }: BlockHeader) => number <= tip.number)) signals.push("other_hash");
	if (head.number < tip.number) signals.push("head_below");
	return signals;
}
