/** Every checkpoint's root, of every generation, from what is visible there. */
import { differingLayers, type StateRoots } from "../../src/commitment/state-root.ts";
import { StateTree } from "../../src/commitment/state-tree.ts";
import { FOREVER, type Generation } from "../../src/domain/ids.ts";
import type { Version } from "../../src/domain/memory.ts";
import { isOf, isSaid, rising } from "./held-rows.ts";
import { require } from "./oracle-failure.ts";
import type { HeldRun } from "./run-reads.ts";

export function requireRoots(held: HeldRun): void {
	for (let generation = 0n; generation <= held.generation; generation += 1n) {
		const seen = held.versions.filter((each) => isOf(each, generation));
		const sealed = held.checkpoints
			.filter((each) => isOf(each, generation))
			.sort((a, b) => (a.height < b.height ? -1 : 1));
		// What is the same as a generation before was held against its rows there.
		const begins = sealed.findIndex((each) => each.fromGen === generation);
		if (begins < 0) continue;
		requireRootsOf(seen, sealed.slice(begins), generation);
	}
}

function requireRootsOf(
	versions: readonly Version[],
	sealed: HeldRun["checkpoints"],
	generation: Generation,
): void {
	const tree = new StateTree();
	const begins = versions.filter(isSaid).sort((a, b) => rising(a.fromBlock, b.fromBlock));
	const ends = [...begins].sort((a, b) => rising(a.toBlock, b.toBlock));
	let [begun, ended] = [0, 0];
	for (const { height, roots } of sealed) {
		// What ends goes first: at the same height the same memory may begin anew.
		for (; (ends[ended]?.toBlock ?? FOREVER) <= height; ended += 1) {
			const version = ends[ended];
			if (version !== undefined && tree.has(version)) {
				tree.delete(version.layer, version.memoryKey, version.contentHash);
			}
		}
		for (; (begins[begun]?.fromBlock ?? FOREVER) <= height; begun += 1) {
			const version = begins[begun];
			if (version !== undefined && version.toBlock > height) tree.set(version);
		}
		requireSameRoots(roots, tree.roots(), `at height ${height} of generation ${generation}`);
	}
}

function requireSameRoots(actual: StateRoots, expected: StateRoots, where: string): void {
	const layers = differingLayers(actual, expected);
	require("roots", layers.length === 0, () => `roots ${where} differ in ${layers.join(", ")}`);
}
