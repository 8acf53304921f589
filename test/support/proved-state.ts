/** States of real memories, whose keys and hashes are made from what they say; and proofs of them. */

import { buildProof, type StateProof, type VisibleMemory } from "../../src/commitment/proof.ts";
import { StateTree } from "../../src/commitment/state-tree.ts";
import type { Layer } from "../../src/domain/layer.ts";
import { contentHash } from "../../src/memory/canonical.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { NOTHING_SAID } from "../../src/memory/nothing-said.ts";
import { hashOf } from "./tree-model.ts";

export const PLACE = {
	chainId: 31_337,
	height: 1_234n,
	blockHash: hashOf("block"),
	generation: 2n,
} as const;

export const NAMESPACE = "agent";

/** A memory with the least that it must have, and what is given. */
export function visibleMemory(id: string, parts: Partial<VisibleMemory> = {}): VisibleMemory {
	return {
		namespace: NAMESPACE,
		id,
		layer: "semantic",
		owner: "agent",
		...NOTHING_SAID,
		content: { id },
		...parts,
	};
}

/** A memory with every field. */
export function fullMemory(id: string, layer: Layer = "semantic"): VisibleMemory {
	return visibleMemory(id, {
		layer,
		owner: "handler",
		content: { id, amount: "12345678901234567890", nested: [1.5, { yes: true, none: null }] },
		text: `what ${id} says`,
		collection: "facts",
		importance: 0.5,
		confidence: 0.75,
		vectorHash: hashOf(`vector ${id}`),
		expiresBlock: 9_999n,
	});
}

export function treeOf(memories: readonly VisibleMemory[]): StateTree {
	return StateTree.build(
		memories.map((memory) => ({
			layer: memory.layer,
			memoryKey: memoryKey(memory.namespace, memory.id),
			contentHash: contentHash(memory),
		})),
	);
}

/** Of a memory of the tree; of an id alone: that it is not there. As a reader gets it: through JSON. */
export function proofOf(tree: StateTree, subject: VisibleMemory | string): StateProof {
	const memory = typeof subject === "string" ? undefined : subject;
	const id = typeof subject === "string" ? subject : subject.id;
	const proof = buildProof({
		tree,
		mark: undefined,
		at: PLACE,
		namespace: memory?.namespace ?? NAMESPACE,
		id,
		memory,
	});
	return JSON.parse(JSON.stringify(proof));
}
