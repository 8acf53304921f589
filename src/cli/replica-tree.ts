/** The state tree of a running service, as a comparison reads it: one sealed state, many paths a request. */
import type { TreeAnswer, TreeMemoriesAnswer } from "../client/answers.ts";
import type { RecantClient } from "../client/client.ts";
import type { TreeReader } from "../commitment/compare-trees.ts";
import { type StateRoots, sameRoots } from "../commitment/state-root.ts";
import type { DigitPath, TreeNode } from "../commitment/state-tree.ts";
import { FatalError } from "../domain/errors.ts";
import type { MemoryKey } from "../domain/ids.ts";
import { LAYERS, type Layer } from "../domain/layer.ts";
import { LIMITS } from "../domain/limits.ts";
import type { CoordinateView } from "../domain/wire.ts";

type NamedMemory = TreeMemoriesAnswer["memories"][number];

export class ReplicaTree implements TreeReader {
	readonly #client: RecantClient;
	readonly #chain: string;
	readonly #first: TreeAnswer;
	/** With the one that opened it. */
	#requests = 1;

	private constructor(client: RecantClient, chain: string, first: TreeAnswer) {
		this.#client = client;
		this.#chain = chain;
		this.#first = first;
	}

	/** Pins the state that `at` means now; undefined: the committed head's. */
	static async open(
		client: RecantClient,
		chain: string,
		at: string | undefined,
	): Promise<ReplicaTree> {
		const [layer] = LAYERS;
		return new ReplicaTree(client, chain, await client.tree(chain, { layer, paths: [""], at }));
	}

	get at(): CoordinateView {
		return this.#first.at;
	}

	get roots(): StateRoots {
		return this.#first.roots;
	}

	/** Requests that were sent. */
	get requests(): number {
		return this.#requests;
	}

	/** Throws `FatalError("verification_failed")` when the replica answers from another state. */
	async nodes(layer: Layer, paths: readonly DigitPath[]): Promise<readonly TreeNode[]> {
		this.#requests += 1;
		const answer = await this.#client.tree(this.#chain, { layer, paths, ...this.#pinned });
		if (sameRoots(answer.roots, this.roots)) return answer.nodes;
		throw new FatalError("verification_failed", {
			message: `the replica's roots at height ${this.at.height} changed while they were read`,
			hint: "a sealed state never changes: check that replica",
		});
	}

	/** Names of the keys that it holds. */
	async names(keys: readonly MemoryKey[]): Promise<ReadonlyMap<MemoryKey, NamedMemory>> {
		const names = new Map<MemoryKey, NamedMemory>();
		for (let from = 0; from < keys.length; from += LIMITS.treePaths) {
			this.#requests += 1;
			const page = keys.slice(from, from + LIMITS.treePaths);
			const query = { keys: page, ...this.#pinned };
			const { memories } = await this.#client.treeMemories(this.#chain, query);
			for (const memory of memories) names.set(memory.memoryKey, memory);
		}
		return names;
	}

	get #pinned() {
		const { height, generation } = this.#first.at;
		return { at: height, generation };
	}
}
