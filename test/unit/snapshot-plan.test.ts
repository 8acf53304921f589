import { describe, expect, test } from "vitest";
import { EMPTY_ROOTS } from "../../src/commitment/state-root.ts";
import type { Hex } from "../../src/domain/ids.ts";
import {
	chooseKind,
	dueCause,
	pastKeeping,
	type SnapshotSchedule,
} from "../../src/snapshots/snapshot-plan.ts";
import type { SnapshotRow } from "../../src/snapshots/snapshot-row.ts";

const HASH: Hex = `0x${"ab".repeat(32)}`;

/** Numbered in the order in which they were made: its height is ten times the number. */
function row(number: number, of: Partial<SnapshotRow> = {}): SnapshotRow {
	return {
		snapshotId: `s${number}`,
		chainId: 1,
		height: BigInt(number) * 10n,
		generation: 0n,
		blockHash: HASH,
		logPosition: 0n,
		versionId: 0n,
		roots: EMPTY_ROOTS,
		state: "verified",
		kind: "full",
		parentId: undefined,
		cause: "blocks",
		manifestId: HASH,
		memories: 0,
		chunks: 0,
		rawBytes: 0,
		storedBytes: 0,
		progress: undefined,
		error: undefined,
		createdAt: new Date(number * 1_000),
		storedAt: undefined,
		verifiedAt: undefined,
		...of,
	};
}

function increment(number: number, of: Partial<SnapshotRow> = {}): SnapshotRow {
	return row(number, { kind: "incremental", parentId: `s${number - 1}`, ...of });
}

const SCHEDULE: SnapshotSchedule = {
	everyBlocks: undefined,
	everyMs: undefined,
	fullEvery: 8,
	keep: undefined,
};

describe("a snapshot is due", () => {
	const newest = row(1);
	const at = (height: bigint, ms = 1_000) => ({ cut: { height }, ms });

	test("by blocks, when so many became final", () => {
		const schedule = { ...SCHEDULE, everyBlocks: 5 };
		expect(dueCause(schedule, undefined, at(0n))).toBe("blocks");
		expect(dueCause(schedule, newest, at(14n))).toBeUndefined();
		expect(dueCause(schedule, newest, at(15n))).toBe("blocks");
	});

	test("by time, when the last is so old and blocks became final", () => {
		const schedule = { ...SCHEDULE, everyMs: 500 };
		expect(dueCause(schedule, undefined, at(0n))).toBe("time");
		expect(dueCause(schedule, newest, at(11n, 1_499))).toBeUndefined();
		expect(dueCause(schedule, newest, at(11n, 1_500))).toBe("time");
		expect(dueCause(schedule, newest, at(10n, 9_999))).toBeUndefined();
	});

	test("never without a schedule, and never below the last one", () => {
		expect(dueCause(SCHEDULE, undefined, at(99n))).toBeUndefined();
		expect(dueCause({ ...SCHEDULE, everyBlocks: 1 }, newest, at(9n))).toBeUndefined();
	});
});

describe("the kind", () => {
	test("is full where there is nothing to continue, or where it is wanted", () => {
		expect(chooseKind([], undefined, 8)).toEqual({ kind: "full", parent: undefined });
		expect(chooseKind([row(1)], "full", 8).kind).toBe("full");
		expect(() => chooseKind([], "incremental", 8)).toThrow(/no snapshot of this branch/);
	});

	test("is full again after so many increments", () => {
		const rows = [increment(3), increment(2), row(1)];
		expect(chooseKind(rows, undefined, 3)).toMatchObject({ parent: { snapshotId: "s3" } });
		expect(chooseKind(rows, undefined, 2).kind).toBe("full");
		expect(chooseKind([row(1)], undefined, 0).kind).toBe("full");
		expect(chooseKind(rows, "incremental", 0).kind).toBe("incremental");
	});

	test("is full when the full one below is not among those that are whole", () => {
		expect(chooseKind([increment(3), increment(2)], undefined, 8).kind).toBe("full");
	});
});

describe("past their keeping", () => {
	const rows = [increment(5), row(4), increment(3), increment(2), row(1)];
	const names = (past: readonly SnapshotRow[]) => past.map(({ snapshotId }) => snapshotId);

	test("are those before the oldest full one that is kept", () => {
		expect(names(pastKeeping(rows, 1))).toEqual(["s3", "s2", "s1"]);
		expect(names(pastKeeping(rows, 2))).toEqual([]);
		expect(names(pastKeeping(rows, undefined))).toEqual([]);
	});

	test("is none that a kept one continues, and none that is worked on", () => {
		const late = row(6, { kind: "incremental", parentId: "s3" });
		expect(names(pastKeeping([late, ...rows], 1))).toEqual([]);
		const busy = rows.map((each) =>
			each.snapshotId === "s1"
				? row(1, {
						progress: { phase: "verify", done: 0, total: 1, ratePerS: undefined, apply: undefined },
					})
				: each,
		);
		expect(names(pastKeeping(busy, 1))).toEqual(["s3", "s2"]);
	});

	test("counts only full ones that are verified", () => {
		const damaged = rows.map((each) =>
			each.snapshotId === "s4" ? row(4, { state: "damaged" }) : each,
		);
		expect(names(pastKeeping(damaged, 1))).toEqual([]);
	});
});
