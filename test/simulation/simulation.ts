/**
 * One seed, one run: production code of several processes on one chain, with agents, operators, forks and
 * faults, on virtual time. Then the faults end; everything must settle, and the oracle is asked.
 */
import "./builtins.ts";
import { NO_SETTINGS } from "../../src/domain/namespace-settings.ts";
import type { ChainSpec } from "../../src/follower/chain-spec.ts";
import type { Embedder } from "../../src/vectors/embedder.ts";
import type { WriterSettings } from "../../src/writer/system-work.ts";
import { Random } from "../support/random.ts";
import { seedIds } from "./builtins.ts";
import type { StoreName } from "./durable-steps.ts";
import { type Fault, type Faults, SeededFaults } from "./faults.ts";
import { Machine } from "./machine.ts";
import { Operators } from "./operators.ts";
import { judge } from "./oracle.ts";
import type { Schedule, SimEvent } from "./schedule.ts";
import { SIM_DEPTH_BLOCKS, SimChain } from "./sim-chain.ts";
import { ProcessClock, SimulationError, VirtualTime } from "./sim-clock.ts";
import { SimHistory } from "./sim-history.ts";
import { simSettings, simSpec } from "./sim-ledger.ts";
import { readable, simLog } from "./sim-log.ts";
import { EMBEDDER } from "./sim-process.ts";
import { SimSource, SOURCE_FAULTS } from "./sim-source.ts";
import type { StandingChain, Stores } from "./stores.ts";
import { Trace } from "./trace.ts";
import { Workload } from "./workload.ts";

/** Virtual time in which all must settle once the faults are over: leases, claims and waits lapse in it. */
const SETTLE_MS = 180_000;
const LOOK_MS = 250;
/** A reader comes so often. */
const READ_MS = 500;

export interface RunParts {
	readonly time: VirtualTime;
	readonly wallMs: () => number;
	readonly random: Random;
	readonly spec: ChainSpec;
	readonly isGone: (holder: string) => boolean;
}

export interface RunOptions {
	readonly schedule: Schedule;
	readonly openStores: (parts: RunParts) => Promise<Stores>;
	/** Names of events and of faults that are left out. */
	readonly without: ReadonlySet<string>;
	/** Instead of those of the schedule. */
	readonly faults?: ((isOver: () => boolean) => Faults) | undefined;
	/** Of the chain's file, where it is not as usual. */
	readonly file?: Partial<Pick<ChainSpec, "logKeep" | "snapshots">> | undefined;
	/** What happens beside the schedule; called before anything starts. */
	readonly script?: ((world: World) => void) | undefined;
	/** One that takes time. */
	readonly embedder?: ((clock: ProcessClock) => Embedder) | undefined;
	/** Where following the chain to the node's head is not all, or not it; agents' requests are left then. */
	readonly isSettled?: ((standing: StandingChain, isFollowed: boolean) => boolean) | undefined;
	/** Instead of the oracle, where nobody can say what agents' requests came to. */
	readonly judge?: ((world: World) => Promise<void>) | undefined;
	/** What must hold beside all else; throws when it does not. */
	readonly alsoJudge?: ((world: World) => Promise<void>) | undefined;
	/** Every line of every process's log. */
	readonly verbose?: boolean | undefined;
}

/** What a script has to do with. */
export interface World {
	readonly time: VirtualTime;
	readonly chain: SimChain;
	readonly machines: readonly Machine[];
	readonly stores: Stores;
	/** Whether the faults are over, and everything only settles. */
	readonly isCalm: () => boolean;
	readonly note: (what: string) => void;
}

export interface RunResult {
	readonly seed: number;
	/** Undefined: all was as it should be. */
	readonly failure: string | undefined;
	readonly digest: string;
	readonly trace: readonly string[];
	/** Names of the faults that came up. */
	readonly faults: readonly string[];
	readonly figures: Readonly<Record<string, number>>;
}

export async function simulate(options: RunOptions): Promise<RunResult> {
	const simulation = new Simulation(options);
	return simulation.run();
}

