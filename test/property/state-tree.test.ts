/**
 * The state tree against whole sets and the naive recomputation: random histories of sets, deletions,
 * marks, restores and releases, with keys that part at once and keys that part in the last digits.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { TreeMark } from "../../src/commitment/persistent-tree.ts";
import { type CommittedMemory, StateTree } from "../../src/commitment/state-tree.ts";
import type { MemoryKey } from "../../src/domain/ids.ts";
import { LAYERS, type Layer } from "../../src/domain/layer.ts";
import { naiveLeafHash, naivePath, naiveRoots } from "../support/naive-state-tree.ts";
import { announcedSeed } from "../support/seed.ts";
import { closeKey, hashOf, spreadKey, TreeModel } from "../support/tree-model.ts";

const HISTORIES = 3_000;
const SEED = announcedSeed("test/property/state-tree.test.ts");

/** Few enough to meet again; the close ones part at depths 0 to 63. */
const KEYS: readonly MemoryKey[] = [
	...Array.from({ length: 6 }, (_, number) => spreadKey(number)),
	...Array.from({ length: 4 }, (_, number) => closeKey(number, 30)),
	...Array.from({ length: 3 }, (_, number) => closeKey(number, 8)),
];
const CONTENTS = 3;

type Step =
	| { readonly type: "set"; readonly memory: CommittedMemory }
	| { readonly type: "delete"; readonly layer: Layer; readonly key: MemoryKey }
	| { readonly type: "roots" }
	| { readonly type: "mark" }
	/** `at` picks among the marks that are kept, from the oldest (0) to the newest (1). */
	| { readonly type: "restore" | "release"; readonly at: number };

const key = fc.constantFrom(...KEYS);
/** Mostly one layer, else no tree of a layer grows. */
const layer = fc.oneof(
	{ weight: 4, arbitrary: fc.constant<Layer>("semantic") },
	{ weight: 1, arbitrary: fc.constantFrom(...LAYERS) },
);
const contentHash = fc.integer({ min: 1, max: CONTENTS }).map(hashOf);
const at = fc.double({ min: 0, max: 1, noNaN: true });
const memory = fc.record({ layer, memoryKey: key, contentHash });

const step: fc.Arbitrary<Step> = fc.oneof(
	{ weight: 10, arbitrary: fc.record({ type: fc.constant("set" as const), memory }) },
	{ weight: 6, arbitrary: fc.record({ type: fc.constant("delete" as const), layer, key }) },
	{ weight: 2, arbitrary: fc.constant<Step>({ type: "roots" }) },
	{ weight: 4, arbitrary: fc.constant<Step>({ type: "mark" }) },
	{
		weight: 3,
		arbitrary: fc.record({ type: fc.constantFrom("restore" as const, "release" as const), at }),
	},
);
const history = fc.array(step, { minLength: 5, maxLength: 80, size: "max" });

interface Kept {
	readonly mark: TreeMark;
	readonly model: TreeModel;
}

/** A tree and what it should hold, at present and at each mark. */
class Run {
	readonly tree = new StateTree();
	model = new TreeModel();
	kept: Kept[] = [];
	readonly done = { restores: 0, releases: 0, roots: 0 };

	step(step: Step): void {
		if (step.type === "set") this.#set(step.memory);
		if (step.type === "delete") this.#delete(step.layer, step.key);
		if (step.type === "roots") this.expectPresent();
		if (step.type === "mark") this.kept.push({ mark: this.tree.mark(), model: this.model.copy() });
		if (step.type === "restore") this.#restore(step.at);
		if (step.type === "release") this.#release(step.at);
	}

	expectPresent(): void {
		this.done.roots += 1;
		expect(this.tree.roots()).toEqual(naiveRoots(this.model.toLayers()));
	}

	expectMarks(): void {
		for (const { mark, model } of this.kept) {
			expect(this.tree.roots(mark)).toEqual(naiveRoots(model.toLayers()));
		}
	}

