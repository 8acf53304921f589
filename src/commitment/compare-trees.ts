/**
 * Finds the memories in which two state trees differ, reading no more of either than lies above the
 * differences: it goes down only where hashes differ, and asks for many paths at a time.
 *
 * 1. Every node's hash is made again from its children, and must be the one that its parent named. So
 *    what a reader shows is all under the root that it named first, and a tree that was changed between
 *    two reads is found out.
 * 2. The deepest places are read first, so that few are held, and a limit of differences ends the
 *    comparison early however many there are.
 */
import { FatalError } from "../domain/errors.ts";
import type { Hex, MemoryKey } from "../domain/ids.ts";
import { LAYERS, type Layer } from "../domain/layer.ts";
import { digitAt, KEY_BYTES, KEY_DIGITS, RADIX, writeKey } from "./key-digits.ts";
import type { DigitPath, TreeChild, TreeLeaf, TreeNode } from "./state-tree.ts";
import { leafHash, nodeHash, ZERO_HASH } from "./tree-hash.ts";

/** One side of a comparison: a tree of this process, or a replica's over a wire. */
export interface TreeReader {
	/** What stands at each of the paths, in their order; of one state, such as a sealed height. */
	nodes(layer: Layer, paths: readonly DigitPath[]): Promise<readonly TreeNode[]>;
}

/** A memory that the two sides hold differently; undefined: that side does not hold it. */
export interface TreeDifference {
	readonly layer: Layer;
	readonly memoryKey: MemoryKey;
	readonly left: Hex | undefined;
	readonly right: Hex | undefined;
}

export interface TreeComparison {
	/** In the order of layers, and of keys within a layer; the first ones only if it is complete. */
	readonly differences: readonly TreeDifference[];
	/** False: there are more than the limit, and the comparison ended there. */
	readonly complete: boolean;
	/** Nodes that were asked for, of each side. */
	readonly reads: { readonly left: number; readonly right: number };
}

export interface ComparisonBounds {
	/** Differences after which the comparison ends. */
	readonly differences: number;
	/** Paths of one request to a reader. */
	readonly pathsPerRead: number;
}

type Side = "left" | "right";
/** A place in which the sides differ, as far as the nodes above it tell. */
interface Place {
	readonly path: DigitPath;
	readonly left: TreeChild;
	readonly right: TreeChild;
}

/**
 * Compares all layers. Throws what the readers throw, and `FatalError("verification_failed")` when a
 * reader answers with something else than a tree.
 */
export async function compareTrees(
	left: TreeReader,
	right: TreeReader,
	bounds: ComparisonBounds,
): Promise<TreeComparison> {
	const run = new Comparison({ left, right }, bounds);
	for (const layer of LAYERS) await run.layer(layer);
	return run.result();
}

class Comparison {
	readonly #readers: Readonly<Record<Side, TreeReader>>;
	readonly #bounds: ComparisonBounds;
	readonly #differences: TreeDifference[] = [];
	readonly #reads = { left: 0, right: 0 };

	constructor(readers: Readonly<Record<Side, TreeReader>>, bounds: ComparisonBounds) {
		this.#readers = readers;
		this.#bounds = bounds;
	}

	result(): TreeComparison {
		const within = this.#bounds.differences;
		const complete = this.#differences.length <= within;
		const differences = this.#differences.slice(0, within);
		return { differences, complete, reads: { ...this.#reads } };
	}

	/** Holds at most RADIX places for each path of a read and level of the tree. */
	async layer(layer: Layer): Promise<void> {
		const found: TreeDifference[] = [];
		const places: Place[] = [{ path: "", left: UNREAD, right: UNREAD }];
		while (places.length > 0 && !this.#isFull(found)) {
			const deepest = places.splice(-this.#bounds.pathsPerRead);
			for (const place of await this.#below(layer, deepest)) {
				if (isNode(place.left) || isNode(place.right)) places.push(place);
				else found.push(...leafDifferences(layer, place));
			}
		}
		this.#differences.push(...found.sort(byKey));
	}

	/** Past the limit by one: so much tells that there are more. */
	#isFull(found: readonly TreeDifference[]): boolean {
		return this.#differences.length + found.length > this.#bounds.differences;
	}

	/** Where the sides differ just below these places, or at them where neither has a node. */
	async #below(layer: Layer, places: readonly Place[]): Promise<readonly Place[]> {
		const [left, right] = await Promise.all([
			this.#read("left", layer, places),
			this.#read("right", layer, places),
		]);
		return places.flatMap(({ path }, at) => differing(path, nodeAt(left, at), nodeAt(right, at)));
	}

	/** What stands at the places; a leaf and an empty place are known from the node above. */
	async #read(side: Side, layer: Layer, places: readonly Place[]): Promise<readonly TreeNode[]> {
		const paths = places.filter((place) => isNode(place[side])).map(({ path }) => path);
		this.#reads[side] += paths.length;
		const answers = paths.length === 0 ? [] : await this.#readers[side].nodes(layer, paths);
		if (answers.length !== paths.length) {
			throw misread(`${answers.length} nodes for ${paths.length} paths`);
		}
		const rest = answers.values();
		return places.map((place) => {
			const known = place[side];
			return known.type === "node" ? checked(known, nextOf(rest, place.path)) : known;
		});
	}
}

