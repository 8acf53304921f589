/** What a run holds against what its straight run holds. */
import { differingLayers } from "../../src/commitment/state-root.ts";
import type { Height } from "../../src/domain/ids.ts";
import type { Version } from "../../src/domain/memory.ts";
import { nameOf } from "../support/reference-history.ts";
import { isOf, isSaid, rising } from "./held-rows.ts";
import { require, requireEqual, requireSameMap } from "./oracle-failure.ts";
import type { HeldRun } from "./run-reads.ts";

interface Interval {
	readonly from: Height;
	to: Height;
	readonly says: string;
}

export function requireContent(held: HeldRun, fresh: HeldRun, unlinked: ReadonlySet<string>): void {
	requireEqual("content", held.head, fresh.head, "head");
	const ours = lives(held, unlinked);
	requireSameMap("content", ours, lives(fresh, unlinked), "lives of memories");
	if (unlinked.size > 0) return;
	const theirs = new Map(
		present(fresh).map((checkpoint) => [checkpoint.height, checkpoint] as const),
	);
	for (const { height, blockHash, roots } of present(held)) {
		const straight = theirs.get(height);
		const isBlock = straight?.blockHash === blockHash;
		require("content", isBlock, () => `block ${height} is ${blockHash}`);
		if (straight === undefined) continue;
		const layers = differingLayers(roots, straight.roots);
		require("content", layers.length === 0, () => `roots of ${height} differ: ${layers.join()}`);
	}
	const layers = differingLayers(held.roots, fresh.roots);
	require("content", layers.length === 0, () => `roots of the pending slot: ${layers.join()}`);
}

function present({ checkpoints, generation }: HeldRun): HeldRun["checkpoints"] {
	return checkpoints.filter((each) => isOf(each, generation));
}

/** What each memory says from which height to which, whatever rows it takes to say so. */
function lives(
	{ versions, generation }: HeldRun,
	without: ReadonlySet<string>,
): ReadonlyMap<string, readonly Interval[]> {
	const rows = versions.filter(
		(each) => isOf(each, generation) && isSaid(each) && !without.has(each.id),
	);
	return new Map([...Map.groupBy(rows, nameOf)].map(([name, own]) => [name, joined(own)] as const));
}

function joined(rows: readonly Version[]): readonly Interval[] {
	const intervals: Interval[] = [];
	for (const row of rows.toSorted((a, b) => rising(a.fromBlock, b.fromBlock))) {
		const last = intervals.at(-1);
		const says = `${row.owner} ${row.layer} ${row.contentHash}`;
		if (last !== undefined && last.to === row.fromBlock && last.says === says)
			last.to = row.toBlock;
		else intervals.push({ from: row.fromBlock, to: row.toBlock, says });
	}
	return intervals;
}
