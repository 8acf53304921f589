/** Crash points of importing a snapshot in the place of what stands. */
import { CALM_PROFILE, calmSchedule } from "./calm-schedule.ts";
import { type CrashSuite, describeCrashes } from "./crash-suite.ts";
import { openSnapshotStores } from "./fake-stores.ts";
import { ImportScene, requireLedger } from "./import-scene.ts";

const SEEDS = Array.from({ length: 20 }, (_, index) => 80_000 + index);

const IMPORTING: Omit<CrashSuite, "steps" | "title"> = {
	seeds: SEEDS,
	again: [undefined, 1, 3],
	later: undefined,
	profile: CALM_PROFILE,
	run: (seed) => {
		const scene = new ImportScene();
		const schedule = calmSchedule(seed);
		return {
			schedule: {
				...schedule,
				snapshotEveryBlocks: undefined,
				events: schedule.events.filter(({ do: what }) => what === "chain" || what === "term"),
			},
			openStores: openSnapshotStores,
			script: (world) => scene.begin(world),
			isSettled: (_standing, isFollowed) => isFollowed && scene.isOver,
			judge: requireLedger,
		};
	},
};

describeCrashes({
	...IMPORTING,
	title: "importing a snapshot, a crash at",
	steps: ["snapshots.recordImport", "snapshots.want", "imports.replace"],
});

describeCrashes({
	...IMPORTING,
	title: "importing a snapshot that cannot be taken at first, a crash at",
	steps: ["imports.failed"],
	failing: ["imports.replace"],
});
