/** Whether a snapshot is due, of which kind it is, and which ones are kept: plain decisions over rows. */
import { FatalError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { SnapshotKind } from "./snapshot-kind.ts";
import type { SnapshotCut, SnapshotRow } from "./snapshot-row.ts";

/** Of a chain's file, checked. */
export interface SnapshotSchedule {
	/** A snapshot when that many blocks became final since the last one; undefined: not by blocks. */
	readonly everyBlocks: number | undefined;
	/** A snapshot when that long ago the last one was made; undefined: not by time. */
	readonly everyMs: number | undefined;
	/** Increments between two full ones, 0 to LIMITS.snapshotParents. */
	readonly fullEvery: number;
	/** Full ones that are kept, with their increments; undefined: all. */
	readonly keep: number | undefined;
}

/** A chain of 8 reads at most nine snapshots to restore one. */
export const DEFAULT_FULL_EVERY = 8;

/** Why one is due at the cut; undefined: none is. */
export function dueCause(
	schedule: SnapshotSchedule,
	newest: Pick<SnapshotRow, "height" | "createdAt"> | undefined,
	now: { readonly cut: Pick<SnapshotCut, "height">; readonly ms: number },
): "blocks" | "time" | undefined {
	const { everyBlocks, everyMs } = schedule;
	if (newest === undefined) {
		if (everyBlocks !== undefined) return "blocks";
		return everyMs === undefined ? undefined : "time";
	}
	const blocks = now.cut.height - newest.height;
	// The same coordinate again would be the same snapshot.
	if (blocks <= 0n) return undefined;
	if (everyBlocks !== undefined && blocks >= BigInt(everyBlocks)) return "blocks";
	const age = now.ms - newest.createdAt.getTime();
	return everyMs !== undefined && age >= everyMs ? "time" : undefined;
}

export interface ChosenKind {
	readonly kind: SnapshotKind;
	readonly parent: SnapshotRow | undefined;
}

/**
 * `candidates`: what can be continued, the highest first. `wanted` undefined: an increment where there
 * is something to continue. Throws `FatalError("snapshot_not_found")` for an increment of nothing.
 */
export function chooseKind(
	candidates: readonly SnapshotRow[],
	wanted: SnapshotKind | undefined,
	fullEvery: number,
): ChosenKind {
	const full: ChosenKind = { kind: "full", parent: undefined };
	if (wanted === "full") return full;
	const [parent] = candidates;
	const room = wanted === "incremental" ? LIMITS.snapshotParents : fullEvery;
	if (parent !== undefined && parentsOf(parent, candidates) < room) {
		return { kind: "incremental", parent };
	}
	if (wanted === undefined) return full;
	throw new FatalError("snapshot_not_found", {
		message:
			parent === undefined
				? "there is no snapshot of this branch below that height to continue"
				: `the snapshot below has ${LIMITS.snapshotParents} parents already`,
		hint: "make a full one",
	});
}

/** Snapshots between this one and its full one, itself included if it is an increment. */
function parentsOf(row: SnapshotRow, rows: readonly SnapshotRow[]): number {
	let count = 0;
	let next: SnapshotRow | undefined = row;
	while (next?.kind === "incremental") {
		count += 1;
		const parentId: string | undefined = next.parentId;
		// A parent that is not among the candidates: better begin anew than continue what is not known.
		if (count > LIMITS.snapshotParents) break;
		next = rows.find((each) => each.snapshotId === parentId);
		if (next === undefined) return LIMITS.snapshotParents;
	}
	return count;
}

/**
 * Snapshots past `keep`: those of full ones older than the newest `keep` verified ones, unless a kept
 * one continues them. `rows`: every snapshot of the chain that was made here, the newest first.
 */
export function pastKeeping(
	rows: readonly SnapshotRow[],
	keep: number | undefined,
): readonly SnapshotRow[] {
	if (keep === undefined) return [];
	const fulls = rows.filter((row) => row.kind === "full" && row.state === "verified");
	const oldestKept = fulls[keep - 1];
	if (oldestKept === undefined) return [];
	const needed = new Set<string>();
	for (const row of rows) {
		if (row.createdAt < oldestKept.createdAt && !needed.has(row.snapshotId)) continue;
		needed.add(row.snapshotId);
		if (row.parentId !== undefined) needed.add(row.parentId);
	}
	return rows.filter((row) => !needed.has(row.snapshotId) && row.progress === undefined);
}
