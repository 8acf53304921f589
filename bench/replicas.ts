/** Where two replicas differ: found by descending their state trees, and by reading all leaves of both. */

import { hash } from "node:crypto";
import { ToolError } from "../scripts/support/tool-error.ts";
import { ReplicaTree } from "../src/cli/replica-tree.ts";
import { compareTrees, type TreeReader } from "../src/commitment/compare-trees.ts";
import { type DigitPath, StateTree, type TreeNode } from "../src/commitment/state-tree.ts";
import type { Hex, MemoryKey } from "../src/domain/ids.ts";
import { LAYERS, type Layer } from "../src/domain/layer.ts";
import { LIMITS } from "../src/domain/limits.ts";
import { NO_SOURCES } from "../src/domain/provenance.ts";
import { memoryKey } from "../src/memory/memory-key.ts";
import { ANCHORED_TO_NOTHING } from "../src/service/writing/anchor-lookup.ts";
import type { OperationRequest } from "../src/service/writing/operation-request.ts";
import { type BenchService, CHAIN, fact, factId, startBenchService } from "./bench-service.ts";
import { figure, median, type Row, type Table } from "./figures.ts";
import type { Section, SectionContext } from "./section.ts";

const DIFFERENCES = { changed: 4, missing: 3, added: 3 } as const;
const EXPECTED = DIFFERENCES.changed + DIFFERENCES.missing + DIFFERENCES.added;
const LAYER = "semantic" as const;
const RECORD_BYTES = 48;
const BOUNDS = { differences: LIMITS.comparedDifferences, pathsPerRead: LIMITS.treePaths };
const POLL_INTERVAL_MS = 50;

/** Answers how many memories differ. */
type Way = (left: TreeReader, right: TreeReader) => Promise<number>;

interface Pair {
	/** Two sides at one state each, opened anew for each comparison. */
	readonly open: () => Promise<{ readonly left: TreeReader; readonly right: TreeReader }>;
	/** Requests that opening takes. */
	readonly opening: number;
	readonly memories: number;
	readonly repetitions: number;
}

export const replicasSection: Section = {
	name: "replicas",
	title: `two replicas with ${EXPECTED} differences`,
	run: async (context) => {
		const { quick } = context;
		const inMemory = await treesOf(quick ? 10_000 : 1_000_000, quick ? 3 : 7, context);
		const overHttp = await servicesOf(quick ? 2_000 : 100_000, quick ? 2 : 5, context);
		return {
			settings: {
				...DIFFERENCES,
				"paths a request": BOUNDS.pathsPerRead,
			},
			tables: [inMemory, overHttp],
		};
	},
};

async function treesOf(
	memories: number,
	repetitions: number,
	{ say }: SectionContext,
): Promise<Table> {
	say(`two trees of ${memories} memories`);
	const left = treeOf(memories);
	const right = treeOf(memories);
	differ(right, memories);
	const open = async () => ({ left: readerOf(left), right: readerOf(right) });
	const pair: Pair = { open, opening: 0, memories, repetitions };
	const rows = [
		await measured("descending, in memory", descending, pair),
		await measured("all leaves, in memory", async () => mergedDifferences(left, right), pair),
	];
	return {
		title: `In memory, ${memories.toLocaleString("en-US")} memories each`,
		rows: rows.map((row) => ({ ...row, ...sizeOfLeaves(row, left, right) })),
		notes: [
			"The reader's port over two trees of this process. Bytes are what the answers take as JSON; for",
			"all leaves, 48 bytes a memory (key and content hash), and no request is counted.",
		],
	};
}

