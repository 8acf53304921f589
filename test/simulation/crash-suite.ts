/** The tests of crash points, for runs of whatever kind: one for each step. */
import { beforeAll, describe, expect, test } from "vitest";
import { CRASH_TIMES, CrashAt, type CrashPoint } from "./crash-points.ts";
import { type FaultProfile, type Faults, SeededFaults } from "./faults.ts";
import { type RunOptions, type RunResult, simulate } from "./simulation.ts";

const TIMEOUT_MS = 300_000;

export interface CrashSuite {
	readonly title: string;
	readonly steps: readonly string[];
	/** Runs in which a step is looked for before it counts as one that never comes. */
	readonly seeds: readonly number[];
	/** Durable steps after the first crash at which there is another; undefined: there is none. */
	readonly again: readonly (number | undefined)[];
	/** Occurrence of the step, beside the first, at which there is a crash too. */
	readonly later: number | undefined;
	/** Beside crashes: none of its own, but errors, so that what is done about errors comes up too. */
	readonly profile: FaultProfile;
	/** Calls that fail before their effect at their first time, beside what the profile draws. */
	readonly failing?: readonly string[] | undefined;
	readonly run: (seed: number) => Omit<RunOptions, "faults" | "without">;
}

export function describeCrashes(suite: CrashSuite): void {
	/** Step → the first run that takes it, without a crash: up to the crash the run with one is the same. */
	const runs = new Map<string, { readonly seed: number; readonly times: number }>();

	describe(suite.title, () => {
		beforeAll(async () => {
			for (const seed of suite.seeds) {
				if (suite.steps.every((step) => runs.has(step))) return;
				for (const [step, times] of await stepsOf(suite, seed)) {
					if (!runs.has(step)) runs.set(step, { seed, times });
				}
			}
		}, TIMEOUT_MS);

		test.each(suite.steps)("%s loses nothing", { timeout: TIMEOUT_MS }, async (step) => {
			const found = runs.get(step);
			if (found === undefined) return expect.fail(`no run comes to ${step}`);
			const nth = Math.min(suite.later ?? 1, found.times);
			for (const when of CRASH_TIMES) {
				for (const again of suite.again) {
					await crashed(suite, found.seed, { step, nth: 1, when, again });
				}
				if (nth > 1) await crashed(suite, found.seed, { step, nth, when, again: undefined });
			}
		});
	});
}

async function crashed(suite: CrashSuite, seed: number, point: CrashPoint): Promise<void> {
	let crashes: readonly string[] = [];
	const result = await run(suite, seed, (others) => {
		const faults = new CrashAt(point, others);
		crashes = faults.crashes;
		return faults;
	});
	expect(crashes.length, `seed ${seed}: it came up`).toBeGreaterThan(0);
	expect(result.failure, `seed ${seed}: ${crashes.join(", then ")}`).toBeUndefined();
}

/** Durable steps of a run, and how often each came. */
async function stepsOf(suite: CrashSuite, seed: number): Promise<ReadonlyMap<string, number>> {
	const steps = new Map<string, number>();
	const { failure } = await run(suite, seed, (others) => ({
		plan: (call) => {
			if (call.durable) steps.set(call.step, (steps.get(call.step) ?? 0) + 1);
			return others.plan(call);
		},
	}));
	expect(failure, `seed ${seed}, without a crash`).toBeUndefined();
	return steps;
}

function run(
	{ profile, failing = [], run: optionsOf }: CrashSuite,
	seed: number,
	faults: (others: Faults) => Faults,
): Promise<RunResult> {
	const without: ReadonlySet<string> = new Set();
	return simulate({
		...optionsOf(seed),
		without,
		faults: (isOver) =>
			faults(
				failingOnce(
					failing,
					new SeededFaults({ seed, profile, without, isOver, onFault: () => undefined }),
				),
			),
	});
}

function failingOnce(steps: readonly string[], others: Faults): Faults {
	const left = new Set(steps);
	return {
		plan: (call) => {
			const plan = others.plan(call);
			return left.delete(call.step) ? { ...plan, fault: "error_before" } : plan;
		},
	};
}