	#set(given: CommittedMemory): void {
		const isNew = this.model.get(given.layer, given.memoryKey) !== given.contentHash;
		expect(this.tree.set(given)).toBe(isNew);
		this.model.set(given);
	}

	#delete(from: Layer, memoryKey: MemoryKey): void {
		const held = this.model.get(from, memoryKey);
		if (held === undefined) {
			expect(() => this.tree.delete(from, memoryKey)).toThrow("holds no memory");
			return;
		}
		this.tree.delete(from, memoryKey, held);
		this.model.delete(from, memoryKey);
	}

	#restore(place: number): void {
		const index = this.#index(place);
		const kept = this.kept[index];
		if (kept === undefined) return;
		this.done.restores += 1;
		this.tree.restore(kept.mark);
		this.model = kept.model.copy();
		for (const { mark } of this.kept.splice(index + 1)) this.#expectUseless(mark);
		this.expectPresent();
	}

	#release(place: number): void {
		const [kept] = this.kept.splice(this.#index(place), 1);
		if (kept === undefined) return;
		this.done.releases += 1;
		this.tree.release(kept.mark);
		this.#expectUseless(kept.mark);
	}

	/** Gives up all marks, in an order that `place` draws. */
	releaseAll(place: number): void {
		while (this.kept.length > 0) this.#release(place);
	}

	#index(place: number): number {
		return Math.min(Math.floor(place * this.kept.length), this.kept.length - 1);
	}

	#expectUseless(mark: TreeMark): void {
		const uses = [
			() => this.tree.restore(mark),
			() => this.tree.release(mark),
			() => this.tree.roots(mark),
		];
		for (const use of uses) expect(use).toThrow("not one of this tree");
	}
}

function ran(steps: readonly Step[]): Run {
	const run = new Run();
	for (const each of steps) run.step(each);
	return run;
}

describe("a tree", () => {
	test("has the roots of its keys and contents, whatever happened before, at present and at marks", () => {
		const done = { restores: 0, releases: 0, roots: 0 };
		fc.assert(
			fc.property(history, (steps) => {
				const run = ran(steps);
				run.expectPresent();
				run.expectMarks();
				expect(StateTree.build(run.model.memories()).roots()).toEqual(run.tree.roots());
				done.restores += run.done.restores;
				done.releases += run.done.releases;
				done.roots += run.done.roots;
			}),
			{ seed: SEED, numRuns: HISTORIES },
		);
		console.log(`state tree: ${HISTORIES} histories, ${JSON.stringify(done)}`);
		expect(done.restores).toBeGreaterThan(HISTORIES / 2);
		expect(done.releases).toBeGreaterThan(HISTORIES / 2);
	});

	test("does not depend on the order in which memories come, nor on how they are brought", () => {
		fc.assert(
			fc.property(fc.uniqueArray(memory, { selector, maxLength: 40 }), fc.nat(), (given, turn) => {
				const turned = [...given.slice(turn % 7), ...given.slice(0, turn % 7)].reverse();
				const roots = StateTree.build(given).roots();
				expect(StateTree.build(turned).roots()).toEqual(roots);
				expect(packed(turned).roots()).toEqual(roots);
			}),
			{ seed: SEED, numRuns: 1_000 },
		);
	});

	test("holds no more slots than its marks need, and with none only those of its keys", () => {
		fc.assert(
			fc.property(history, at, (steps, order) => {
				const run = ran(steps);
				const states = [run.model, ...run.kept.map(({ model }) => model)].map((each) =>
					each.need(),
				);
				const sum = (of: "nodes" | "leaves") => states.reduce((all, need) => all + need[of], 0);
				expect(run.tree.used.nodes).toBeLessThanOrEqual(sum("nodes"));
				expect(run.tree.used.leaves).toBeLessThanOrEqual(sum("leaves"));
				run.releaseAll(order);
				expect(run.tree.used).toEqual(run.model.need());
				run.expectPresent();
			}),
			{ seed: SEED, numRuns: HISTORIES },
		);
	});

	test("takes the same slots again for the same changes after a restore", () => {
		fc.assert(
			fc.property(history, fc.array(memory, { maxLength: 20 }), (steps, more) => {
				const { tree } = ran(steps);
				const mark = tree.mark();
				const before = tree.used;
				for (const each of more) tree.set(each);
				tree.restore(mark);
				expect(tree.used).toEqual(before);
			}),
			{ seed: SEED, numRuns: 1_000 },
		);
	});
});

