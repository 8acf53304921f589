/**
 * What becomes of a call. The answer depends on the seed, the process and the how-manieth call of that
 * method it is, and on nothing else: leaving one fault out changes no other.
 */

/**
 * slow: the answer takes long. error_before: it fails without effect. error_after: it takes effect, and
 * the caller is told that it failed. crash_before: the process dies before it is sent; crash_under_way: as
 * it is sent, and it takes effect all the same; crash_after: when it took effect, before the answer came.
 */
export type Fault =
	| "crash_after"
	| "crash_before"
	| "crash_under_way"
	| "error_after"
	| "error_before"
	| "none"
	| "slow";

const CRASHES: ReadonlySet<Fault> = new Set(["crash_after", "crash_before", "crash_under_way"]);

export interface CallPlan {
	readonly fault: Fault;
	/** Until it takes effect. */
	readonly requestMs: number;
	/** From there to the answer. */
	readonly answerMs: number;
	/** Whether it takes effect although its process died meanwhile. */
	readonly outlives: boolean;
}

export interface Call {
	/** Name of the life of a process, such as `p1.2`. */
	readonly process: string;
	/** `port.method`. */
	readonly step: string;
	readonly durable: boolean;
	/** From 1. */
	readonly nth: number;
}

export interface Faults {
	plan(call: Call): CallPlan;
}

export const AT_ONCE: CallPlan = { fault: "none", requestMs: 0, answerMs: 0, outlives: false };

/** How bad a run is; each a probability of a call unless it says otherwise. */
export interface FaultProfile {
	/** Calls that take time at all, up to `delayMs`. */
	readonly delays: number;
	readonly delayMs: number;
	readonly slow: number;
	readonly errors: number;
	/** Of durable calls. */
	readonly crashes: number;
	/** In one run. */
	readonly mostCrashes: number;
}

/** Of a call that hangs until something gives it up: longer than leases and claims live. */
const SLOW_MS = { least: 1_000, most: 9_000 };

/** What takes longer the adapter gives up. */
const NODE_SLOW_MS = 2_000;

export interface SeededFaultsOptions {
	readonly seed: number;
	readonly profile: FaultProfile;
	/** Names of faults that are left out, as `named` gives them. */
	readonly without: ReadonlySet<string>;
	/** Faults but for delays end when it says so. */
	readonly isOver: () => boolean;
	/** A fault that is not `none` came up. */
	readonly onFault: (name: string, fault: Fault) => void;
}

export class SeededFaults implements Faults {
	readonly #options: SeededFaultsOptions;
	#crashes = 0;

	constructor(options: SeededFaultsOptions) {
		this.#options = options;
	}

	plan(call: Call): CallPlan {
		const { seed, profile } = this.#options;
		const draw = drawsOf(seed, call);
		const takesTime = draw() < profile.delays;
		const requestMs = takesTime ? draw() * profile.delayMs : 0;
		const answerMs = takesTime && draw() < 0.5 ? draw() * profile.delayMs : 0;
		const outlives = draw() < 0.5;
		const fault = this.#fault(call, draw);
		if (fault !== "slow") return { fault, requestMs, answerMs, outlives };
		const most = call.step.startsWith("source.") ? NODE_SLOW_MS : SLOW_MS.most;
		const slowMs = SLOW_MS.least + draw() * (most - SLOW_MS.least);
		const isAnswer = draw() < 0.5;
		return {
			fault,
			requestMs: isAnswer ? requestMs : slowMs,
			answerMs: isAnswer ? slowMs : answerMs,
			outlives,
		};
	}

	#fault(call: Call, draw: () => number): Fault {
		const { isOver, without, onFault } = this.#options;
		const fault = this.#drawn(call.durable, draw);
		if (fault === "none" || isOver()) return "none";
		const name = named(call);
		if (without.has(name)) return "none";
		if (CRASHES.has(fault)) {
			if (this.#crashes >= this.#options.profile.mostCrashes) return "none";
			this.#crashes += 1;
		}
		onFault(name, fault);
		return fault;
	}

	#drawn(durable: boolean, draw: () => number): Fault {
		const { crashes, errors, slow } = this.#options.profile;
		const kind = draw();
		if (draw() < slow) return "slow";
		if (draw() < errors) return kind < 0.5 && durable ? "error_after" : "error_before";
		if (!durable || draw() >= crashes) return "none";
		if (kind < 0.4) return "crash_before";
		return kind < 0.7 ? "crash_under_way" : "crash_after";
	}
}

/** `p1.2/writer.commit#3`. */
export function named({ process, step, nth }: Call): string {
	return `${process}/${step}#${nth}`;
}

/** Draws in [0, 1) of one call (mulberry32 over a hash of its name). */
function drawsOf(seed: number, { process, step, nth }: Call): () => number {
	let state = hashOf(process, hashOf(step, seed ^ Math.imul(nth, 0x9e3779b1)));
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}

function hashOf(text: string, begin: number): number {
	let hash = begin ^ 0x811c9dc5;
	for (let index = 0; index < text.length; index += 1) {
		hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
	}
	return hash >>> 0;
}
