/** A machine on which a process is started, killed, stopped and started again. */
import type { Logger } from "../../src/domain/logger.ts";
import type { ChainSource } from "../../src/follower/chain-source.ts";
import type { ChainSpec } from "../../src/follower/chain-spec.ts";
import type { RollbackQueue } from "../../src/rollback/rollback-queue.ts";
import type { Embedder } from "../../src/vectors/embedder.ts";
import type { WriterSettings } from "../../src/writer/system-work.ts";
import type { StoreName } from "./durable-steps.ts";
import type { Faults } from "./faults.ts";
import type { MachinePlan, Schedule } from "./schedule.ts";
import { ProcessClock, type VirtualTime } from "./sim-clock.ts";
import { ProcessLife, type SharedPorts } from "./sim-process.ts";
import type { Trace } from "./trace.ts";

/** A process that crashed by itself is started again after so long, as a supervisor does it. */
const RESTART_MS = 700;

/** What machines have in common. */
export interface Surroundings {
	readonly time: VirtualTime;
	readonly trace: Trace;
	readonly schedule: Schedule;
	readonly spec: ChainSpec;
	readonly settings: WriterSettings;
	readonly faults: Faults;
	readonly ports: SharedPorts;
	readonly call: (store: StoreName, invoke: () => unknown) => Promise<unknown>;
	/** A connection to the queue for one life. */
	readonly queue: (process: string) => RollbackQueue;
	/** What the queue's server notices of it. */
	readonly queueHears: (process: string, what: "goes on" | "is gone" | "is stopped") => void;
	readonly source: (clock: ProcessClock, seed: number) => ChainSource;
	readonly embedder: (clock: ProcessClock) => Embedder;
	readonly log: (process: string) => Logger;
	readonly isAway: (store: StoreName, machine: string) => boolean;
	readonly onDeath: (process: string) => void;
}

interface Living {
	readonly name: string;
	readonly life: ProcessLife;
	readonly clock: ProcessClock;
}

/** The process went away while somebody waited for its answer. */
export class ConnectionLost extends Error {
	override readonly name = "ConnectionLost";
}

export class Machine {
	readonly plan: MachinePlan;
	readonly #around: Surroundings;
	readonly #seed: number;
	#lives = 0;
	#living: Living | undefined;
	/** Requests of clients that wait for an answer of this life. */
	readonly #waiting = new Set<(error: Error) => void>();
	#restart: () => void = () => undefined;
	#skewMs: number;
	kills = 0;

	constructor(plan: MachinePlan, index: number, around: Surroundings) {
		this.plan = plan;
		this.#around = around;
		this.#seed = Math.imul(around.schedule.seed + 1, 0x9e3779b1) + index * 101;
		this.#skewMs = plan.skewMs;
	}

	/** Undefined while it is down. */
	get life(): ProcessLife | undefined {
		return this.#living?.life;
	}

	get isFrozen(): boolean {
		return this.#living?.clock.isStopped === true;
	}

	start(): void {
		this.#restart();
		if (this.#living !== undefined) return;
		const { time, trace, schedule, faults, call, spec, settings } = this.#around;
		this.#lives += 1;
		const name = `${this.plan.name}.${this.#lives}`;
		const seed = this.#seed + this.#lives * 7_919;
		const { rate, role } = this.plan;
		const clock = new ProcessClock(time, { seed, rate, skewMs: this.#skewMs });
		trace.note(`${name} starts`);
		const life = new ProcessLife({
			spec,
			role,
			settings,
			ports: this.#around.ports,
			queue: this.#around.queue(name),
			source: this.#around.source(clock, seed),
			inlineRollbacks: schedule.inlineRollbacks,
			flushRows: schedule.flushRows,
			rollbackChanges: schedule.rollbackChanges,
			fansOut: schedule.fansOut,
			embedder: this.#around.embedder(clock),
			log: this.#around.log(name),
			context: {
				time,
				clock,
				process: name,
				faults,
				call,
				isAway: (store) => this.#around.isAway(store, this.plan.name),
				crash: () => this.#crashed(name),
				note: (what) => trace.note(what),
			},
		});
		this.#living = { name, life, clock };
		life.start();
	}

	/** SIGKILL. It is started again after `downMs`. */
	kill(downMs: number): void {
		if (this.#living === undefined) return;
		this.kills += 1;
		this.#around.trace.note(`${this.#living.name} is killed`);
		this.#die();
		this.#startIn(downMs);
	}

	/** SIGTERM. */
	terminate(downMs: number): void {
		const living = this.#living;
		if (living === undefined || living.clock.isStopped) return;
		this.#around.trace.note(`${living.name} is told to end`);
		living.clock.enter(() => {
			void living.life.stop().then(() => {
				if (this.#living !== living) return;
				this.#around.trace.note(`${living.name} ended`);
				this.#die();
				this.#startIn(downMs);
			});
		});
	}

	/** SIGSTOP for a while. */
	freeze(ms: number): void {
		const living = this.#living;
		if (living === undefined || living.clock.isStopped) return;
		this.#around.trace.note(`${living.name} is stopped for ${ms} ms`);
		living.clock.stop();
		this.#around.queueHears(living.name, "is stopped");
		this.#around.time.in(ms, () => {
			if (living.clock.isCut) return;
			this.#around.trace.note(`${living.name} goes on`);
			this.#around.queueHears(living.name, "goes on");
			living.clock.goOn();
		});
	}

	/** The run is over. */
	unplug(): void {
		this.#restart();
		this.#living?.clock.cut();
	}

	jumpWall(ms: number): void {
		this.#skewMs += ms;
		this.#living?.clock.jumpWall(ms);
	}

	/** A call of a client: it fails when the process goes away meanwhile. */
	request<Answer>(ask: (life: ProcessLife) => Promise<Answer>): Promise<Answer> {
		const living = this.#living;
		if (living === undefined)
			return Promise.reject(new ConnectionLost(`${this.plan.name} is down`));
		return new Promise((resolve, reject) => {
			this.#waiting.add(reject);
			living.clock.enter(() => {
				ask(living.life)
					.then(resolve, reject)
					.finally(() => this.#waiting.delete(reject));
			});
		});
	}

	#crashed(name: string): void {
		if (this.#living?.name !== name) return;
		this.#around.trace.note(`${name} crashes`);
		this.#die();
		this.#startIn(RESTART_MS);
	}

	#die(): void {
		const living = this.#living;
		if (living === undefined) return;
		this.#living = undefined;
		living.clock.cut();
		this.#around.queueHears(living.name, "is gone");
		this.#around.onDeath(living.name);
		for (const reject of this.#waiting) reject(new ConnectionLost(`${living.name} went away`));
		this.#waiting.clear();
	}

	#startIn(ms: number): void {
		this.#restart = this.#around.time.in(ms, () => this.start());
	}
}