async function servicesOf(
	memories: number,
	repetitions: number,
	{ say }: SectionContext,
): Promise<Table> {
	const services: BenchService[] = [];
	try {
		say(`two services on one node, ${memories} memories each`);
		const left = await startBenchService({ pollIntervalMs: POLL_INTERVAL_MS });
		services.push(left);
		const { node } = left;
		const right = await startBenchService({ pollIntervalMs: POLL_INTERVAL_MS, node });
		services.push(right);
		const options = { embedded: memories / 10, blocks: "empty" } as const;
		for (const service of services) await service.fill(memories, options);
		await left.caughtUp();
		await writeDifferences(right, memories);
		await node.mineEmpty(1);
		for (const service of services) await service.caughtUp();
		say("comparing over HTTP");
		const open = async () => ({
			left: await ReplicaTree.open(left.client, CHAIN, undefined),
			right: await ReplicaTree.open(right.client, CHAIN, undefined),
		});
		const pair: Pair = { open, opening: 2, memories, repetitions };
		const rows = [
			await measured("descending, over HTTP", descending, pair),
			await measured("all leaves, over HTTP", everyLeaf, pair),
		];
		return {
			title: `Over HTTP, ${memories.toLocaleString("en-US")} memories each`,
			rows,
			notes: [
				"GET …/tree of two services beside each other. All leaves: every node of both trees, with as many",
				"paths a request. Bytes are the nodes' JSON; requests count the two that pin the states.",
			],
		};
	} finally {
		// The first one's node is the other's too.
		for (const service of services.reverse()) await service.stop();
	}
}

/** The first comparison counts requests and bytes and is not timed. */
async function measured(way: string, find: Way, pair: Pair): Promise<Row> {
	const counted = await pair.open();
	const left = new CountedReader(counted.left);
	const right = new CountedReader(counted.right);
	requireFound(way, await find(left, right));
	const samples: number[] = [];
	for (let round = 0; round < pair.repetitions; round += 1) {
		const start = performance.now();
		const sides = await pair.open();
		requireFound(way, await find(sides.left, sides.right));
		samples.push(performance.now() - start);
	}
	return {
		way,
		requests: left.requests + right.requests + pair.opening,
		nodes: left.nodesRead + right.nodesRead,
		bytes: left.bytes + right.bytes,
		time: figure("ms", samples),
		"memories a second": Math.round((pair.memories * 1_000) / median(samples)),
	};
}

class CountedReader implements TreeReader {
	readonly #reader: TreeReader;
	requests = 0;
	nodesRead = 0;
	bytes = 0;

	constructor(reader: TreeReader) {
		this.#reader = reader;
	}

	async nodes(layer: Layer, paths: readonly DigitPath[]): Promise<readonly TreeNode[]> {
		const nodes = await this.#reader.nodes(layer, paths);
		this.requests += 1;
		this.nodesRead += nodes.length;
		this.bytes += JSON.stringify(nodes).length;
		return nodes;
	}
}

async function descending(left: TreeReader, right: TreeReader): Promise<number> {
	const { differences } = await compareTrees(left, right, BOUNDS);
	return differences.length;
}

/** Reads both trees to their leaves through the same port. */
async function everyLeaf(left: TreeReader, right: TreeReader): Promise<number> {
	const [here, there] = await Promise.all([leavesOf(left), leavesOf(right)]);
	let different = 0;
	for (const [key, content] of here) if (there.get(key) !== content) different += 1;
	for (const key of there.keys()) if (!here.has(key)) different += 1;
	return different;
}

async function leavesOf(reader: TreeReader): Promise<ReadonlyMap<string, Hex>> {
	const leaves = new Map<string, Hex>();
	for (const layer of LAYERS) {
		const waiting: DigitPath[] = [""];
		while (waiting.length > 0) {
			const paths = waiting.splice(-BOUNDS.pathsPerRead);
			const nodes = await reader.nodes(layer, paths);
			for (const [at, node] of nodes.entries()) {
				if (node.type === "leaf") leaves.set(`${layer}/${node.memoryKey}`, node.contentHash);
				if (node.type !== "node") continue;
				for (const [digit, child] of node.children.entries()) {
					if (child.type === "node") waiting.push(`${paths[at]}${digit}`);
					if (child.type === "leaf") leaves.set(`${layer}/${child.memoryKey}`, child.contentHash);
				}
			}
		}
	}
	return leaves;
}

