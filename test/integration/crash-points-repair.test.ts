/** Crash points of a repair of vectors' tables; on Postgres, whose rows it is planned from. */
import { inject } from "vitest";
import { CALM_PROFILE, calmSchedule, endingAt } from "../simulation/calm-schedule.ts";
import { describeCrashes } from "../simulation/crash-suite.ts";
import { openPostgresRun } from "../simulation/postgres-run.ts";
import { RepairScene } from "../simulation/repair-scene.ts";

const SEEDS = Array.from({ length: 10 }, (_, index) => 90_000 + index);
const LENGTH_MS = 6_000;
/** Checkpoints name tables as they were before the repair: no fork is to go back to them. */
const FORKS_UNTIL_MS = 3_000;
const BLOCKS = 12;
/** Of the run under way; they go one after the other. */
let scene = new RepairScene();
const openStores = openPostgresRun(inject("databaseUrl"), {
	onOpen: (opened) => scene.onOpen(opened),
});
const PROFILE = { ...CALM_PROFILE, errors: 0 };

describeCrashes({
	title: "repairing tables, a crash at",
	steps: ["tables.rewrite"],
	seeds: SEEDS,
	again: [undefined, 1, 3],
	later: undefined,
	profile: PROFILE,
	run: (seed) => {
		const own = new RepairScene();
		scene = own;
		const schedule = endingAt(calmSchedule(seed), LENGTH_MS);
		return {
			schedule: {
				...schedule,
				profile: PROFILE,
				snapshotEveryBlocks: undefined,
				events: schedule.events.filter(
					({ do: what, atMs }) => what === "write" || (what === "chain" && atMs < FORKS_UNTIL_MS),
				),
			},
			openStores,
			script: (world) => {
				while (world.chain.head.number < BLOCKS) world.chain.step();
				own.begin(world);
			},
			isSettled: (_standing, isFollowed) => isFollowed && own.isOver,
		};
	},
});
