/** Proofs of one small tree, for the HTTP tests. The proof is a real one. */

import { buildProof } from "../../src/commitment/proof.ts";
import { StateTree } from "../../src/commitment/state-tree.ts";
import type { AnsweredAt } from "../../src/domain/coordinate.ts";
import type { Hex, MemoryKey } from "../../src/domain/ids.ts";
import type { VersionBody } from "../../src/domain/memory.ts";
import { contentHash } from "../../src/memory/canonical.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { NOTHING_SAID } from "../../src/memory/nothing-said.ts";
import type { ProofService } from "../../src/service/proving/proof-service.ts";

const BLOCK: Hex = `0x${"b".repeat(64)}`;
const SEALED: AnsweredAt = {
	chainId: 31_337,
	height: 20n,
	generation: 0n,
	blockHash: BLOCK,
	logPosition: 12n,
	pending: false,
};

function fact(id: string): VersionBody & { content: { answer: number }; expiresBlock: undefined } {
	return {
		namespace: "default",
		id,
		layer: "semantic",
		owner: "agent",
		...NOTHING_SAID,
		content: { answer: 42 },
	};
}

/** Memories `fact:1` and `fact:2` are there; every call is written to `calls`. */
export function fakeProofs(
	calls: { readonly method: string; readonly args: readonly unknown[] }[],
): ProofService {
	const facts = ["fact:1", "fact:2"].map(fact);
	const tree = StateTree.build(
		facts.map((memory) => ({
			layer: memory.layer,
			memoryKey: memoryKey(memory.namespace, memory.id),
			contentHash: contentHash(memory),
		})),
	);
	const at = SEALED;
	return {
		proof: async (chain, query) => {
			calls.push({ method: "proof", args: [chain, query] });
			const { namespace, id } = query;
			const memory = facts.find((each) => each.namespace === namespace && each.id === id);
			const place = { ...SEALED, blockHash: BLOCK };
			const proof = buildProof({ tree, mark: undefined, at: place, namespace, id, memory });
			return { at, checkpoint: "stored", proof };
		},
		tree: async (chain, query) => {
			calls.push({ method: "tree", args: [chain, query] });
			const nodes = query.paths.map((path) => tree.node(query.layer, path));
			return { at, checkpoint: "rebuilt", roots: tree.roots(), nodes };
		},
		names: async (chain, query) => {
			calls.push({ method: "names", args: [chain, query] });
			const memories = query.keys.map((key: MemoryKey) => ({
				memoryKey: key,
				namespace: "default",
				id: "fact:1",
				layer: "semantic" as const,
				contentHash: BLOCK,
			}));
			return { at, memories };
		},
	};
}