describe("readers", () => {
	test("give leaves, paths, nodes and memories of the present and of marks", () => {
		fc.assert(
			fc.property(history, key, layer, (steps, asked, from) => {
				const run = ran(steps);
				expectReadings(run.tree, run.model, { asked, from });
				for (const { mark, model } of run.kept)
					expectReadings(run.tree, model, { asked, from, mark });
			}),
			{ seed: SEED, numRuns: 1_000 },
		);
	});
});

interface Question {
	readonly asked: MemoryKey;
	readonly from: Layer;
	readonly mark?: TreeMark;
}

function expectReadings(tree: StateTree, model: TreeModel, { asked, from, mark }: Question): void {
	const leaves = model.of(from);
	const held = model.get(from, asked);
	const leaf = held === undefined ? undefined : { memoryKey: asked, contentHash: held };
	expect(tree.contentHash(from, asked, mark)).toBe(held);
	expect(tree.leaf(from, asked, mark)).toBe(leaf && naiveLeafHash(leaf));
	const path = naivePath(leaves.map(withoutLayer), asked);
	expect(tree.path(from, asked, mark)).toEqual(path);
	expect([...tree.memories(from, "", mark)]).toEqual(leaves);
	expect(tree.counts(mark)[from]).toBe(leaves.length);
	expectNodes(tree, leaves, { asked, from, ...(mark === undefined ? {} : { mark }) });
}

/** Down the key's digits, past the end of its path: what the keys below come to, at each of them. */
function expectNodes(
	tree: StateTree,
	leaves: readonly CommittedMemory[],
	{ asked, from, mark }: Question,
): void {
	for (const depth of [0, 1, 2, 3, 40, 60, 64]) {
		const path = digitsOf(asked).slice(0, depth);
		const below = leaves.filter(({ memoryKey }) => digitsOf(memoryKey).startsWith(path));
		const node = tree.node(from, path, mark);
		expect([...tree.memories(from, path, mark)]).toEqual(below);
		if (node.type === "empty") expect(below).toEqual([]);
		if (node.type === "leaf") expect([{ layer: from, ...withoutType(node) }]).toEqual(below);
		if (node.type === "node") {
			const children = ["0", "1", "2", "3"].map((digit) => tree.node(from, path + digit, mark));
			expect(below.length).toBeGreaterThan(1);
			expect(node.children).toEqual(children.map(asChild));
		}
	}
}

function asChild(node: ReturnType<StateTree["node"]>) {
	return node.type === "node" ? { type: "node", hash: node.hash } : node;
}

function withoutType({ memoryKey, contentHash: hash }: Omit<CommittedMemory, "layer">) {
	return { memoryKey, contentHash: hash };
}

function withoutLayer({ memoryKey, contentHash: hash }: CommittedMemory) {
	return { memoryKey, contentHash: hash };
}

function digitsOf(memoryKey: MemoryKey): string {
	const bits = BigInt(`0x${memoryKey.replaceAll("-", "")}`);
	return bits.toString(4).padStart(64, "0");
}

function selector(given: CommittedMemory): string {
	return `${given.layer} ${given.memoryKey}`;
}

function packed(memories: readonly CommittedMemory[]): StateTree {
	const tree = new StateTree();
	for (const each of LAYERS) {
		const records = memories
			.filter((given) => given.layer === each)
			.map(({ memoryKey, contentHash: hash }) =>
				Buffer.from(memoryKey.replaceAll("-", "") + hash.slice(2), "hex"),
			);
		tree.addPacked(each, Buffer.concat(records));
	}
	return tree;
}
