/**
 * State trees of one chain at any sealed coordinate, for proofs: the writer's own tree knows only the
 * window, and only where the lease is held.
 *
 * 1. A tree is built from rows once, then taken to other coordinates by what differs from where it
 *    stands; what it has shown is kept, so that asking again costs nothing.
 * 2. One tree is made or moved at a time. Requests for a coordinate that is being made, or waits to be,
 *    share it; LIMITS.proofsWaiting coordinates may wait.
 * 3. Between two pages the event loop runs, hashing included.
 * 4. Memory is bounded: LIMITS.proofTrees trees, each of at most a quarter more leaves than its state has;
 *    all are given up after LIMITS.proofIdleMs without a request.
 *
 * What is read here comes from rows alone; whoever reads it compares it with a checkpoint where one is.
 */
import { setImmediate as turn } from "node:timers/promises";
import { LRUCache } from "lru-cache";
import type { TreeMark } from "../../commitment/persistent-tree.ts";
import { StateTree } from "../../commitment/state-tree.ts";
import type { Coordinate } from "../../domain/coordinate.ts";
import { RetryableError } from "../../domain/errors.ts";
import { LAYERS } from "../../domain/layer.ts";
import { LIMITS } from "../../domain/limits.ts";
import { Gate } from "../../resilience/gate.ts";
import type { PackedLeaves } from "../../writer/writer-store.ts";
import type { KeyState, ProofStore } from "./proof-store.ts";

/** Memories that are changed between two turns of the event loop: some 10 ms with their hashes. */
const STEP_MEMORIES = 5_000;
/** Leaves that may be kept for older states of however small a tree: 5 MB. */
const SPARE_LEAVES = 50_000;

/** Of a read, to find a state that was given up just as it arrived, by `close` or for lack of room. */
const ATTEMPTS = 3;

/**
 * A tree that is younger is not built again because its roots are wrong: who asks again and again for
 * damaged rows costs a build a minute.
 */
const TRUST_MS = 60_000;

/** Reads a state; the mark is good only until it returns. */
export type TreeUse<Result> = (tree: StateTree, mark: TreeMark) => Result;

export class CoordinateTrees {
	readonly #store: Pick<ProofStore, "leaves" | "changes">;
	readonly #turns = new Gate({ running: 1, waiting: LIMITS.proofsWaiting, full: tooManyWait });
	/** Coordinates that are being made, or wait to be, by name. */
	readonly #arrivals = new Map<string, Promise<void>>();
	/** The one used last comes first. */
	#trees: MovingTree[] = [];
	#idle: NodeJS.Timeout | undefined;

	constructor(store: Pick<ProofStore, "leaves" | "changes">) {
		this.#store = store;
	}

	/**
	 * Throws the typed errors of coordinates that cannot be read and of a database that is away, and
	 * `RetryableError("too_many_clients")` when too many other coordinates wait.
	 */
	async read<Result>(at: Coordinate, use: TreeUse<Result>): Promise<Result> {
		this.#stayAwake();
		for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
			const known = this.#known(at);
			if (known !== undefined) return use(known.tree, known.mark);
			await this.#arrival(at);
		}
		throw givenUp(at);
	}

	/**
	 * What was read at `at` is not what it should be: gives the tree up if it is old enough to be behind a
	 * repair of the rows. Answers whether reading again may help.
	 */
	distrust(at: Coordinate): boolean {
		const found = this.#trees.find((moving) => moving.markAt(at) !== undefined);
		if (found !== undefined && performance.now() - found.builtAt < TRUST_MS) return false;
		this.#trees = this.#trees.filter((each) => each !== found);
		return true;
	}

	/** Gives all trees up; a request that comes later builds them again. */
	close(): void {
		clearTimeout(this.#idle);
		this.#idle = undefined;
		this.#trees = [];
	}

	#known(at: Coordinate): TreeAtMark | undefined {
		for (const moving of this.#trees) {
			const mark = moving.markAt(at);
			if (mark === undefined) continue;
			this.#useNext(moving);
			return { tree: moving.tree, mark };
		}
		return undefined;
	}

	/** Resolves when a tree is there. */
	#arrival(at: Coordinate): Promise<void> {
		const name = nameOf(at);
		const under = this.#arrivals.get(name);
		if (under !== undefined) return under;
		const arrival = this.#turns
			.run(() => this.#arrive(at))
			.finally(() => this.#arrivals.delete(name));
		this.#arrivals.set(name, arrival);
		return arrival;
	}

	async #arrive(at: Coordinate): Promise<void> {
		const moving = (await this.#moved(at)) ?? (await this.#built(at));
		moving.arrived(at);
		this.#useNext(moving);
	}

	/** A tree that was taken to `at`; undefined: none is near enough. */
	async #moved(at: Coordinate): Promise<MovingTree | undefined> {
		for (const moving of this.#trees) {
			const changes = await this.#store.changes(moving.at, at, LIMITS.proofCarriedMemories);
			if (changes === undefined) continue;
			try {
				await moving.apply(changes);
				return moving;
			} catch (error) {
				// It stands nowhere now.
				this.#trees = this.#trees.filter((each) => each !== moving);
				throw error;
			}
		}
		return undefined;
	}

	async #built(at: Coordinate): Promise<MovingTree> {
		// Before the new one is there, so that no more are held at any time.
		this.#trees = this.#trees.slice(0, LIMITS.proofTrees - 1);
		const tree = await this.#store.leaves(at, treeOf);
		return new MovingTree(tree, at);
	}

	#useNext(moving: MovingTree): void {
		if (this.#trees[0] === moving) return;
		this.#trees = [moving, ...this.#trees.filter((each) => each !== moving)];
	}

	#stayAwake(): void {
		if (this.#idle !== undefined) this.#idle.refresh();
		else this.#idle = setTimeout(() => this.close(), LIMITS.proofIdleMs).unref();
	}
}

