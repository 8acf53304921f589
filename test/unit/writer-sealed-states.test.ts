import { describe, expect, test } from "vitest";
import type { LeafChange } from "../../src/commitment/leaf-changes.ts";
import { EMPTY_ROOTS } from "../../src/commitment/state-root.ts";
import { StateTree } from "../../src/commitment/state-tree.ts";
import { FatalError } from "../../src/domain/errors.ts";
import type { Height, Hex } from "../../src/domain/ids.ts";
import type { LeafStep, Sealed, UnrootedBatch } from "../../src/writer/commit-batch.ts";
import { SealedStates } from "../../src/writer/sealed-states.ts";
import { keyOf } from "../support/versions.ts";

const NOTHING: UnrootedBatch = {
	chainId: 1,
	generation: 0n,
	basePosition: 0n,
	logPosition: 0n,
	versionSeq: 0n,
	head: undefined,
	safe: undefined,
	finalized: undefined,
	log: [],
	changes: { closeBlock: [], closeGen: [], insert: [], newMemories: [] },
	vectors: [],
	blocks: [],
	operations: [],
	derivations: [],
	settledEntries: [],
	thinned: undefined,
	steps: [],
};

function change(id: string, says: number | undefined): LeafChange {
	const contentHash: Hex | undefined =
		says === undefined ? undefined : `0x${says.toString(16).padStart(64, "0")}`;
	return { layer: "semantic", memoryKey: keyOf(id), contentHash };
}

function sealedAt(height: Height): Sealed {
	const blockHash: Hex = `0x${height.toString(16).padStart(64, "0")}`;
	return { height, blockHash, logPosition: height, versionId: height, pointers: {} };
}

function step(height: Height, ...changes: readonly LeafChange[]): LeafStep {
	return { changes, sealed: sealedAt(height) };
}

function batch(...steps: readonly LeafStep[]): UnrootedBatch {
	return { ...NOTHING, steps };
}

/** Roots of a state that holds just this. */
function rootsOf(...changes: readonly LeafChange[]) {
	const tree = new StateTree();
	for (const { contentHash, ...place } of changes) {
		if (contentHash !== undefined) tree.set({ ...place, contentHash });
	}
	return tree.roots();
}

function states(): SealedStates {
	return new SealedStates(new StateTree());
}

describe("a commit that is tried", () => {
	test("has the roots of each block that it seals, and of the pending slot", () => {
		const pending: LeafStep = { changes: [change("b", 2)], sealed: undefined };
		const rooted = states().attempt(
			batch(step(1n, change("a", 1)), step(2n, change("a", 3)), pending),
		);
		expect(rooted.checkpoints.map(({ height, roots }) => [height, roots])).toEqual([
			[1n, rootsOf(change("a", 1))],
			[2n, rootsOf(change("a", 3))],
		]);
		expect(rooted.roots).toEqual(rootsOf(change("a", 3), change("b", 2)));
	});

	test("leaves nothing when it is dropped, and is the state when it is kept", () => {
		const held = states();
		held.attempt(batch(step(1n, change("a", 1))));
		held.drop();
		expect(held.roots).toEqual(EMPTY_ROOTS);
		expect(held.at(1n)).toBeUndefined();
		expect(held.tree.used).toEqual({ nodes: 0, leaves: 0 });
		held.attempt(batch(step(1n, change("a", 2))));
		held.keep();
		expect(held.roots).toEqual(rootsOf(change("a", 2)));
		expect(held.tree.roots(held.at(1n))).toEqual(rootsOf(change("a", 2)));
	});

	test("leaves nothing when a change does not fit the tree", () => {
		const held = states();
		held.attempt(batch(step(1n, change("a", 1))));
		held.keep();
		expect(() => held.attempt(batch(step(2n, change("b", 5), change("c", undefined))))).toThrow(
			FatalError,
		);
		expect(held.roots).toEqual(rootsOf(change("a", 1)));
		held.attempt(batch(step(2n, change("b", 5))));
		held.keep();
		expect(held.roots).toEqual(rootsOf(change("a", 1), change("b", 5)));
	});

	test("is the only one whose outcome is open", () => {
		const held = states();
		held.attempt(batch(step(1n, change("a", 1))));
		expect(() => held.attempt(batch())).toThrow("outcome of another is open");
	});
});

describe("a fork", () => {
	const ignore = () => undefined;

	function grown(): SealedStates {
		const held = states();
		held.attempt(
			batch(step(1n, change("a", 1)), step(2n, change("a", 2)), step(3n, change("b", 3))),
		);
		held.keep();
		return held;
	}

	test("goes back to the ancestor's roots, and keeps the states below it alone", () => {
		const held = grown();
		let seen: unknown;
		const back = {
			ancestor: 1n,
			changes: [change("a", 1), change("b", undefined)],
			verify: (roots: unknown) => {
				seen = roots;
			},
		};
		const rooted = held.attemptFork(batch(step(2n, change("c", 4))), back);
		expect(seen).toEqual(held.tree.roots(held.at(1n)));
		expect(rooted.roots).toEqual(rootsOf(change("a", 1), change("c", 4)));
		expect(held.tree.roots(held.at(3n)), "until it is kept").toEqual(
			rootsOf(change("a", 2), change("b", 3)),
		);
		held.keep();
		expect(held.at(3n)).toBeUndefined();
		expect(held.tree.roots(held.at(2n))).toEqual(rootsOf(change("a", 1), change("c", 4)));
		expect(held.tree.roots(held.at(1n))).toEqual(rootsOf(change("a", 1)));
	});

	test("that is not verified leaves everything as it was", () => {
		const held = grown();
		const before = held.roots;
		const verify = () => {
			throw new FatalError("verification_failed", { message: "no", hint: "none" });
		};
		expect(() =>
			held.attemptFork(batch(), { ancestor: 1n, changes: [change("a", 9)], verify }),
		).toThrow("no");
		expect(held.roots).toEqual(before);
		held.attemptFork(batch(), { ancestor: 2n, changes: [change("b", undefined)], verify: ignore });
		held.drop();
		expect(held.roots).toEqual(before);
		expect(held.tree.roots(held.at(3n))).toEqual(before);
	});
});

test("states below the window are given up with what they alone held", () => {
	const held = states();
	for (let height = 1n; height <= 50n; height += 1n) {
		held.attempt(batch(step(height, change("a", Number(height)))));
		held.keep();
	}
	held.trimBelow(50n);
	expect(held.at(49n)).toBeUndefined();
	expect(held.tree.roots(held.at(50n))).toEqual(rootsOf(change("a", 50)));
	expect(held.tree.used.leaves).toBe(1);
});
