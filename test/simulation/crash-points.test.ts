/**
 * Every durable step: a process dies before it is sent, under way, and after it took effect; and again while
 * what comes after is recovering from that. The oracle says whether all is as if nothing had been.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { CRASH_TIMES, CrashAt, type CrashPoint } from "./crash-points.ts";
import { DURABLE_STEPS } from "./durable-steps.ts";
import { openFakeStores } from "./fake-stores.ts";
import { type FaultProfile, type Faults, SeededFaults } from "./faults.ts";
import { type Schedule, scheduleOf } from "./schedule.ts";
import { type RunResult, simulate } from "./simulation.ts";

const TIMEOUT_MS = 300_000;
/** Runs in which a step is looked for before it counts as one that never comes. */
const SEEDS = Array.from({ length: 40 }, (_, index) => 40_000 + index);
/** Steps after the first crash at which there is another. */
const AGAIN = [undefined, 1, 3];
/** Without crashes of its own; errors, so that what is done about errors comes up too. */
const PROFILE: FaultProfile = {
	delays: 0.3,
	delayMs: 40,
	slow: 0,
	errors: 0.01,
	crashes: 0,
	mostCrashes: 0,
};

/** Steps that no run takes, each with what shows them instead. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
	["tables.rewrite", "repairs: an operator's, under test/integration"],
	["imports.replace", "imports of snapshots: an operator's, kill-snapshot.test.ts"],
	["imports.failed", "imports of snapshots: an operator's"],
	["snapshots.recordImport", "imports of snapshots: an operator's"],
	["snapshots.want", "imports of snapshots: an operator's"],
	["writer.halt", "no fork of the simulation goes below finality: reorg-depth.test.ts"],
	["tasks.renew", "no task of the simulation takes so long: its embedder answers at once"],
	...[
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
	].map(
		(step) =>
			[step, "runs on real Postgres, which make snapshots, and kill-snapshot.test.ts"] as const,
	),
]);

const STEPS = DURABLE_STEPS.filter((step) => !ELSEWHERE.has(step));

test("what no run takes is a step that there is", () => {
	expect([...ELSEWHERE.keys()].filter((step) => !DURABLE_STEPS.includes(step))).toEqual([]);
});

/** Step → the first run that takes it, without a crash: up to the crash the run with one is the same. */
const runs = new Map<string, { readonly seed: number; readonly times: number }>();

beforeAll(async () => {
	for (const seed of SEEDS) {
		if (STEPS.every((step) => runs.has(step))) return;
		for (const [step, times] of await stepsOf(seed)) {
			if (!runs.has(step)) runs.set(step, { seed, times });
		}
	}
}, TIMEOUT_MS);

describe("a crash at", () => {
	test.each(STEPS)("%s loses nothing", { timeout: TIMEOUT_MS }, async (step) => {
		const found = runs.get(step);
		if (found === undefined) return expect.fail(`no run comes to ${step}`);
		const nth = Math.min(3, found.times);
		for (const when of CRASH_TIMES) {
			for (const again of AGAIN) await crashed(found.seed, { step, nth: 1, when, again });
			if (nth > 1) await crashed(found.seed, { step, nth, when, again: undefined });
		}
	});
});

async function crashed(seed: number, point: CrashPoint): Promise<void> {
	let crashes: readonly string[] = [];
	const result = await run(seed, (others) => {
		const faults = new CrashAt(point, others);
		crashes = faults.crashes;
		return faults;
	});
	expect(crashes.length, `seed ${seed}: it came up`).toBeGreaterThan(0);
	expect(result.failure, `seed ${seed}: ${crashes.join(", then ")}`).toBeUndefined();
}

/** Durable steps of a run, and how often each came. */
async function stepsOf(seed: number): Promise<ReadonlyMap<string, number>> {
	const steps = new Map<string, number>();
	await run(seed, (others) => ({
		plan: (call) => {
			if (call.durable) steps.set(call.step, (steps.get(call.step) ?? 0) + 1);
			return others.plan(call);
		},
	}));
	return steps;
}

function run(seed: number, faults: (others: Faults) => Faults): Promise<RunResult> {
	return simulate({
		schedule: calm(scheduleOf(seed)),
		openStores: openFakeStores,
		without: new Set(),
		faults: (isOver) =>
			faults(
				new SeededFaults({
					seed,
					profile: PROFILE,
					without: new Set(),
					isOver,
					onFault: () => undefined,
				}),
			),
	});
}

/** Two processes and no disturbance but forks and operators. */
function calm(schedule: Schedule): Schedule {
	const [first] = schedule.machines;
	if (first === undefined) return schedule;
	return {
		...schedule,
		profile: PROFILE,
		machines: [first, { ...first, name: "p2", startMs: 1_000 }],
		flushRows: 2,
		rollbackChanges: schedule.seed % 2 === 0 ? 2 : 100_000,
		snapshotEveryBlocks: 4,
		events: schedule.events.filter(({ do: what }) => KEPT.has(what)),
	};
}

const KEPT: ReadonlySet<string> = new Set(["chain", "control", "rollback", "term", "write"]);