interface TreeAtMark {
	readonly tree: StateTree;
	readonly mark: TreeMark;
}

/** A tree, where it stands, and the coordinates that it still remembers. */
class MovingTree {
	readonly tree: StateTree;
	readonly builtAt = performance.now();
	#at: Coordinate;
	readonly #marks = new LRUCache<string, TreeMark>({
		max: LIMITS.proofStates,
		dispose: (mark) => this.tree.release(mark),
	});

	constructor(tree: StateTree, at: Coordinate) {
		this.tree = tree;
		this.#at = at;
	}

	/** Where the tree's present stands. */
	get at(): Coordinate {
		return this.#at;
	}

	markAt(at: Coordinate): TreeMark | undefined {
		return this.#marks.get(nameOf(at));
	}

	async apply(changes: readonly KeyState[]): Promise<void> {
		for (let from = 0; from < changes.length; from += STEP_MEMORIES) {
			for (const change of changes.slice(from, from + STEP_MEMORIES)) this.#apply(change);
			this.tree.roots();
			await turn();
		}
	}

	/** The present is the state at `at`. */
	arrived(at: Coordinate): void {
		this.#at = at;
		this.#marks.set(nameOf(at), this.tree.mark());
		this.#forgetOldest();
	}

	#apply({ memoryKey, visible }: KeyState): void {
		for (const layer of LAYERS) {
			if (layer === visible?.layer) continue;
			if (this.tree.contentHash(layer, memoryKey) !== undefined) this.tree.delete(layer, memoryKey);
		}
		if (visible !== undefined) this.tree.set({ memoryKey, ...visible });
	}

	/** States that lie far apart share little: then fewer of them are kept. */
	#forgetOldest(): void {
		const counts = this.tree.counts();
		const present = LAYERS.reduce((sum, layer) => sum + counts[layer], 0);
		const room = present * 1.25 + SPARE_LEAVES;
		while (this.#marks.size > 1 && this.tree.used.leaves > room) this.#marks.pop();
	}
}

async function treeOf(pages: AsyncIterable<PackedLeaves>): Promise<StateTree> {
	const tree = new StateTree();
	for await (const { layer, bytes } of pages) {
		tree.addPacked(layer, bytes);
		// Pages come by rising key: what is hashed now is hardly touched again.
		tree.roots();
		await turn();
	}
	return tree;
}

function tooManyWait({ waiting }: { readonly waiting: number }): RetryableError {
	return new RetryableError("too_many_clients", {
		message: `${waiting} other states wait to be read already`,
		hint: "try again later; proofs at one height share their state, so ask for heights in turn",
		fields: { waiting },
	});
}

/** The states were given up between their arrival and their use, again and again. */
function givenUp({ height, generation }: Coordinate): RetryableError {
	return new RetryableError("not_ready", {
		message: `the state at height ${height} could not be kept long enough to be read`,
		hint: "try again",
		fields: { height: height.toString(), generation: generation.toString() },
	});
}

function nameOf({ height, generation }: Coordinate): string {
	return `${height}:${generation}`;
}
