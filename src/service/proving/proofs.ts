/**
 * Proofs of memories, and the state tree for whoever compares, at any sealed coordinate that is kept.
 *
 * 1. Nothing is answered that is not under the roots of the checkpoint where one is kept; rows or trees
 *    that give others are refused with `verification_failed`.
 * 2. The writer's own tree answers for the window where the lease is held; its marks may be given up at
 *    the next await, so it is read in one go. Everything else comes from trees of our own.
 */
import { buildProof, type VisibleMemory } from "../../commitment/proof.ts";
import { differingLayers, type StateRoots, sameRoots } from "../../commitment/state-root.ts";
import type { AnsweredAt, AtRequest } from "../../domain/coordinate.ts";
import { FatalError } from "../../domain/errors.ts";
import type { ChainId, Height, Hex, MemoryKey } from "../../domain/ids.ts";
import type { Version } from "../../domain/memory.ts";
import { memoryKey } from "../../memory/memory-key.ts";
import type { SealedStates } from "../../writer/sealed-states.ts";
import { CoordinateTrees, type TreeUse } from "./coordinate-trees.ts";
import type { ProofAnswer, ProofService, RootsFrom, TreeAnswer } from "./proof-service.ts";
import type { ProofStore, StoredPlace } from "./proof-store.ts";

/** The parts of one chain that proofs ask. */
export interface ProofChain {
	readonly chainId: ChainId;
	readonly name: string;
	/** States that the lease holder has at hand; undefined: another process holds the lease. */
	states(): SealedStates | undefined;
	/** Hash of the node's block at that height; undefined: the node has none. */
	blockHash(height: Height): Promise<Hex | undefined>;
}

interface ServedChain extends ProofChain {
	readonly trees: CoordinateTrees;
}

export class Proofs implements ProofService {
	readonly #store: ProofStore;
	readonly #chains: readonly ServedChain[];

	constructor(store: ProofStore, chains: readonly ProofChain[]) {
		this.#store = store;
		this.#chains = chains.map((chain) => ({ ...chain, trees: new CoordinateTrees(store) }));
	}

	async proof(chain: string, query: Parameters<ProofService["proof"]>[1]): Promise<ProofAnswer> {
		const served = this.#find(chain);
		const { namespace, id } = query;
		const key = memoryKey(namespace, id);
		const place = await this.#sealed(served, query.at, [key]);
		const blockHash = place.at.blockHash ?? (await nodesHash(served, place));
		const at = { ...place.at, blockHash };
		const memory = visibleMemory(place.memories.get(key));
		const proof = await read(served, place, (tree, mark) =>
			buildProof({ tree, mark, at, namespace, id, memory }),
		);
		return { at, checkpoint: rootsFrom(place), proof };
	}

	async tree(chain: string, query: Parameters<ProofService["tree"]>[1]): Promise<TreeAnswer> {
		const served = this.#find(chain);
		const { layer, paths } = query;
		const place = await this.#sealed(served, query.at, []);
		const found = await read(served, place, (tree, mark) => ({
			roots: tree.roots(mark),
			nodes: paths.map((path) => tree.node(layer, path, mark)),
		}));
		return { at: place.at, checkpoint: rootsFrom(place), ...found };
	}

	async names(chain: string, query: Parameters<ProofService["names"]>[1]) {
		const { chainId } = this.#find(chain);
		const { at, memories } = await this.#store.place(chainId, query.at, query.keys);
		return { at, memories: [...memories.values()].map(nameOf) };
	}

	/** Gives up the trees that are kept. */
	close(): void {
		for (const { trees } of this.#chains) trees.close();
	}

	async #sealed(
		{ chainId }: ServedChain,
		request: AtRequest,
		keys: readonly MemoryKey[],
	): Promise<StoredPlace> {
		const place = await this.#store.place(chainId, request, keys);
		if (place.at.pending) throw notSealed(place.at);
		return place;
	}

	#find(chain: string): ServedChain {
		const found = this.#chains.find(
			({ name, chainId }) => name === chain || chainId.toString() === chain,
		);
		if (found !== undefined) return found;
		throw new FatalError("unknown_chain", {
			message: `chain "${chain}" is not served here`,
			hint: `served: ${this.#chains.map(({ name, chainId }) => `${name} (${chainId})`).join(", ")}`,
			fields: { chain },
		});
	}
}

/** What stands under the roots of the place: the writer's state if it is that one, else one of ours. */
async function read<Result>(
	chain: ServedChain,
	place: StoredPlace,
	use: TreeUse<Result>,
): Promise<Result> {
	const held = chain.states();
	const mark = held?.at(place.at.height);
	// Equal roots are equal states, whatever the writer is in the middle of.
	if (
		held !== undefined &&
		mark !== undefined &&
		place.roots !== undefined &&
		sameRoots(held.tree.roots(mark), place.roots)
	) {
		return use(held.tree, mark);
	}
	const answer = await readOwn(chain.trees, place, use);
	if ("result" in answer) return answer.result;
	if (!chain.trees.distrust(place.at)) throw rootsDiffer(place, answer.roots);
	const again = await readOwn(chain.trees, place, use);
	if ("result" in again) return again.result;
	throw rootsDiffer(place, again.roots);
}

/** Roots in place of a result: they are not those of the checkpoint. */
async function readOwn<Result>(
	trees: CoordinateTrees,
	{ at, roots: stored }: StoredPlace,
	use: TreeUse<Result>,
): Promise<{ readonly result: Result } | { readonly roots: StateRoots }> {
	return trees.read(at, (tree, mark) => {
		const roots = tree.roots(mark);
		const differ = stored !== undefined && !sameRoots(roots, stored);
		return differ ? { roots } : { result: use(tree, mark) };
	});
}

function rootsDiffer({ at, roots: stored }: StoredPlace, roots: StateRoots): FatalError {
	const layers = differingLayers(roots, stored ?? roots).join(", ");
	return new FatalError("verification_failed", {
		message: `the memories at height ${at.height} do not give the roots of its checkpoint in ${layers}`,
		hint: "rows were changed outside of Recant or are damaged: run `recant check --level full`, then `recant repair`",
		fields: { height: at.height.toString(), generation: at.generation.toString(), layers },
	});
}

function rootsFrom({ roots }: StoredPlace): RootsFrom {
	return roots === undefined ? "rebuilt" : "stored";
}

/** Far below the window not every header is kept, and the node's is the one: no fork reaches there. */
async function nodesHash(chain: ServedChain, { at, canonical }: StoredPlace): Promise<Hex> {
	const found = canonical ? await chain.blockHash(at.height) : undefined;
	if (found !== undefined) return found;
	throw new FatalError("height_not_retained", {
		message: `the header of height ${at.height} is not kept, and the node does not have it`,
		hint: "prove at a height that has a checkpoint, see /v1/chains/{chain}/checkpoints",
		fields: { height: at.height.toString(), generation: at.generation.toString() },
	});
}

/** Tombstones are not visible, so a visible version has content. */
function visibleMemory(version: Version | undefined): VisibleMemory | undefined {
	if (version?.content === undefined) return undefined;
	return { ...version, content: version.content };
}

function nameOf({ memoryKey: key, namespace, id, layer, contentHash }: Version) {
	return { memoryKey: key, namespace, id, layer, contentHash };
}

function notSealed(at: AnsweredAt): FatalError {
	return new FatalError("not_sealed", {
		message: `height ${at.height} is the pending slot, which has no root yet`,
		hint: "prove at `latest`, or wait for the block that seals what was written",
		fields: { height: at.height.toString(), generation: at.generation.toString() },
	});
}
