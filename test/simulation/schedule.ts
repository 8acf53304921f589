/** What one seed makes happen, and when. A plain value: shrinking leaves entries out of it. */
import { ROLLBACK_ORDERS, type RollbackOrder } from "../../src/rollback/orders.ts";
import { Random } from "../support/random.ts";
import type { StoreName } from "./durable-steps.ts";
import type { FaultProfile } from "./faults.ts";
import type { Role } from "./sim-process.ts";

export type Control = RollbackOrder;

export type Happening =
	| { readonly do: "chain" | "flushall" | "write" }
	/** By hand, that many blocks under the head. */
	| { readonly do: "rollback"; readonly back: number }
	/** Of the newest rollback. */
	| { readonly do: "control"; readonly control: Control }
	/** SIGKILL, or SIGTERM; it is started again after a while. */
	| { readonly do: "kill" | "term"; readonly machine: number; readonly downMs: number }
	/** SIGSTOP and SIGCONT. */
	| { readonly do: "freeze"; readonly machine: number; readonly ms: number }
	/** A store is not reached from a machine; undefined: from none. */
	| {
			readonly do: "away";
			readonly store: StoreName;
			readonly machine: number | undefined;
			readonly ms: number;
	  }
	/** A wall clock jumps. */
	| { readonly do: "jump"; readonly machine: number; readonly ms: number };

export type SimEvent = Happening & { readonly id: string; readonly atMs: number };

export interface MachinePlan {
	readonly name: string;
	readonly role: Role;
	readonly rate: number;
	readonly skewMs: number;
	readonly startMs: number;
}

export interface Schedule {
	readonly seed: number;
	readonly machines: readonly MachinePlan[];
	readonly profile: FaultProfile;
	/** False: whoever takes the job works on a rollback. */
	readonly inlineRollbacks: boolean;
	readonly flushRows: number;
	readonly rollbackChanges: number;
	readonly fansOut: boolean;
	/** Whether a holder that died is known to be gone, as on one host. */
	readonly knowsDead: boolean;
	readonly snapshotEveryBlocks: number | undefined;
	/** Whether nodes give orphaned blocks by their hash. */
	readonly servesOrphans: boolean;
	readonly events: readonly SimEvent[];
	/** Then the faults end, and all must settle. */
	readonly lengthMs: number;
}

/** So many blocks and writes that a fork of every depth comes up, so few that a run takes milliseconds. */
const LENGTH_MS = { least: 8_000, most: 24_000 };
const CHAIN_EVERY_MS = 450;
const WRITE_EVERY_MS = 700;

const CALM: FaultProfile = {
	delays: 0.2,
	delayMs: 20,
	slow: 0,
	errors: 0,
	crashes: 0,
	mostCrashes: 0,
};
const PROFILES: readonly FaultProfile[] = [
	CALM,
	{ delays: 0.3, delayMs: 60, slow: 0.001, errors: 0.01, crashes: 0.01, mostCrashes: 3 },
	{ delays: 0.5, delayMs: 200, slow: 0.003, errors: 0.03, crashes: 0.02, mostCrashes: 6 },
	{ delays: 0.1, delayMs: 10, slow: 0.01, errors: 0.005, crashes: 0.04, mostCrashes: 8 },
];

/** Events that a shrunk run leaves out, by id. */
export function scheduleOf(seed: number): Schedule {
	const random = new Random(seed);
	const machines = machinesOf(random);
	const lengthMs = random.between(LENGTH_MS.least, LENGTH_MS.most);
	const profile = random.oneOf(PROFILES);
	return {
		seed,
		machines,
		profile,
		inlineRollbacks: random.chance(0.7),
		flushRows: random.oneOf([2, 4, 32]),
		rollbackChanges: random.chance(0.2) ? 2 : 100_000,
		fansOut: random.chance(0.3),
		knowsDead: random.chance(0.3),
		snapshotEveryBlocks: random.chance(0.3) ? 5 : undefined,
		servesOrphans: random.chance(0.5),
		events: numbered([
			...every(random, lengthMs, CHAIN_EVERY_MS, () => ({ do: "chain" })),
			...every(random, lengthMs, WRITE_EVERY_MS, () => ({ do: "write" })),
			...disturbances(random, lengthMs, machines.length, profile !== CALM),
		]),
		lengthMs,
	};
}

function machinesOf(random: Random): readonly MachinePlan[] {
	return Array.from({ length: random.between(1, 3) }, (_, index) => ({
		name: `p${index + 1}`,
		role: index > 0 && random.chance(0.3) ? ("worker" as const) : ("all" as const),
		// Crystals differ by less than a thousandth; a machine under load may look worse.
		rate: 1 + (random.next() - 0.5) * 0.02,
		skewMs: random.between(-3_000, 3_000),
		startMs: index === 0 ? 0 : random.between(0, 2_000),
	}));
}

type Timed = { readonly atMs: number; readonly what: Happening };

function every(
	random: Random,
	lengthMs: number,
	meanMs: number,
	what: () => Happening,
): readonly Timed[] {
	const events: Timed[] = [];
	for (let atMs = random.next() * meanMs; atMs < lengthMs; atMs += random.next() * 2 * meanMs) {
		events.push({ atMs, what: what() });
	}
	return events;
}

function disturbances(
	random: Random,
	lengthMs: number,
	machines: number,
	stormy: boolean,
): readonly Timed[] {
	const machine = () => random.between(0, machines - 1);
	const some = (meanMs: number, what: () => Happening) => every(random, lengthMs, meanMs, what);
	const calm = [
		...some(9_000, () => ({ do: "rollback", back: random.between(0, 6) })),
		...some(9_000, () => ({ do: "control", control: random.oneOf(ROLLBACK_ORDERS) })),
	];
	if (!stormy) return calm;
	return [
		...calm,
		...some(9_000, () => ({ do: "kill", machine: machine(), downMs: random.between(50, 7_000) })),
		...some(15_000, () => ({ do: "term", machine: machine(), downMs: random.between(50, 3_000) })),
		...some(12_000, () => ({ do: "freeze", machine: machine(), ms: random.between(500, 9_000) })),
		...some(12_000, () => ({
			do: "away",
			store: random.oneOf(["archive", "lancedb", "node", "postgres", "queue"] as const),
			machine: random.chance(0.5) ? machine() : undefined,
			ms: random.between(100, 6_000),
		})),
		...some(15_000, () => ({ do: "flushall" })),
		...some(15_000, () => ({
			do: "jump",
			machine: machine(),
			ms: random.between(-3_600_000, 3_600_000),
		})),
	];
}

function numbered(events: readonly Timed[]): readonly SimEvent[] {
	return events
		.toSorted((left, right) => left.atMs - right.atMs)
		.map(({ atMs, what }, index) => ({ ...what, id: `e${index + 1}`, atMs }));
}
