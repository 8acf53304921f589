/**
 * The test vectors of test/vectors/state-tree.json, made by the naive recomputation alone. What is
 * hard about them: every field, numbers and names that languages print and sort differently, trees
 * that are empty, of one key, and as deep as keys allow.
 */
import {
	type NaiveMemory,
	naiveContentHash,
	naiveEncoding,
	naiveMemoryKey,
} from "./naive-memory.ts";
import {
	type NaiveLeaf,
	naiveLeafHash,
	naivePath,
	naiveRoot,
	naiveRoots,
	naiveStateRoot,
} from "./naive-state-tree.ts";
import { closeKey, hashOf, keyOfHex, spreadKey } from "./tree-model.ts";

const PLACE = { chainId: 31_337, height: "1234567", blockHash: hashOf("block") };

const MEMORIES: readonly NaiveMemory[] = [
	{
		namespace: "agent",
		id: "least",
		layer: "short_term",
		owner: "agent",
		content: {},
	},
	{
		namespace: "ledger",
		id: "0x00000000000000000000000000000000000000aa",
		layer: "semantic",
		owner: "handler",
		content: { balance: "115792089237316195423570985008687907853", token: { decimals: 18 } },
		text: "the holder 0xaa has a balance",
		collection: "holders",
		importance: 0.25,
		confidence: 1,
		expiresAtBlock: "2000000",
		vectorHash: hashOf("vector"),
	},
	{
		namespace: "agent",
		id: "numbers",
		layer: "long_term",
		owner: "agent",
		content: {
			numbers: [0, -0, 1, -1.5, 0.1, 100, 1e21, 123456789012345680000, 1e-6, 1e-7, 5e-324],
			largest: 1.7976931348623157e308,
			safe: 9007199254740991,
		},
		importance: 1e-7,
		confidence: 0,
	},
	{
		namespace: "agent",
		id: "names",
		layer: "episodic",
		owner: "agent",
		content: {
			"\u20ac": "euro",
			"\r": "carriage return",
			"\ufb33": "hebrew letter dalet with dagesh",
			"1": "one",
			"\ud83d\ude00": "emoji, sorts before the dalet by UTF-16",
			"\u0080": "control",
			"\u00f6": "umlaut",
			a: [true, false, null, [], {}, ["", { b: { a: 1 } }]],
		},
		text: "",
	},
	{
		namespace: "größe",
		id: 'escapes " \\ / \b \f \n \r \t \u0001 \u001f \u007f \u2028 😀',
		layer: "short_term",
		owner: "agent",
		content: { text: '" \\ / \b \f \n \r \t \u0001 \u001f \u007f \u2028 😀' },
		expiresAtBlock: "0",
	},
	{
		namespace: "agent",
		id: "until a time",
		layer: "short_term",
		owner: "agent",
		content: { task: "open" },
		expiresAtTime: "1767225600",
	},
	...Array.from({ length: 12 }, (_, number) => ({
		namespace: "agent",
		id: `fact ${number}`,
		layer: number % 4 === 3 ? "episodic" : "semantic",
		owner: "agent",
		content: { number },
	})),
];

/** Of one tree: the leaves in any order. */
function spreadLeaves(count: number): readonly NaiveLeaf[] {
	return Array.from({ length: count }, (_, number) => ({
		memoryKey: spreadKey(number),
		contentHash: hashOf(`content ${number}`),
	}));
}

function leavesOf(...keys: readonly string[]): readonly NaiveLeaf[] {
	return keys.map((memoryKey, number) => ({ memoryKey, contentHash: hashOf(`content ${number}`) }));
}

const TREES: Readonly<Record<string, readonly NaiveLeaf[]>> = {
	empty: [],
	"one leaf": spreadLeaves(1),
	"two leaves": spreadLeaves(2),
	"four leaves, one below each child of the root": leavesOf(
		...["0", "4", "8", "c"].map((digit) => keyOfHex(digit.repeat(32))),
	),
	"forty leaves": spreadLeaves(40),
	"two keys that part in the last digit": leavesOf(
		keyOfHex(`${"f".repeat(31)}c`),
		keyOfHex("f".repeat(32)),
	),
	"keys that share sixty-four bits": leavesOf(...[1, 2, 3].map((number) => closeKey(number, 16))),
	"the first key and the last": leavesOf(keyOfHex("0".repeat(32)), keyOfHex("f".repeat(32))),
};

/** Everything in the file, as JSON. */
export function stateTreeVectors() {
	const memories = MEMORIES.map((memory) => {
		const memoryKey = naiveMemoryKey(memory.namespace, memory.id);
		const contentHash = naiveContentHash(memory);
		return {
			memory,
			memoryKey,
			encoding: naiveEncoding(memory).toString("hex"),
			contentHash,
			leaf: naiveLeafHash({ memoryKey, contentHash }),
		};
	});
	const layers = layersOf(memories);
	const roots = naiveRoots(layers);
	const common = {
		format: "recant-proof-v1",
		...PLACE,
		stateRoot: naiveStateRoot(roots, PLACE),
		roots,
	};
	return {
		about: "docs/STATE-TREE.md defines what these are; state_tree.py reproduces them",
		memories,
		trees: Object.entries(TREES).map(([name, leaves]) => ({
			name,
			leaves,
			root: naiveRoot(leaves),
		})),
		paths: Object.entries(TREES).flatMap(([tree, leaves]) =>
			[leaves[0]?.memoryKey, keyOfHex(`${"f".repeat(31)}d`)]
				.filter((memoryKey) => memoryKey !== undefined)
				.map((memoryKey) => ({ tree, memoryKey, ...naivePath(leaves, memoryKey) })),
		),
		state: {
			...PLACE,
			memories: memories.map(({ memoryKey }) => memoryKey),
			roots,
			stateRoot: common.stateRoot,
		},
		proofs: [
			...memories.slice(0, 8).map(({ memory, memoryKey, contentHash }) => ({
				...common,
				type: "inclusion",
				namespace: memory.namespace,
				id: memory.id,
				memoryKey,
				memory,
				contentHash,
				paths: { [memory.layer]: naivePath(layers[memory.layer] ?? [], memoryKey) },
			})),
			...["never written", "also not", "nor this", "fact 99"].map((id) => {
				const memoryKey = naiveMemoryKey("agent", id);
				const paths = Object.entries(layers).map(
					([layer, leaves]) => [layer, naivePath(leaves, memoryKey)] as const,
				);
				return {
					...common,
					type: "exclusion",
					namespace: "agent",
					id,
					memoryKey,
					paths: Object.fromEntries(paths),
				};
			}),
		],
	};
}

interface Encoded extends NaiveLeaf {
	readonly memory: NaiveMemory;
}

function layersOf(memories: readonly Encoded[]): Readonly<Record<string, readonly NaiveLeaf[]>> {
	const layers = ["short_term", "long_term", "episodic", "semantic"];
	return Object.fromEntries(
		layers.map((layer) => [
			layer,
			memories
				.filter(({ memory }) => memory.layer === layer)
				.map(({ memoryKey, contentHash }) => ({ memoryKey, contentHash })),
		]),
	);
}
