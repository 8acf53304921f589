/** The state tree at a start: built from the rows, which must give the roots that were recorded. */
import { StateTree } from "../commitment/state-tree.ts";
import type { ChainId } from "../domain/ids.ts";
import type { Layer } from "../domain/layer.ts";
import type { Problem, WriterStore } from "./writer-store.ts";

const ROWS_DIFFER = "verification_failed";

/** 2 to 5 s for a million memories, most of it the reading. */
export async function treeOf(store: WriterStore, chainId: ChainId): Promise<StateTree> {
	const tree = new StateTree();
	for await (const { layer, bytes } of store.leaves(chainId)) {
		tree.addPacked(layer, bytes);
		// A page at a time: all at once keeps the lease's renewal and every reader waiting for a second.
		tree.roots();
	}
	return tree;
}

/** Whether a chain stands still because of its rows; they alone can end that. */
export function isOfRows(halt: Problem | undefined): boolean {
	return halt?.code === ROWS_DIFFER;
}

export function rowsDiffer(layers: readonly Layer[]): Problem {
	return {
		code: ROWS_DIFFER,
		message: `the stored memories do not give the recorded roots of ${layers.join(", ")}`,
		hint: "rows were changed outside of Recant or are damaged: run `recant check --level full`, then `recant repair`",
	};
}
