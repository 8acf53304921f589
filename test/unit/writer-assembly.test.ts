import { expect, test } from "vitest";
import { LEAST_WINDOW } from "../../src/chain/window-size.ts";
import { applyChanges } from "../../src/commitment/leaf-changes.ts";
import { EMPTY_ROOTS } from "../../src/commitment/state-root.ts";
import { StateTree } from "../../src/commitment/state-tree.ts";
import type { Height, Hex } from "../../src/domain/ids.ts";
import type { HandlerOperation } from "../../src/memory/handler-operation.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { Assembly } from "../../src/writer/assembly.ts";

const NO_BLOCK_YET = {
	chainId: 1,
	generation: 0n,
	fence: 1n,
	logPosition: 0n,
	versionSeq: 0n,
	roots: EMPTY_ROOTS,
	head: undefined,
	startBlock: 0n,
	safe: undefined,
	finalized: undefined,
	...LEAST_WINDOW,
	pointers: {},
};

function put(id: string, expiresAtBlock: Height | undefined): HandlerOperation {
	const none = { text: undefined, vector: undefined, collection: undefined };
	const weights = { importance: undefined, confidence: undefined };
	const body = { layer: "short_term", content: { id }, ...none, ...weights } as const;
	return {
		kind: "put",
		namespace: "n",
		id,
		body: { ...body, expiresAtBlock, expiresAtTime: undefined },
	};
}

function hashOf(number: bigint): Hex {
	return `0x${number.toString(16).padStart(64, "0")}`;
}

/** Writes at 10 what ends at 15, writes it again at 18, and ends at 20; seals the heights given. */
function rootsAfter(heights: readonly Height[]) {
	const assembly = new Assembly(NO_BLOCK_YET);
	for (const id of ["ends", "stays"]) assembly.state.load(memoryKey("n", id), []);
	const tree = new StateTree();
	for (const step of sealed(assembly, heights).steps) applyChanges(tree, step.changes);
	return tree.roots();
}

/** The same in two commits: the later one loads what the earlier one left. */
function rootsAfterTwo(earlier: readonly Height[], later: readonly Height[]) {
	const first = new Assembly(NO_BLOCK_YET);
	for (const id of ["ends", "stays"]) first.state.load(memoryKey("n", id), []);
	const tree = new StateTree();
	const { changes, head, logPosition, versionSeq, steps } = sealed(first, earlier);
	const second = new Assembly({ ...NO_BLOCK_YET, head, logPosition, versionSeq });
	const rows = Map.groupBy(changes.insert, (version) => version.memoryKey);
	for (const [key, versions] of rows) second.state.load(key, versions);
	for (const step of [...steps, ...sealed(second, later).steps]) applyChanges(tree, step.changes);
	return tree.roots();
}

function sealed(assembly: Assembly, heights: readonly Height[]) {
	for (const number of heights) {
		assembly.reach(number);
		if (number === 10n) {
			assembly.derive(put("ends", 15n), number, true);
			assembly.derive(put("stays", undefined), number, true);
		}
		if (number === 18n) assembly.derive(put("ends", undefined), number, true);
		const header = { number, hash: hashOf(number), parentHash: hashOf(number - 1n), timestamp: 0n };
		assembly.seal(header, { checkpoint: true, logged: true, operations: 0 });
	}
	return assembly.batch([], { safe: undefined, finalized: undefined });
}

test("a group that leaves out the height at which a memory ends has the roots of one that does not", () => {
	const all = Array.from({ length: 11 }, (_, index) => 10n + BigInt(index));
	expect(rootsAfter([10n, 20n])).toEqual(rootsAfter([10n, 15n, 20n]));
	expect(rootsAfter([10n, 18n, 20n])).toEqual(rootsAfter(all));
});

test("what has ended is no leaf of the tree, and what was written again is", () => {
	const ended = rootsAfter([10n, 15n]);
	expect(ended).not.toEqual(rootsAfter([10n, 14n]));
	expect(ended).not.toEqual(rootsAfter([10n, 18n]));
});

test("what ended before a commit does not end in it again", () => {
	expect(rootsAfterTwo([10n, 14n], [15n, 18n, 20n])).toEqual(rootsAfter([10n, 18n, 20n]));
	expect(rootsAfterTwo([10n, 15n], [16n, 18n, 20n])).toEqual(rootsAfter([10n, 18n, 20n]));
	expect(rootsAfterTwo([10n, 18n], [19n, 20n])).toEqual(rootsAfter([10n, 18n, 20n]));
});
