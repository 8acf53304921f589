/**
 * Every durable step: a process dies before it is sent, under way, and after it took effect; and again while
 * what comes after is recovering from that. The oracle says whether all is as if nothing had been.
 *
 * Here are the steps that any run takes; those of `ELSEWHERE` need runs of their own.
 */
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { CALM_PROFILE, calmSchedule } from "./calm-schedule.ts";
import { describeCrashes } from "./crash-suite.ts";
import { DURABLE_STEPS } from "./durable-steps.ts";
import { openFakeStores } from "./fake-stores.ts";

const SEEDS = Array.from({ length: 250 }, (_, index) => 40_000 + index);

/** Steps whose crash points are in another file. */
const ELSEWHERE: ReadonlyMap<string, readonly string[]> = new Map([
	[
		"crash-points-snapshots.test.ts",
		[
			"snapshots.record",
			"snapshots.progress",
			"snapshots.becomeFull",
			"snapshots.stored",
			"snapshots.ended",
			"snapshots.heldUp",
			"snapshots.remove",
			"archive.write",
			"archive.remove",
			"logCutter.cutLog",
			"shadows.remove",
			"restoredStates.snapshotDamaged",
		],
	],
	[
		"crash-points-import.test.ts",
		["snapshots.recordImport", "snapshots.want", "imports.replace", "imports.failed"],
	],
	["crash-points-halt.test.ts", ["writer.halt"]],
	["crash-points-slow.test.ts", ["tasks.giveBack", "tasks.renew"]],
	["../integration/crash-points-repair.test.ts", ["tables.rewrite"]],
]);
const ELSEWHERE_STEPS = new Set([...ELSEWHERE.values()].flat());

const STEPS = DURABLE_STEPS.filter((step) => !ELSEWHERE_STEPS.has(step));

test.each([...ELSEWHERE])("%s has the steps that it is said to have", async (file, steps) => {
	const text = await readFile(new URL(file, import.meta.url), "utf8");
	const named = DURABLE_STEPS.filter((step) => text.includes(`"${step}"`));
	expect(named.toSorted()).toEqual([...steps].sort());
});

describeCrashes({
	title: "a crash at",
	steps: STEPS,
	seeds: SEEDS,
	again: [undefined, 1, 3],
	later: 3,
	profile: CALM_PROFILE,
	run: (seed) => ({ schedule: calmSchedule(seed), openStores: openFakeStores }),
});
