import { describe, expect, test } from "vitest";
import { EMPTY_ROOTS, stateRoot } from "../../src/commitment/state-root.ts";
import { type CommittedMemory, StateTree } from "../../src/commitment/state-tree.ts";
import { leafHash, ZERO_HASH } from "../../src/commitment/tree-hash.ts";
import type { Hex, MemoryKey } from "../../src/domain/ids.ts";
import { LAYERS } from "../../src/domain/layer.ts";
import { closeKey, hashOf, spreadKey } from "../support/tree-model.ts";

const AT = { chainId: 31_337, height: 7n, blockHash: hashOf("block") } as const;

function memory(number: number, content = "a"): CommittedMemory {
	const memoryKey = spreadKey(number);
	return { layer: "semantic", memoryKey, contentHash: hashOf(`${content} ${number}`) };
}

function memories(count: number): readonly CommittedMemory[] {
	return Array.from({ length: count }, (_, number) => memory(number));
}

function record({ memoryKey, contentHash }: CommittedMemory): Buffer {
	return Buffer.from(memoryKey.replaceAll("-", "") + contentHash.slice(2), "hex");
}

describe("a tree", () => {
	test("without memories has zeros for roots", () => {
		expect(new StateTree().roots()).toEqual(EMPTY_ROOTS);
		expect(EMPTY_ROOTS.semantic).toBe(`0x${"0".repeat(64)}`);
	});

	test("of one memory has its leaf for a root", () => {
		const { layer, memoryKey, contentHash } = memory(1);
		const tree = StateTree.build([{ layer, memoryKey, contentHash }]);
		expect(tree.roots()).toEqual({ ...EMPTY_ROOTS, semantic: leafHash(memoryKey, contentHash) });
	});

	test("keeps its layers apart", () => {
		const roots = LAYERS.map((layer) => StateTree.build([{ ...memory(1), layer }]).roots());
		expect(new Set(roots.map((each) => stateRoot(each, AT))).size).toBe(LAYERS.length);
	});

	test("counts the memories of each layer, at present and at a mark", () => {
		const tree = StateTree.build(memories(5));
		const mark = tree.mark();
		tree.set({ ...memory(9), layer: "episodic" });
		tree.delete("semantic", spreadKey(0));
		tree.set(memory(1, "b"));
		expect(tree.counts()).toEqual({ short_term: 0, long_term: 0, episodic: 1, semantic: 4 });
		expect(tree.counts(mark)).toEqual({ short_term: 0, long_term: 0, episodic: 0, semantic: 5 });
	});

	test("goes through thousands of memories and back to nothing", () => {
		const tree = StateTree.build(memories(3_000));
		expect(tree.used).toMatchObject({ leaves: 3_000 });
		for (const { layer, memoryKey } of memories(3_000)) tree.delete(layer, memoryKey);
		expect(tree.used).toEqual({ nodes: 0, leaves: 0 });
		expect(tree.roots()).toEqual(EMPTY_ROOTS);
	});

	test("refuses to delete what it does not hold, and stays as it was", () => {
		const tree = StateTree.build(memories(3));
		const roots = tree.roots();
		const held = memory(2);
		const misses = [
			() => tree.delete("semantic", spreadKey(99)),
			() => tree.delete("episodic", held.memoryKey),
			() => tree.delete("semantic", held.memoryKey, hashOf("another")),
		];
		for (const miss of misses) expect(miss).toThrow(expect.objectContaining({ code: "internal" }));
		expect(tree.roots()).toEqual(roots);
		tree.delete("semantic", held.memoryKey, held.contentHash);
		expect(tree.has(held)).toBe(false);
	});

	test.each<[string, Partial<CommittedMemory>]>([
		["an upper-case key", { memoryKey: spreadKey(1).toUpperCase() as MemoryKey }],
		["a key without dashes", { memoryKey: "0".repeat(36) as MemoryKey }],
		["a short key", { memoryKey: spreadKey(1).slice(1) as MemoryKey }],
		["a key of other characters", { memoryKey: spreadKey(1).replace(/^./, "é") as MemoryKey }],
		["a short hash", { contentHash: hashOf(1).slice(0, -2) as Hex }],
		["an upper-case hash", { contentHash: hashOf(1).toUpperCase().replace("X", "x") as Hex }],
		["a hash without 0x", { contentHash: `00${hashOf(1).slice(2)}` as Hex }],
	])("refuses %s, and stays as it was", (_, parts) => {
		const tree = StateTree.build(memories(2));
		const roots = tree.roots();
		expect(() => tree.set({ ...memory(7), ...parts })).toThrow(
			expect.objectContaining({ code: "verification_failed" }),
		);
		expect(tree.roots()).toEqual(roots);
	});

	test("tells paths that name no place", () => {
		const tree = StateTree.build(memories(3));
		for (const path of ["4", "0 ", "x", "0".repeat(65)]) {
			expect(() => tree.node("semantic", path)).toThrow(
				expect.objectContaining({ code: "invalid_request" }),
			);
		}
		expect(tree.node("semantic", "0".repeat(64))).toEqual({ type: "empty" });
	});
});

