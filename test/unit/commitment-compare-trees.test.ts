import { describe, expect, test } from "vitest";
import { compareTrees, type TreeReader } from "../../src/commitment/compare-trees.ts";
import { StateTree, type TreeNode } from "../../src/commitment/state-tree.ts";
import { hashOf, spreadKey } from "../support/tree-model.ts";

const BOUNDS = { differences: 100, pathsPerRead: 16 };

function treeOf(count: number, content: string): StateTree {
	return StateTree.build(
		Array.from({ length: count }, (_, number) => ({
			layer: "semantic",
			memoryKey: spreadKey(number),
			contentHash: hashOf(`${content} ${number % 3}`),
		})),
	);
}

function reader(tree: StateTree, change = (node: TreeNode): TreeNode => node): TreeReader {
	return { nodes: async (layer, paths) => paths.map((path) => change(tree.node(layer, path))) };
}

describe("a comparison", () => {
	test("of empty trees, and of an empty one with one of a single memory, needs only the roots", async () => {
		const [empty, one] = [new StateTree(), treeOf(1, "a")];
		const none = await compareTrees(reader(empty), reader(empty), BOUNDS);
		expect(none).toEqual({ differences: [], complete: true, reads: { left: 4, right: 4 } });
		const some = await compareTrees(reader(empty), reader(one), BOUNDS);
		const right = hashOf("a 0");
		expect(some.differences).toEqual([
			{ layer: "semantic", memoryKey: spreadKey(0), left: undefined, right },
		]);
		expect(some.reads).toEqual({ left: 4, right: 4 });
	});

	test.each<[string, (node: TreeNode) => TreeNode]>([
		["a child's hash changed", (node) => withChildren(node, (children) => children.with(0, other))],
		["a child too few", (node) => withChildren(node, (children) => children.slice(1))],
		["a child too many", (node) => withChildren(node, (children) => [...children, other])],
	])("refuses a reader that shows a node with %s", async (_, change) => {
		const [left, right] = [reader(treeOf(50, "a")), reader(treeOf(50, "b"), change)];
		await expect(compareTrees(left, right, BOUNDS)).rejects.toMatchObject({
			code: "verification_failed",
		});
	});

	test("refuses a reader that shows the other side's leaves under its own hashes", async () => {
		const left = treeOf(50, "a");
		const hiding = reader(treeOf(50, "b"), (node) =>
			withChildren(node, (children) =>
				children.map((child) =>
					child.type === "leaf"
						? {
								...child,
								contentHash: left.contentHash("semantic", child.memoryKey) ?? child.contentHash,
							}
						: child,
				),
			),
		);
		await expect(compareTrees(reader(left), hiding, BOUNDS)).rejects.toThrow(
			"children that do not make the node",
		);
	});

	test("refuses a reader whose tree changes between two reads", async () => {
		const tree = treeOf(200, "b");
		const moving: TreeReader = {
			nodes: async (layer, paths) => {
				const nodes = paths.map((path) => tree.node(layer, path));
				if (layer === "semantic") {
					tree.set({ layer, memoryKey: spreadKey(7), contentHash: hashOf(`${paths}`) });
				}
				return nodes;
			},
		};
		await expect(compareTrees(reader(treeOf(200, "a")), moving, BOUNDS)).rejects.toThrow(
			"another node than the one above it named",
		);
	});

	test("refuses a reader that answers fewer nodes than were asked for", async () => {
		const silent: TreeReader = { nodes: async () => [] };
		await expect(compareTrees(silent, reader(treeOf(2, "a")), BOUNDS)).rejects.toThrow(
			"0 nodes for 1 paths",
		);
	});
});

const other = { type: "node", hash: hashOf("other") } as const;

type Children = Extract<TreeNode, { type: "node" }>["children"];

function withChildren(node: TreeNode, change: (children: Children) => Children): TreeNode {
	return node.type === "node" ? { ...node, children: change(node.children) } : node;
}