class Simulation {
	readonly #options: RunOptions;
	readonly #time = new VirtualTime();
	readonly #trace = new Trace(() => this.#time.nowMs);
	readonly #chain: SimChain;
	readonly #spec: ChainSpec;
	readonly #clock: ProcessClock;
	readonly #faultNames: string[] = [];
	readonly #counts: Record<string, number> = {};
	readonly #dead = new Set<string>();
	readonly #sources: SimSource[] = [];
	readonly #away = new Map<string, number>();
	#machines: readonly Machine[] = [];
	#calm = false;
	#stray: unknown;

	constructor(options: RunOptions) {
		this.#options = options;
		const { seed, snapshotEveryBlocks, servesOrphans } = options.schedule;
		this.#chain = new SimChain({ random: new Random(seed + 2), servesOrphans });
		// Some begin to follow a chain that has lived for a while.
		const before = new Random(seed + 8);
		if (before.chance(0.3)) {
			for (let steps = before.between(15, 60); steps > 0; steps -= 1) this.#chain.step();
		}
		this.#clock = new ProcessClock(this.#time, { seed: seed + 3, rate: 1, skewMs: 0 });
		const spec = simSpec(SIM_DEPTH_BLOCKS);
		this.#spec = {
			...spec,
			// As chains' files have it by default, for some.
			finalityEveryMs: seed % 4 === 3 ? 2_000 : spec.finalityEveryMs,
			// Another size than the chain was registered with, for some.
			windowBlocks: seed % 4 === 1 ? 2 * spec.windowBlocks : spec.windowBlocks,
			snapshots: { ...spec.snapshots, everyBlocks: snapshotEveryBlocks },
			...options.file,
		};
	}

	async run(): Promise<RunResult> {
		const { schedule } = this.#options;
		seedIds(schedule.seed);
		const strays = (error: unknown) => {
			this.#stray ??= error;
		};
		process.on("unhandledRejection", strays);
		let failure: string | undefined;
		const stores = await this.#options.openStores({
			time: this.#time,
			wallMs: () => this.#clock.wallMs(),
			random: new Random(schedule.seed + 4),
			spec: this.#spec,
			isGone: (holder) => schedule.knowsDead && this.#dead.has(holder),
		});
		try {
			await this.#live(stores);
		} catch (error) {
			failure = readable(error);
		} finally {
			process.off("unhandledRejection", strays);
			seedIds(undefined);
			for (const machine of this.#machines) machine.unplug();
			await stores.close();
		}
		return {
			seed: schedule.seed,
			failure,
			digest: this.#trace.digest(),
			trace: this.#trace.lines,
			faults: this.#faultNames,
			figures: {
				...this.#counts,
				...this.#chain.counts,
				virtualMs: Math.round(this.#time.nowMs),
				events: this.#time.fired,
				steps: this.#trace.steps,
			},
		};
	}

	async #live(stores: Stores): Promise<void> {
		const { schedule } = this.#options;
		this.#machines = this.#plug(stores);
		const history = new SimHistory(this.#chain, stores.reads);
		const workload = new Workload({
			random: new Random(schedule.seed + 5),
			clock: this.#clock,
			ports: () => this.#agentPorts(),
			reads: stores.reads,
			history,
		});
		const operators = new Operators({
			machines: () => this.#machines,
			trace: this.#trace,
			random: new Random(schedule.seed + 6),
			count: (what) => this.#count(what),
		});
		for (const event of schedule.events) {
			if (this.#options.without.has(event.id)) continue;
			this.#time.in(event.atMs, () => this.#happen(event, { stores, workload, operators }));
		}
		const world: World = {
			time: this.#time,
			chain: this.#chain,
			machines: this.#machines,
			stores,
			isCalm: () => this.#calm,
			note: (what) => this.#trace.note(what),
		};
		this.#options.script?.(world);
		for (const machine of this.#machines)
			this.#time.in(machine.plan.startMs, () => machine.start());
		while (this.#time.nowMs < schedule.lengthMs) {
			await this.#runTo(Math.min(schedule.lengthMs, this.#time.nowMs + READ_MS));
			await stores.look();
		}
		await this.#settle(stores, { workload, operators });
		await stores.look();
		if (this.#options.judge !== undefined) await this.#options.judge(world);
		else await this.#judge(stores, { workload, history });
		await this.#options.alsoJudge?.(world);
	}

	async #runTo(untilMs: number): Promise<void> {
		await this.#time.run(untilMs, () => this.#stray !== undefined);
		if (this.#stray !== undefined) throw this.#stray;
	}

	#plug(stores: Stores): readonly Machine[] {
		const { schedule } = this.#options;
		const faults = this.#faults();
		return schedule.machines.map(
			(plan, index) =>
				new Machine(plan, index, {
					time: this.#time,
					trace: this.#trace,
					schedule,
					spec: this.#spec,
					settings: SETTINGS,
					faults,
					ports: stores.ports,
					call: (store, invoke) => stores.call(store, invoke),
					queue: (process) => stores.queue(process),
					queueHears: (process, what) => stores.queueHears(process, what),
					source: (clock, seed) => this.#source(clock, seed),
					embedder: this.#options.embedder ?? (() => EMBEDDER),
					log: (process) => simLog(process, this.#trace, this.#options.verbose === true),
					isAway: (store, machine) => this.#isAway(store, machine),
					onDeath: (process) => {
						this.#dead.add(process);
						this.#count("deaths");
					},
				}),
		);
	}

	#faults(): Faults {
		const { schedule, without, faults } = this.#options;
		const isOver = () => this.#calm;
		if (faults !== undefined) return faults(isOver);
		return new SeededFaults({
			seed: schedule.seed,
			profile: schedule.profile,
			without,
			isOver,
			onFault: (name: string, fault: Fault) => {
				this.#faultNames.push(name);
				this.#count("faults");
				this.#count(fault);
			},
		});
	}

	#source(clock: ProcessClock, seed: number): SimSource {
		const faults = this.#options.schedule.profile.errors === 0 ? undefined : SOURCE_FAULTS;
		const source =
			faults === undefined
				? SimSource.calm(this.#chain, clock)
				: new SimSource({ chain: this.#chain, clock, seed, faults, pollIntervalMs: 500 });
		if (this.#calm) source.calm();
		this.#sources.push(source);
		return source;
	}

	#happen(
		event: SimEvent,
		{
			stores,
			workload,
			operators,
		}: { readonly stores: Stores; readonly workload: Workload; readonly operators: Operators },
	): void {
		this.#count(event.do);
		switch (event.do) {
			case "chain":
				this.#step();
				return;
			case "write":
				this.#trace.note("an agent writes");
				workload.one();
				return;
			case "rollback":
				operators.rollBack(event.back);
				return;
			case "control":
				operators.control(event.control);
				return;
			case "flushall":
				this.#trace.note("FLUSHALL");
				stores.flushQueue();
				return;
			case "kill":
				this.#machines[event.machine]?.kill(event.downMs);
				return;
			case "term":
				this.#machines[event.machine]?.terminate(event.downMs);
				return;
			case "freeze":
				this.#machines[event.machine]?.freeze(event.ms);
				return;
			case "jump":
				this.#machines[event.machine]?.jumpWall(event.ms);
				return;
			case "away":
				this.#takeAway(event.store, event.machine, event.ms);
				return;
		}
	}

	#step(): void {
		const { type, depth, head } = this.#chain.step();
		this.#trace.note(`the chain: ${type} of ${depth}, head ${head.slice(0, 10)}`);
		this.#count("forks", type === "extend" || type === "burst" ? 0 : 1);
	}

	#takeAway(store: StoreName, machine: number | undefined, ms: number): void {
		const from = machine === undefined ? "all" : (this.#machines[machine]?.plan.name ?? "all");
		this.#trace.note(`${store} is away for ${from} for ${ms} ms`);
		const key = `${store}/${from}`;
		this.#away.set(key, Math.max(this.#away.get(key) ?? 0, this.#time.nowMs + ms));
	}

	#isAway(store: StoreName, machine: string): boolean {
		if (this.#calm) return false;
		const now = this.#time.nowMs;
		const until = (from: string) => this.#away.get(`${store}/${from}`) ?? 0;
		return until("all") > now || until(machine) > now;
	}

	#agentPorts() {
		return this.#machines
			.filter(({ life }) => life?.chain.writer !== undefined)
			.map((machine) => ({
				write: (request: Parameters<NonNullable<Machine["life"]>["writes"]["write"]>[0]) =>
					machine.request((life) => life.writes.write(request)),
			}));
	}

	/** Faults end, and everything that was begun must come to its end in bounded time. */
	async #settle(
		stores: Stores,
		{ workload, operators }: { readonly workload: Workload; readonly operators: Operators },
	): Promise<void> {
		this.#trace.note("the faults end");
		this.#calm = true;
		this.#chain.settle();
		for (const source of this.#sources) source.calm();
		for (const machine of this.#machines) machine.start();
		const until = this.#time.nowMs + SETTLE_MS;
		let retried = false;
		let standing = await stores.standing();
		for (;;) {
			await this.#runTo(this.#time.nowMs + LOOK_MS);
			standing = await stores.standing();
			await operators.putRight(standing, this.#time.nowMs);
			if (this.#isSettled(standing)) {
				if (retried || this.#options.isSettled !== undefined) break;
				retried = true;
				await this.#finished(workload);
			}
			if (this.#time.nowMs > until) throw this.#unsettled(standing);
		}
		this.#count("rollbacks", standing.rollbacks.length);
		this.#count("commits", Number(standing.logPosition));
	}

	/** Agents whose answers never came ask again, and get them. */
	async #finished(workload: Workload): Promise<void> {
		let over = false;
		const done = workload
			.stop()
			.then(() => workload.retryAll())
			.then(() => {
				over = true;
			});
		for (let look = 0; look < SETTLE_MS / LOOK_MS && !over; look += 1) {
			await this.#runTo(this.#time.nowMs + LOOK_MS);
		}
		if (!over) throw new SimulationError("agents did not get their answers");
		await done;
	}

	#isSettled(standing: StandingChain): boolean {
		const { head, inbox, outbox, rollbacks, halt } = standing;
		const isFollowed =
			head?.hash === this.#chain.head.hash &&
			inbox === 0 &&
			outbox === 0 &&
			halt === undefined &&
			rollbacks.every(({ state }) => !ACTIVE.has(state));
		return this.#options.isSettled?.(standing, isFollowed) ?? isFollowed;
	}

	#unsettled(standing: StandingChain): SimulationError {
		const { head, inbox, outbox, rollbacks, halt, leaseHolder } = standing;
		const machines = this.#machines.map(({ plan, life }) => {
			const { state, problem } = life?.chain.status() ?? {};
			return `${plan.name} (${plan.role}): ${state ?? "down"} ${problem?.code ?? ""} ${problem?.message ?? ""}`;
		});
		return new SimulationError(
			[
				`nothing settled within ${SETTLE_MS} ms: head ${head?.height} of ${this.#chain.head.number}`,
				`lease ${leaseHolder}, inbox ${inbox}, outbox ${outbox}, halt ${halt}`,
				...rollbacks
					.slice(0, 3)
					.map(({ rollbackId, state, cause, paused }) =>
						[rollbackId, cause, state, paused ? "paused" : ""].join(" "),
					),
				...machines,
			].join("\n"),
		);
	}

	async #judge(
		stores: Stores,
		{ workload, history }: { readonly workload: Workload; readonly history: SimHistory },
	): Promise<void> {
		await stores.look();
		const [defect] = workload.defects;
		if (defect !== undefined) throw defect;
		for (const [what, count] of Object.entries(workload.counts)) this.#count(what, count);
		await judge({
			chain: this.#chain,
			reads: stores.reads,
			history,
			requests: workload.requests,
			openFresh: () => stores.openFresh(),
			embedder: EMBEDDER,
			random: new Random(this.#options.schedule.seed + 7),
		});
	}

	#count(what: string, by = 1): void {
		this.#counts[what] = (this.#counts[what] ?? 0) + by;
	}
}

const ACTIVE = new Set(["prepared", "recorded", "running"]);

const SETTINGS: WriterSettings = {
	refresh: async () => undefined,
	all: () => new Map([...simSettings].map(([name, each]) => [name, { ...NO_SETTINGS, ...each }])),
	contentProblem: () => undefined,
};
