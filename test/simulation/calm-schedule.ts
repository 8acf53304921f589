/** Schedules for crash points: two processes and no disturbance but forks, writes and operators. */
import type { FaultProfile } from "./faults.ts";
import { type Schedule, scheduleOf } from "./schedule.ts";

/** Without crashes of its own. */
export const CALM_PROFILE: FaultProfile = {
	delays: 0.3,
	delayMs: 40,
	slow: 0,
	errors: 0.01,
	crashes: 0,
	mostCrashes: 0,
};

const KEPT: ReadonlySet<string> = new Set(["chain", "control", "rollback", "term", "write"]);

export function calmSchedule(seed: number): Schedule {
	const schedule = scheduleOf(seed);
	const [first] = schedule.machines;
	if (first === undefined) return schedule;
	return {
		...schedule,
		profile: CALM_PROFILE,
		machines: [first, { ...first, name: "p2", startMs: 1_000 }],
		flushRows: 2,
		rollbackChanges: seed % 2 === 0 ? 2 : 100_000,
		snapshotEveryBlocks: 4,
		events: schedule.events.filter(({ do: what }) => KEPT.has(what)),
	};
}

/** What comes later than that is left out. */
export function endingAt(schedule: Schedule, lengthMs: number): Schedule {
	const events = schedule.events.filter(({ atMs }) => atMs < lengthMs);
	return { ...schedule, lengthMs, events };
}