describe("packed records", () => {
	test("give the same tree as memories one by one, beside what is there", () => {
		const tree = StateTree.build(memories(10));
		tree.addPacked("semantic", Buffer.concat(memories(2_000).slice(10).map(record)));
		expect(tree.roots()).toEqual(StateTree.build(memories(2_000)).roots());
	});

	test("of one key: the last one holds", () => {
		const tree = new StateTree();
		const twice = [memory(1, "b"), memory(2), memory(1, "c"), memory(1, "a")];
		tree.addPacked("semantic", Buffer.concat(twice.map(record)));
		expect(tree.roots()).toEqual(StateTree.build([memory(1), memory(2)]).roots());
	});

	test("may begin anywhere in their buffer", () => {
		const bytes = Buffer.concat([Buffer.alloc(3), ...memories(40).map(record)]);
		const tree = new StateTree();
		tree.addPacked("semantic", bytes.subarray(3));
		expect(tree.roots()).toEqual(StateTree.build(memories(40)).roots());
	});

	test("that are cut off are refused", () => {
		const cut = record(memory(1)).subarray(0, 47);
		expect(() => new StateTree().addPacked("semantic", cut)).toThrow("47 bytes");
	});
});

describe("a mark", () => {
	test("of another tree is refused", () => {
		const tree = StateTree.build(memories(3));
		tree.mark();
		const foreign = StateTree.build(memories(3)).mark();
		for (const use of [() => tree.restore(foreign), () => tree.release(foreign)]) {
			expect(use).toThrow(expect.objectContaining({ code: "internal" }));
		}
	});

	test("can be restored again and again", () => {
		const tree = StateTree.build(memories(100));
		const roots = tree.roots();
		const mark = tree.mark();
		for (let round = 0; round < 3; round++) {
			tree.set(memory(round, "b"));
			tree.mark();
			tree.delete("semantic", spreadKey(50 + round));
			expect(tree.roots()).not.toEqual(roots);
			tree.restore(mark);
			expect(tree.roots()).toEqual(roots);
		}
	});

	test("can be read while the tree goes on", () => {
		const tree = StateTree.build(memories(50));
		const mark = tree.mark();
		const seen: CommittedMemory[] = [];
		for (const each of tree.memories("semantic", "", mark)) {
			seen.push(each);
			tree.set({ ...each, contentHash: hashOf(`later ${seen.length}`) });
			tree.set({ ...each, memoryKey: closeKey(seen.length, 4) });
		}
		expect(StateTree.build(seen).roots()).toEqual(tree.roots(mark));
		expect(seen).toHaveLength(50);
	});

	test("costs slots for what is changed after it, not for what there is", () => {
		const tree = StateTree.build(memories(3_000));
		const before = tree.used;
		tree.mark();
		expect(tree.used).toEqual(before);
		for (let number = 0; number < 10; number++) tree.set(memory(number, "b"));
		expect(tree.used.leaves).toBe(before.leaves + 10);
		expect(tree.used.nodes).toBeLessThan(before.nodes + 10 * 8);
	});
});

describe("the state root", () => {
	const roots = StateTree.build(memories(3)).roots();

	test("is bound to chain, height and block", () => {
		const places = [
			AT,
			{ ...AT, chainId: 1 },
			{ ...AT, height: 8n },
			{ ...AT, blockHash: hashOf("another block") },
		];
		expect(new Set(places.map((at) => stateRoot(roots, at))).size).toBe(places.length);
	});

	test("takes the whole range of heights", () => {
		expect(stateRoot(roots, { ...AT, height: 2n ** 63n })).not.toBe(stateRoot(roots, AT));
	});

	test("refuses what is not 32 bytes", () => {
		const blockHash = ZERO_HASH.slice(0, -1) as Hex;
		expect(() => stateRoot(roots, { ...AT, blockHash })).toThrow(
			expect.objectContaining({ code: "verification_failed" }),
		);
	});
});
