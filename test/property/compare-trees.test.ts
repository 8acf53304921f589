/** Two trees that differ in a few memories: exactly those are found, and little else is read. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	compareTrees,
	type TreeDifference,
	type TreeReader,
} from "../../src/commitment/compare-trees.ts";
import { type CommittedMemory, StateTree } from "../../src/commitment/state-tree.ts";
import { LAYERS } from "../../src/domain/layer.ts";
import { announcedSeed } from "../support/seed.ts";
import { closeKey, hashOf, spreadKey, TreeModel } from "../support/tree-model.ts";

const PAIRS = 1_500;
const SEED = announcedSeed("test/property/compare-trees.test.ts");
const BOUNDS = { differences: 1_000, pathsPerRead: 64 };

const memoryKey = fc.oneof(
	{ weight: 6, arbitrary: fc.nat({ max: 300 }).map(spreadKey) },
	{ weight: 1, arbitrary: fc.nat({ max: 5 }).map((number) => closeKey(number, 30)) },
	{ weight: 1, arbitrary: fc.nat({ max: 5 }).map((number) => closeKey(number, 10)) },
);
const memory: fc.Arbitrary<CommittedMemory> = fc.record({
	layer: fc.constantFrom(...LAYERS),
	memoryKey,
	contentHash: fc.nat({ max: 2 }).map(hashOf),
});

function readerOf(tree: StateTree): TreeReader {
	return { nodes: async (layer, paths) => paths.map((path) => tree.node(layer, path)) };
}

function modelOf(memories: readonly CommittedMemory[]): TreeModel {
	const model = new TreeModel();
	for (const each of memories) model.set(each);
	return model;
}

function differencesOf(left: TreeModel, right: TreeModel): readonly TreeDifference[] {
	const both = modelOf([...left.memories(), ...right.memories()]);
	return both
		.memories()
		.map(({ layer, memoryKey: key }) => ({
			layer,
			memoryKey: key,
			left: left.get(layer, key),
			right: right.get(layer, key),
		}))
		.filter((each) => each.left !== each.right);
}

describe("a comparison", () => {
	test("finds exactly the memories that differ", async () => {
		const found = { none: 0, some: 0 };
		await fc.assert(
			fc.asyncProperty(
				fc.array(memory, { maxLength: 120, size: "max" }),
				fc.array(memory, { maxLength: 10 }),
				fc.array(memory, { maxLength: 10 }),
				fc.integer({ min: 1, max: 10 }),
				async (common, onLeft, onRight, pathsPerRead) => {
					const left = modelOf([...common, ...onLeft]);
					const right = modelOf([...common, ...onRight]);
					const trees = [left, right].map((each) => StateTree.build(each.memories()));
					const [a, b] = trees.map(readerOf);
					if (a === undefined || b === undefined) throw new RangeError("two trees");
					const expected = differencesOf(left, right);
					const compared = await compareTrees(a, b, { ...BOUNDS, pathsPerRead });
					expect(compared.differences).toEqual(expected);
					expect(compared.complete).toBe(true);
					found[expected.length === 0 ? "none" : "some"] += 1;
				},
			),
			{ seed: SEED, numRuns: PAIRS },
		);
		console.log(`comparisons with differences: ${JSON.stringify(found)}`);
		expect(found.some).toBeGreaterThan(PAIRS / 2);
	});

	test.each([0, 1, 10, 100])(
		"of 20,000 memories reads in proportion to %i differences",
		async (count) => {
			const memories = Array.from({ length: 20_000 }, (_, number) => ({
				layer: "semantic" as const,
				memoryKey: spreadKey(number),
				contentHash: hashOf(0),
			}));
			const left = StateTree.build(memories);
			const right = StateTree.build(memories);
			const changed = memories.filter((_, number) => number % 199 === 0).slice(0, count);
			for (const each of changed) right.set({ ...each, contentHash: hashOf(1) });
			const compared = await compareTrees(readerOf(left), readerOf(right), BOUNDS);
			expect(compared.differences).toHaveLength(count);
			// The four roots, and of each difference the nodes above it: log4(20,000) = 7.1, and a few.
			expect(compared.reads.left).toBeLessThanOrEqual(4 + 9 * count);
			expect(compared.reads.right).toBeLessThanOrEqual(4 + 9 * count);
		},
	);

	test("ends after its limit of differences, and says so", async () => {
		const memories = (content: string) =>
			Array.from({ length: 5_000 }, (_, number) => ({
				layer: "episodic" as const,
				memoryKey: spreadKey(number),
				contentHash: hashOf(content),
			}));
		const [left, right] = [StateTree.build(memories("a")), StateTree.build(memories("b"))];
		const bounds = { differences: 20, pathsPerRead: 8 };
		const compared = await compareTrees(readerOf(left), readerOf(right), bounds);
		expect(compared.complete).toBe(false);
		expect(compared.differences).toHaveLength(20);
		expect(compared.reads.left).toBeLessThan(200);
		const exact = await compareTrees(readerOf(left), readerOf(right), {
			...bounds,
			differences: 5_000,
		});
		expect(exact.complete).toBe(true);
		expect(exact.differences).toHaveLength(5_000);
	});
});
