/** What has to change in a state tree for it to become the tree of a shadow. Reads both by rising key. */
import type { LeafChange } from "../commitment/leaf-changes.ts";
import type { CommittedMemory, StateTree } from "../commitment/state-tree.ts";
import type { MemoryKey } from "../domain/ids.ts";
import { LAYERS, type Layer } from "../domain/layer.ts";
import { isThere, type Shadow, type ShadowStore, shadowRows } from "./shadow-store.ts";
import { requireWhole } from "./verify-shadow.ts";

/**
 * Holds the differences, and a page of the shadow at a time. The tree must not change meanwhile. Throws
 * `FatalError("verification_failed")` for a row that is not what its hashes say.
 */
export async function leafDifference(
	tree: Pick<StateTree, "memories">,
	store: Pick<ShadowStore, "page">,
	{ shadowId, height }: Pick<Shadow, "shadowId" | "height">,
): Promise<readonly LeafChange[]> {
	const differences = LAYERS.map((layer) => new LayerDifference(layer, tree.memories(layer)));
	for await (const rows of shadowRows(store, shadowId)) {
		for (const row of rows) {
			requireWhole(row);
			if (!isThere(row, height)) continue;
			differences.find(({ layer }) => layer === row.layer)?.meet(row);
		}
	}
	return differences.flatMap((difference) => difference.end());
}

/** One layer: its leaves in the tree, and the shadow's memories as they come. */
class LayerDifference {
	readonly layer: Layer;
	readonly #leaves: Iterator<CommittedMemory>;
	readonly #changes: LeafChange[] = [];
	#leaf: CommittedMemory | undefined;

	constructor(layer: Layer, leaves: Iterator<CommittedMemory>) {
		this.layer = layer;
		this.#leaves = leaves;
		this.#leaf = this.#next();
	}

	meet({ memoryKey, contentHash }: CommittedMemory): void {
		this.#passBelow(memoryKey);
		const known = this.#leaf?.memoryKey === memoryKey ? this.#leaf : undefined;
		if (known !== undefined) this.#leaf = this.#next();
		if (known?.contentHash === contentHash) return;
		this.#changes.push({ layer: this.layer, memoryKey, contentHash });
	}

	/** What the shadow does not have goes. */
	end(): readonly LeafChange[] {
		this.#passBelow(undefined);
		return this.#changes;
	}

	#passBelow(key: MemoryKey | undefined): void {
		while (this.#leaf !== undefined && (key === undefined || this.#leaf.memoryKey < key)) {
			const { memoryKey } = this.#leaf;
			this.#changes.push({ layer: this.layer, memoryKey, contentHash: undefined });
			this.#leaf = this.#next();
		}
	}

	#next(): CommittedMemory | undefined {
		const { done, value } = this.#leaves.next();
		return done === true ? undefined : value;
	}
}
