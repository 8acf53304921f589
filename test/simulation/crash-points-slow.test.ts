/** Crash points of what comes up only where embedding takes long, or fails: claims on tasks are renewed, or given up. */
import { CALM_PROFILE, calmSchedule } from "./calm-schedule.ts";
import { type CrashSuite, describeCrashes } from "./crash-suite.ts";
import { openFakeStores } from "./fake-stores.ts";
import { EMBEDDER } from "./sim-process.ts";

const SEEDS = Array.from({ length: 20 }, (_, index) => 70_000 + index);
/** Longer than a third of a claim, after which it is renewed. */
const EMBEDDING_MS = 1_300;

const SLOW: Omit<CrashSuite, "profile" | "steps" | "title"> = {
	seeds: SEEDS,
	again: [undefined, 1, 3],
	later: 3,
	run: (seed) => ({
		schedule: { ...calmSchedule(seed), fansOut: true, rollbackChanges: 100_000 },
		openStores: openFakeStores,
		embedder: (clock) => ({
			...EMBEDDER,
			embed: async (texts) => {
				await clock.sleep(EMBEDDING_MS);
				return EMBEDDER.embed(texts);
			},
		}),
	}),
};

describeCrashes({
	...SLOW,
	title: "with a slow embedder, a crash at",
	steps: ["tasks.renew"],
	profile: CALM_PROFILE,
});

describeCrashes({
	...SLOW,
	title: "with stores that fail often, a crash at",
	steps: ["tasks.giveBack"],
	profile: { ...CALM_PROFILE, errors: 0.05 },
});
