/**
 * Crash points of making, verifying and taking away snapshots, and of what rests on them: the cut of the log and
 * rollbacks that restore.
 */
import { CALM_PROFILE, calmSchedule, endingAt } from "./calm-schedule.ts";
import { describeCrashes } from "./crash-suite.ts";
import { openSnapshotStores } from "./fake-stores.ts";
import type { World } from "./simulation.ts";
import { openLossyStores, requireSnapshots } from "./snapshot-scenes.ts";

const SEEDS = Array.from({ length: 40 }, (_, index) => 50_000 + index);
/** Retention comes five seconds after a start. */
const LENGTH_MS = 9_000;
/** Blocks that are there before: some are final from the start. */
const BLOCKS = 20;

describeCrashes({
	title: "with snapshots, a crash at",
	steps: [
		"snapshots.record",
		"snapshots.progress",
		"snapshots.stored",
		"snapshots.ended",
		"snapshots.heldUp",
		"snapshots.remove",
		"archive.write",
		"archive.remove",
		"logCutter.cutLog",
		"shadows.remove",
	],
	seeds: SEEDS,
	again: [undefined, 1, 3],
	later: 3,
	profile: { ...CALM_PROFILE, errors: 0.02 },
	run: (seed) => ({
		schedule: {
			...endingAt(calmSchedule(seed), LENGTH_MS),
			rollbackChanges: 2,
			snapshotEveryBlocks: 2,
		},
		openStores: openSnapshotStores,
		file: {
			snapshots: { everyBlocks: 2, everyMs: undefined, fullEvery: 1, keep: 1 },
			logKeep: "sinceSnapshot",
		},
		script: grown,
		alsoJudge: requireSnapshots,
	}),
});

describeCrashes({
	title: "with snapshots that are lost, a crash at",
	steps: ["snapshots.becomeFull", "restoredStates.snapshotDamaged"],
	seeds: SEEDS,
	again: [undefined, 1, 3],
	later: undefined,
	profile: CALM_PROFILE,
	run: (seed) => ({
		schedule: {
			...endingAt(calmSchedule(seed), LENGTH_MS),
			rollbackChanges: 2,
			snapshotEveryBlocks: 2,
		},
		openStores: openLossyStores,
		file: { snapshots: { everyBlocks: 2, everyMs: undefined, fullEvery: 2, keep: undefined } },
		script: grown,
	}),
});

function grown({ chain }: World): void {
	while (chain.head.number < BLOCKS) chain.step();
}
