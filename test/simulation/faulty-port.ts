/**
 * Stands before any port and brings every call of a process to the schedule: when it takes effect, whether
 * it fails before or after that, and whether the process lives to hear of it.
 *
 * A call of a process that died is never answered. Errors are those of the real adapters.
 */
import { type RetryableCode, RetryableError } from "../../src/domain/errors.ts";
import { PORT_STEPS, type PortName, STORE_OF, type StoreName } from "./durable-steps.ts";
import { AT_ONCE, type Call, type CallPlan, type Faults } from "./faults.ts";
import type { ProcessClock, VirtualTime } from "./sim-clock.ts";

export interface PortContext {
	readonly time: VirtualTime;
	readonly clock: ProcessClock;
	/** Name of this life of the process. */
	readonly process: string;
	readonly faults: Faults;
	/** Whether a store cannot be reached from this process now. */
	readonly isAway: (store: StoreName) => boolean;
	readonly crash: () => void;
	/** A line for the trace. */
	readonly note: (what: string) => void;
	/** Carries a call out. */
	readonly call: (store: StoreName, invoke: () => unknown) => Promise<unknown>;
}

type Invoke = () => unknown;

/** Never settles: whoever waits for it is dead. One for each, or what waits would be kept for good. */
function never(): Promise<never> {
	return new Promise(() => undefined);
}

/** The port as the process has it. */
export function faultyPort<Port extends object>(
	name: PortName,
	port: Port,
	context: PortContext,
): Port {
	const steps: Readonly<Record<string, unknown>> = PORT_STEPS[name];
	const known = new Map<PropertyKey, unknown>();
	const calls = new Calls(name, context);
	return new Proxy(port, {
		get: (target, key) => {
			const found = known.get(key);
			if (found !== undefined) return found;
			const member: unknown = Reflect.get(target, key, target);
			if (typeof member !== "function") return member;
			const invoke = (args: readonly unknown[]) => Reflect.apply(member, target, args);
			const wrapped = calls.wrapped(String(key), steps[String(key)], invoke);
			known.set(key, wrapped);
			return wrapped;
		},
	});
}

class Calls {
	readonly #name: PortName;
	readonly #context: PortContext;
	readonly #counts = new Map<string, number>();

	constructor(name: PortName, context: PortContext) {
		this.#name = name;
		this.#context = context;
	}

	wrapped(
		method: string,
		step: unknown,
		invoke: (args: readonly unknown[]) => unknown,
	): (...args: readonly unknown[]) => unknown {
		if (step === "local" || step === undefined)
			return (...args) => invoke(args.map(this.#entering));
		const durable = typeof step === "object";
		if (step === "stream") return (...args) => this.#stream(method, () => invoke(args));
		return (...args) =>
			this.#call(method, durable, () => invoke(args.map((each) => this.#entering(each))));
	}

	/** What the port calls back comes into the process as everything does. */
	readonly #entering = (argument: unknown): unknown => {
		if (typeof argument !== "function") return argument;
		const { clock } = this.#context;
		return (...args: readonly unknown[]) =>
			new Promise((resolve, reject) => {
				clock.enter(() => {
					Promise.resolve(Reflect.apply(argument, undefined, args)).then(resolve, reject);
				});
			});
	};

	async *#stream(method: string, open: Invoke): AsyncGenerator<unknown> {
		const stream = open() as AsyncIterable<unknown>;
		const iterator = stream[Symbol.asyncIterator]();
		try {
			for (;;) {
				const next = (await this.#call(method, false, () =>
					iterator.next(),
				)) as IteratorResult<unknown>;
				if (next.done === true) return;
				yield next.value;
			}
		} finally {
			await iterator.return?.();
		}
	}

	#call(method: string, durable: boolean, invoke: Invoke): Promise<unknown> {
		const { clock, faults, process, note, isAway } = this.#context;
		if (clock.isCut) return never();
		const step = `${this.#name}.${method}`;
		const nth = (this.#counts.get(method) ?? 0) + 1;
		this.#counts.set(method, nth);
		const call: Call = { process, step, durable, nth };
		const plan = isAway(STORE_OF[this.#name])
			? ({ ...AT_ONCE, fault: "error_before" } as const)
			: faults.plan(call);
		if (durable || plan.fault !== "none") note(`${process} ${step}#${nth} ${plan.fault}`);
		return new Under(this.#context, STORE_OF[this.#name], plan).run(invoke);
	}
}

/** One call on its way. */
class Under {
	readonly #context: PortContext;
	readonly #store: StoreName;
	readonly #plan: CallPlan;

	constructor(context: PortContext, store: StoreName, plan: CallPlan) {
		this.#context = context;
		this.#store = store;
		this.#plan = plan;
	}

	run(invoke: Invoke): Promise<unknown> {
		const { fault, requestMs, answerMs } = this.#plan;
		const { crash } = this.#context;
		if (fault === "crash_before") {
			crash();
			return never();
		}
		if (fault === "crash_under_way") {
			crash();
			this.#later(requestMs, () => void this.#effect(invoke));
			return never();
		}
		return new Promise((resolve, reject) => {
			this.#later(requestMs, () => {
				void this.#arrived(invoke).then((outcome) => {
					this.#later(answerMs, () => this.#answer(outcome, resolve, reject));
				});
			});
		});
	}

	/** What the caller will be told; the effect is done, or never is. */
	async #arrived(invoke: Invoke): Promise<Outcome> {
		const { fault, outlives } = this.#plan;
		const { clock, crash } = this.#context;
		if (clock.isCut && !outlives) return never();
		if (fault === "error_before")
			return { type: "failed", error: away(this.#store, "was not reached") };
		const outcome = await this.#effect(invoke);
		if (fault === "crash_after") crash();
		if (fault === "error_after" && outcome.type === "done") {
			return { type: "failed", error: away(this.#store, "broke off") };
		}
		return outcome;
	}

	async #effect(invoke: Invoke): Promise<Outcome> {
		try {
			return { type: "done", value: await this.#context.call(this.#store, invoke) };
		} catch (error) {
			return { type: "failed", error };
		}
	}

	#answer(
		outcome: Outcome,
		resolve: (value: unknown) => void,
		reject: (error: unknown) => void,
	): void {
		this.#context.clock.enter(() => {
			if (outcome.type === "done") resolve(outcome.value);
			else reject(outcome.error);
		});
	}

	#later(ms: number, work: () => void): void {
		if (ms === 0) work();
		else this.#context.time.in(ms, work);
	}
}

type Outcome =
	| { readonly type: "done"; readonly value: unknown }
	| { readonly type: "failed"; readonly error: unknown };

const CODES: Readonly<Record<StoreName, RetryableCode>> = {
	archive: "archive_unavailable",
	lancedb: "vectors_unavailable",
	node: "rpc_unavailable",
	postgres: "database_unavailable",
	queue: "queue_unavailable",
};

function away(store: StoreName, what: string): RetryableError {
	return new RetryableError(CODES[store], {
		message: `${store} ${what}`,
		hint: "the simulation made it so",
	});
}
