/** Root of the Merkle Patricia trie over a list, keyed by RLP of the index: receiptsRoot, transactionsRoot. */
import { keccak256, toRlp } from "viem";

/** One node as RLP has it: a list, or a node's hash in its parent's place. */
type Node = Uint8Array | readonly Node[];

interface Entry {
	/** Hexadecimal digits of the key. */
	readonly nibbles: readonly number[];
	readonly value: Uint8Array;
}

const EMPTY = new Uint8Array();
/** A node whose encoding is shorter stands in its parent itself. */
const HASH_BYTES = 32;

export function listRoot(values: readonly Uint8Array[]): Uint8Array {
	if (values.length === 0) return keccak256(toRlp(EMPTY, "bytes"), "bytes");
	const entries = values.map((value, index) => ({ nibbles: nibblesOf(keyOf(index)), value }));
	return keccak256(toRlp(nodeOf(entries, 0), "bytes"), "bytes");
}

function nodeOf(entries: readonly Entry[], depth: number): Node {
	const [first] = entries;
	if (first === undefined) return EMPTY;
	if (entries.length === 1) return [path(first.nibbles.slice(depth), true), first.value];
	const shared = sharedLength(entries, depth);
	if (shared > 0) {
		const below = nodeOf(entries, depth + shared);
		return [path(first.nibbles.slice(depth, depth + shared), false), reference(below)];
	}
	const children = Array.from({ length: 16 }, (_, digit) =>
		reference(
			nodeOf(
				entries.filter(({ nibbles }) => nibbles[depth] === digit),
				depth + 1,
			),
		),
	);
	const ending = entries.find(({ nibbles }) => nibbles.length === depth);
	return [...children, ending?.value ?? EMPTY];
}

function sharedLength(entries: readonly Entry[], depth: number): number {
	const [first] = entries;
	let length = 0;
	for (;;) {
		const digit = first?.nibbles[depth + length];
		if (digit === undefined) return length;
		if (entries.some(({ nibbles }) => nibbles[depth + length] !== digit)) return length;
		length += 1;
	}
}

function reference(node: Node): Node {
	if (node === EMPTY) return EMPTY;
	const encoded = toRlp(node, "bytes");
	return encoded.length < HASH_BYTES ? node : keccak256(encoded, "bytes");
}

/** Hex-prefix encoding: the first digit tells a leaf, and whether the number of digits is odd. */
function path(nibbles: readonly number[], isLeaf: boolean): Uint8Array {
	const isOdd = nibbles.length % 2 === 1;
	const flag = (isLeaf ? 2 : 0) + (isOdd ? 1 : 0);
	const digits = isOdd ? [flag, ...nibbles] : [flag, 0, ...nibbles];
	return Uint8Array.from(
		{ length: digits.length / 2 },
		(_, index) => (digits[2 * index] ?? 0) * 16 + (digits[2 * index + 1] ?? 0),
	);
}

function keyOf(index: number): Uint8Array {
	const bytes: number[] = [];
	for (let rest = index; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
	return toRlp(Uint8Array.from(bytes), "bytes");
}

function nibblesOf(bytes: Uint8Array): readonly number[] {
	return [...bytes].flatMap((byte) => [byte >> 4, byte & 15]);
}