/** Stands for a root that nobody has read. */
const UNREAD: TreeChild = { type: "node", hash: "0x" };
const EMPTY: TreeChild = { type: "empty" };

function isNode(child: TreeChild): boolean {
	return child.type === "node";
}

function nextOf(answers: Iterator<TreeNode>, path: DigitPath): TreeNode {
	const answer = answers.next();
	if (answer.done === true) throw misread(`no node at ${JSON.stringify(path)}`);
	return answer.value;
}

function nodeAt(nodes: readonly TreeNode[], at: number): TreeNode {
	const node = nodes[at];
	if (node === undefined) throw misread(`no node at place ${at}`);
	return node;
}

/** What a reader answered in the place of a node whose hash its parent named. */
function checked(named: TreeChild, answer: TreeNode): TreeNode {
	if (answer.type === "node") {
		const [a, b, c, d, ...more] = answer.children.map(childHash);
		if (
			a === undefined ||
			b === undefined ||
			c === undefined ||
			d === undefined ||
			more.length > 0
		) {
			throw misread(`${answer.children.length} children`);
		}
		if (nodeHash([a, b, c, d]) !== answer.hash) throw misread("children that do not make the node");
	}
	if (named !== UNREAD && childHash(named) !== childHash(answer)) {
		throw misread("another node than the one above it named");
	}
	return answer;
}

function childHash(child: TreeChild): Hex {
	if (child.type === "empty") return ZERO_HASH;
	return child.type === "node" ? child.hash : leafHash(child.memoryKey, child.contentHash);
}

/** The places just below that differ, or the place itself when neither side has a node there. */
function differing(path: DigitPath, left: TreeNode, right: TreeNode): readonly Place[] {
	if (left.type !== "node" && right.type !== "node") {
		return isEqual(left, right) ? [] : [{ path, left, right }];
	}
	if (path.length >= KEY_DIGITS) throw misread(`a node below ${KEY_DIGITS} digits`);
	if (left.type === "node" && right.type === "node" && left.hash === right.hash) return [];
	const lefts = childrenOf(path, left);
	const rights = childrenOf(path, right);
	return lefts.flatMap((child, digit) => {
		const other = rights[digit] ?? EMPTY;
		return isEqual(child, other) ? [] : [{ path: `${path}${digit}`, left: child, right: other }];
	});
}

/** A leaf stands below itself where its key goes on. */
function childrenOf(path: DigitPath, node: TreeNode): readonly TreeChild[] {
	if (node.type === "node") return node.children;
	const own = node.type === "leaf" ? digitOf(node, path.length) : undefined;
	return Array.from({ length: RADIX }, (_, digit) => (digit === own ? node : EMPTY));
}

function digitOf(leaf: TreeLeaf, depth: number): number {
	const key = new Uint8Array(KEY_BYTES);
	writeKey(leaf.memoryKey, key);
	return digitAt(key, depth);
}

function isEqual(a: TreeChild, b: TreeChild): boolean {
	if (a.type === "leaf" && b.type === "leaf") {
		return a.memoryKey === b.memoryKey && a.contentHash === b.contentHash;
	}
	if (a.type === "node" && b.type === "node") return a.hash === b.hash;
	return a.type === b.type;
}

/** Of a place where each side has a leaf or nothing: one difference, or two of two keys. */
function leafDifferences(layer: Layer, { left, right }: Place): readonly TreeDifference[] {
	const here = left.type === "leaf" ? left : undefined;
	const there = right.type === "leaf" ? right : undefined;
	const keys = new Set(
		[here, there].flatMap((leaf) => (leaf === undefined ? [] : [leaf.memoryKey])),
	);
	return [...keys].map((memoryKey) => ({
		layer,
		memoryKey,
		left: here?.memoryKey === memoryKey ? here.contentHash : undefined,
		right: there?.memoryKey === memoryKey ? there.contentHash : undefined,
	}));
}

function byKey(a: TreeDifference, b: TreeDifference): number {
	return a.memoryKey < b.memoryKey ? -1 : 1;
}

function misread(what: string): FatalError {
	return new FatalError("verification_failed", {
		message: `a replica's tree answers with ${what}`,
		hint: "compare at a sealed height; if it stays, that replica is damaged or runs another version",
	});
}
