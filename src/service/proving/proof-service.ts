/**
 * What the HTTP routes ask about the state tree. main.ts builds it; see service/proving/proofs.ts.
 *
 * `chain` is an id in decimal or a name; an unknown one throws `FatalError("unknown_chain")`. Only sealed
 * coordinates have a tree: the pending slot throws `FatalError("not_sealed")`.
 */
import type { StateProof } from "../../commitment/proof.ts";
import type { StateRoots } from "../../commitment/state-root.ts";
import type { DigitPath, TreeNode } from "../../commitment/state-tree.ts";
import type { AnsweredAt, AtRequest } from "../../domain/coordinate.ts";
import type { Hex, MemoryKey } from "../../domain/ids.ts";
import type { Layer } from "../../domain/layer.ts";

/**
 * stored: the roots are those of the block's checkpoint, kept since it was sealed. rebuilt: no checkpoint
 * is kept at that height, and the roots are made of the rows as they are now.
 */
export type RootsFrom = "stored" | "rebuilt";

export interface ProofAnswer {
	readonly at: AnsweredAt;
	readonly checkpoint: RootsFrom;
	readonly proof: StateProof;
}

export interface TreeAnswer {
	readonly at: AnsweredAt;
	readonly checkpoint: RootsFrom;
	readonly roots: StateRoots;
	/** Of one layer, in the order of the paths that were asked for. */
	readonly nodes: readonly TreeNode[];
}

/** Which memory a key stands for. */
export interface NamedMemory {
	readonly memoryKey: MemoryKey;
	readonly namespace: string;
	readonly id: string;
	readonly layer: Layer;
	readonly contentHash: Hex;
}

export interface ProofService {
	/** That the memory is visible there, or that it is not. */
	proof(
		chain: string,
		query: { readonly id: string; readonly namespace: string; readonly at: AtRequest },
	): Promise<ProofAnswer>;
	/** Parts of the state tree, for comparing replicas; at most LIMITS.treePaths of them. */
	tree(
		chain: string,
		query: {
			readonly layer: Layer;
			readonly paths: readonly DigitPath[];
			readonly at: AtRequest;
		},
	): Promise<TreeAnswer>;
	/** Names of those keys that are visible there. */
	names(
		chain: string,
		query: { readonly keys: readonly MemoryKey[]; readonly at: AtRequest },
	): Promise<{ readonly at: AnsweredAt; readonly memories: readonly NamedMemory[] }>;
}