/** Both streams by rising key, side by side. */
function mergedDifferences(left: StateTree, right: StateTree): number {
	let different = 0;
	for (const layer of LAYERS) {
		const [here, there] = [left, right].map((tree) => tree.memories(layer));
		let one = here?.next().value;
		let other = there?.next().value;
		while (one !== undefined || other !== undefined) {
			const order = ordered(one?.memoryKey, other?.memoryKey);
			if (order !== 0 || one?.contentHash !== other?.contentHash) different += 1;
			if (order <= 0) one = here?.next().value;
			if (order >= 0) other = there?.next().value;
		}
	}
	return different;
}

/** The end comes last. */
function ordered(one: MemoryKey | undefined, other: MemoryKey | undefined): number {
	if (one === other) return 0;
	if (other === undefined) return -1;
	return one !== undefined && one < other ? -1 : 1;
}

function sizeOfLeaves({ way, bytes }: Row, left: StateTree, right: StateTree): Row {
	if (bytes !== 0) return {};
	const leaves = left.counts()[LAYER] + right.counts()[LAYER];
	return { way: way ?? "", requests: "–", nodes: leaves, bytes: leaves * RECORD_BYTES };
}

function treeOf(memories: number): StateTree {
	const records = Buffer.alloc(memories * RECORD_BYTES);
	for (let index = 0; index < memories; index += 1) {
		records.write(keyOf(index).replaceAll("-", ""), index * RECORD_BYTES, "hex");
		records.set(hash("sha256", `${index}`, "buffer"), index * RECORD_BYTES + 16);
	}
	const tree = new StateTree();
	tree.addPacked(LAYER, records);
	tree.roots();
	return tree;
}

function readerOf(tree: StateTree): TreeReader {
	return { nodes: async (layer, paths) => paths.map((path) => tree.node(layer, path)) };
}

function differ(tree: StateTree, memories: number): void {
	const { changed, missing, added } = DIFFERENCES;
	for (let nth = 0; nth < changed; nth += 1) set(tree, spread(nth, memories), "changed");
	for (let nth = changed; nth < changed + missing; nth += 1) {
		tree.delete(LAYER, keyOf(spread(nth, memories)));
	}
	for (let nth = 0; nth < added; nth += 1) set(tree, memories + nth, "added");
	tree.roots();
}

function set(tree: StateTree, index: number, what: string): void {
	const contentHash: Hex = `0x${hash("sha256", `${what} ${index}`)}`;
	tree.set({ layer: LAYER, memoryKey: keyOf(index), contentHash });
}

async function writeDifferences({ service }: BenchService, memories: number): Promise<void> {
	const { changed, missing, added } = DIFFERENCES;
	const patches = Array.from({ length: changed }, (_, nth) => ({
		...fact(spread(nth, memories)),
		content: { changed: nth },
	}));
	const deletions = Array.from(
		{ length: missing },
		(_, nth): OperationRequest => ({
			kind: "delete",
			namespace: "default",
			id: factId(spread(changed + nth, memories)),
			anchors: ANCHORED_TO_NOTHING,
			derivedFrom: NO_SOURCES,
			onLoss: undefined,
			ifVersion: undefined,
		}),
	);
	const puts = Array.from({ length: added }, (_, nth) => fact(memories + nth));
	await service.write(CHAIN, {
		operations: [...patches, ...deletions, ...puts],
		idempotencyKey: undefined,
		deadlineMs: 600_000,
	});
}

/** Indexes far from one another. */
function spread(nth: number, memories: number): number {
	return Math.floor(((nth + 0.5) * memories) / EXPECTED);
}

function keyOf(index: number): MemoryKey {
	return memoryKey("bench", `memory-${index}`);
}

function requireFound(way: string, found: number): void {
	if (found === EXPECTED) return;
	throw new ToolError("measurement_failed", {
		message: `${way} found ${found} differences, and there are ${EXPECTED}`,
		hint: "this is a defect of the comparison, or of what the benchmark wrote",
	});
}
