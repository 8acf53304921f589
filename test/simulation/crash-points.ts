/**
 * Crash points: a process dies before a durable step is sent, as it is under way, or after it took effect;
 * and again at a step of the recovery from that.
 */
import { type Call, type CallPlan, type Fault, type Faults, named } from "./faults.ts";

export const CRASH_TIMES = ["crash_before", "crash_under_way", "crash_after"] as const;
export type CrashTime = (typeof CRASH_TIMES)[number];

export interface CrashPoint {
	/** `port.method`. */
	readonly step: string;
	/** The how-manieth of the run, over all processes. */
	readonly nth: number;
	readonly when: CrashTime;
	/** So many durable steps after it, whosever, there is a crash again; undefined: there is none. */
	readonly again: number | undefined;
}

/** Steps that only keep something alive; a recovery is full of them. */
const BEATS: ReadonlySet<string> = new Set([
	"rollback.renewClaim",
	"tasks.renew",
	"writer.acquireLease",
	"writer.renewLease",
]);

export class CrashAt implements Faults {
	readonly #point: CrashPoint;
	readonly #others: Faults;
	#seen = 0;
	#since: number | undefined;
	/** What came up, in order. */
	readonly crashes: string[] = [];

	/** `others`: what else goes wrong. */
	constructor(point: CrashPoint, others: Faults) {
		this.#point = point;
		this.#others = others;
	}

	plan(call: Call): CallPlan {
		const plan = this.#others.plan(call);
		const fault = call.durable ? this.#crash(call) : undefined;
		if (fault === undefined) return plan;
		this.crashes.push(`${named(call)} ${fault}`);
		return { ...plan, fault };
	}

	#crash(call: Call): Fault | undefined {
		const { step, nth, when, again } = this.#point;
		if (this.#since !== undefined) {
			if (again === undefined || BEATS.has(call.step)) return undefined;
			this.#since += 1;
			return this.#since === again ? when : undefined;
		}
		if (call.step !== step) return undefined;
		this.#seen += 1;
		if (this.#seen < nth) return undefined;
		this.#since = 0;
		return when;
	}
}
