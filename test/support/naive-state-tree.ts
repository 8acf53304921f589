/**
 * The state tree as docs/STATE-TREE.md defines it, word by word: recursive, over whole sets, with no
 * memory between calls. It imports nothing of what it judges.
 */
import { createHash } from "node:crypto";

/** One visible memory: its key as a UUID, and its content hash. */
export interface NaiveLeaf {
	readonly memoryKey: string;
	readonly contentHash: string;
}

export type NaiveLayers = Readonly<Record<string, readonly NaiveLeaf[]>>;

/** What a proof of one key says about one layer. */
export interface NaivePath {
	readonly siblings: readonly (readonly string[])[];
	readonly terminal: { readonly type: "empty" } | ({ readonly type: "leaf" } & NaiveLeaf);
}

interface Keyed {
	readonly leaf: NaiveLeaf;
	readonly key: Buffer;
}

const LAYER_ORDER = ["short_term", "long_term", "episodic", "semantic"];
const NOTHING = Buffer.alloc(32);
const DIGITS = [0, 1, 2, 3];

/** SHA-256 over text as UTF-8 and bytes, one after the other. */
export function naiveSha256(...parts: readonly (string | Buffer)[]): Buffer {
	const input = parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part));
	return createHash("sha256").update(Buffer.concat(input)).digest();
}

/** Bytes of `0x…` or of a UUID. */
export function unhex(text: string): Buffer {
	return Buffer.from(text.replace(/^0x|-/g, ""), "hex");
}

export function hex(bytes: Buffer): string {
	return `0x${bytes.toString("hex")}`;
}

/** A byte holds four digits, the first in its two highest bits. */
function digitOf(key: Buffer, depth: number): number {
	const byte = key[Math.floor(depth / 4)] ?? 0;
	return Math.floor(byte / 4 ** (3 - (depth % 4))) % 4;
}

function keyed(leaves: readonly NaiveLeaf[]): readonly Keyed[] {
	return leaves.map((leaf) => ({ leaf, key: unhex(leaf.memoryKey) }));
}

function withDigit(leaves: readonly Keyed[], depth: number, digit: number): readonly Keyed[] {
	return leaves.filter(({ key }) => digitOf(key, depth) === digit);
}

function leafHash({ leaf, key }: Keyed): Buffer {
	return naiveSha256("recant.state-leaf.v1\0", key, unhex(leaf.contentHash));
}

function subtree(leaves: readonly Keyed[], depth: number): Buffer {
	const [first, second] = leaves;
	if (first === undefined) return NOTHING;
	if (second === undefined) return leafHash(first);
	const children = DIGITS.map((digit) => subtree(withDigit(leaves, depth, digit), depth + 1));
	return naiveSha256("recant.state-node.v1\0", ...children);
}

/** Hash of one leaf. */
export function naiveLeafHash(leaf: NaiveLeaf): string {
	return naiveRoot([leaf]);
}

/** Root of one layer. */
export function naiveRoot(leaves: readonly NaiveLeaf[]): string {
	return hex(subtree(keyed(leaves), 0));
}

/** Roots of all layers; a layer that is not named is empty. */
export function naiveRoots(layers: NaiveLayers): Readonly<Record<string, string>> {
	return Object.fromEntries(LAYER_ORDER.map((layer) => [layer, naiveRoot(layers[layer] ?? [])]));
}

export function naiveStateRoot(
	roots: Readonly<Record<string, string>>,
	at: { readonly chainId: number; readonly height: string; readonly blockHash: string },
): string {
	const numbers = [BigInt(at.chainId), BigInt(at.height)].map((number) =>
		unhex(number.toString(16).padStart(16, "0")),
	);
	const layers = LAYER_ORDER.map((layer) => unhex(roots[layer] ?? ""));
	return hex(naiveSha256("recant.state-root.v1\0", ...numbers, unhex(at.blockHash), ...layers));
}

/** The path of a key, whether it is there or not. */
export function naivePath(leaves: readonly NaiveLeaf[], memoryKey: string): NaivePath {
	return pathBelow(keyed(leaves), unhex(memoryKey), 0);
}

function pathBelow(leaves: readonly Keyed[], key: Buffer, depth: number): NaivePath {
	const [first, second] = leaves;
	if (first === undefined) return { siblings: [], terminal: { type: "empty" } };
	if (second === undefined) return { siblings: [], terminal: { type: "leaf", ...first.leaf } };
	const own = digitOf(key, depth);
	const siblings = DIGITS.filter((digit) => digit !== own).map((digit) =>
		hex(subtree(withDigit(leaves, depth, digit), depth + 1)),
	);
	const rest = pathBelow(withDigit(leaves, depth, own), key, depth + 1);
	return { siblings: [siblings, ...rest.siblings], terminal: rest.terminal };
}

/** Nodes that a set of keys needs: what a tree without marks holds. */
export function naiveNodes(leaves: readonly NaiveLeaf[]): number {
	return nodesBelow(keyed(leaves), 0);
}

function nodesBelow(leaves: readonly Keyed[], depth: number): number {
	if (leaves.length < 2) return 0;
	const below = DIGITS.map((digit) => nodesBelow(withDigit(leaves, depth, digit), depth + 1));
	return 1 + below.reduce((sum, count) => sum + count, 0);
}
