/** The branch on which a state that was derived anew is put, see rederive/. Pure. */
import type { HeaderWindow } from "../chain/header-window.ts";
import type { BlockHeader } from "../domain/block.ts";
import type { Height } from "../domain/ids.ts";
import type { Observation } from "./observe.ts";

/**
 * Headers above `above`, as far as the chain was committed, on the branch that the node has: ours, or where it
 * shows another the one that it shows. Undefined: the decision has to be acted on first, or waited for.
 */
export function handlersBranch(
	decision: Observation["decision"],
	window: HeaderWindow,
	above: Height,
): readonly BlockHeader[] | undefined {
	const ours = window.headers.filter(({ number }) => number > above);
	switch (decision.type) {
		case "ignore":
			return decision.reason === "same_head" ? ours : undefined;
		case "extend":
		case "backfill":
			return ours;
		case "reorg":
		case "shrink": {
			const { number: last } = decision.ancestor;
			if (last < above) return undefined;
			const shared = ours.filter(({ number }) => number <= last);
			return decision.type === "reorg" ? [...shared, ...decision.blocks] : shared;
		}
		default:
			return undefined;
	}
}
