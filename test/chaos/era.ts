/**
 * Cycles of one world: load, a fault at a random moment, everything started again, settled and looked
 * at; and after the last the whole history held against a straight run (oracle.ts).
 */
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { expectStraightRun } from "../support/oracle.ts";
import { Random } from "../support/random.ts";
import { CHAIN } from "../support/recant.ts";
import { withSql } from "../support/with-sql.ts";
import { Agents } from "./agents.ts";
import { ChainDriver } from "./chain-driver.ts";
import { ChaosWorld, type Layout } from "./chaos-world.ts";
import { drawFaults } from "./faults.ts";
import { SampledReads } from "./sampled-reads.ts";
import { settled, storedViolations } from "./settled.ts";

/** Load before the fault, at random, and after it. */
const BEFORE_MS = { min: 100, max: 1_000 };
const AFTER_MS = { min: 0, max: 400 };
/** Acknowledged requests that are sent again after each cycle. */
const SENT_AGAIN = 3;

export interface Cycle {
	readonly kinds: readonly string[];
	/** From everything running again to settled. */
	readonly settleMs: number;
	/** The whole cycle. */
	readonly cycleMs: number;
}

export interface EraReport {
	readonly layout: Layout;
	readonly seed: number;
	readonly cycles: readonly Cycle[];
	readonly blocks: number;
	readonly forks: number;
	readonly manualRollbacks: number;
	/** Rollbacks by the state in which they ended. */
	readonly rollbacks: Readonly<Record<string, number>>;
	readonly generation: number;
	readonly requests: number;
	readonly operations: number;
	readonly refused: number;
	readonly repeated: number;
	readonly reads: number;
	readonly oracleMs: number;
}

interface EraOptions {
	readonly layout: Layout;
	readonly cycles: number;
	readonly seed: number;
	readonly say: (what: string) => void;
}

export async function runEra(options: EraOptions): Promise<EraReport> {
	const { layout, seed, say } = options;
	const random = new Random(seed);
	const chaos = await ChaosWorld.create({ layout });
	// Each draws on its own, so that a seed's faults do not depend on how many requests were made.
	const chain = new ChainDriver(chaos, new Random(seed + 1));
	const agents = new Agents(chaos, chain, new Random(seed + 2));
	const reads = new SampledReads(chaos, new Random(seed + 3));
	const load = [chain, agents, reads];
	await chaos.startMissing();
	await settled(chaos);
	const cycles: Cycle[] = [];
	let generation = -1n;
	for (let index = 0; index < options.cycles; index += 1) {
		const faults = drawFaults(layout, random);
		const kinds = faults.map(({ kind }) => kind);
		const startMs = performance.now();
		for (const each of load) each.start();
		await sleep(random.between(BEFORE_MS.min, BEFORE_MS.max));
		await Promise.all(faults.map(({ strike }) => strike(chaos, random)));
		await sleep(random.between(AFTER_MS.min, AFTER_MS.max));
		await chain.stop();
		await chaos.startMissing();
		const settleMs = await recovered(chaos, agents, reads);
		const present = await checked(chaos, agents, reads);
		expect(present, "the generation").toBeGreaterThanOrEqual(generation);
		generation = present;
		const cycleMs = performance.now() - startMs;
		cycles.push({ kinds, settleMs, cycleMs });
		say(
			`${index + 1}/${options.cycles} ${kinds.join(" + ")}: settled in ${settleMs.toFixed(0)} ms of ${cycleMs.toFixed(0)} ms`,
		);
	}
	const rollbacks = await endsOf(chaos);
	const oracleMs = await compared(chaos, agents);
	const { journal } = chaos.world;
	return {
		...{ layout, seed, cycles, oracleMs, generation: Number(generation) },
		blocks: Number((await chaos.world.chain.head()).number),
		forks: chain.forks,
		manualRollbacks: chain.manualRollbacks,
		rollbacks,
		requests: agents.answered,
		operations: journal.length,
		refused: agents.refused,
		repeated: agents.repeated,
		reads: reads.samples,
	};
}

/** Milliseconds from everything running to settled, with the agents' last requests among it. */
async function recovered(chaos: ChaosWorld, agents: Agents, reads: SampledReads): Promise<number> {
	const startMs = performance.now();
	await agents.stop();
	await settled(chaos);
	const settleMs = performance.now() - startMs;
	await reads.stop();
	return settleMs;
}

/** Holds what can be seen without a straight run against itself; answers the present generation. */
async function checked(chaos: ChaosWorld, agents: Agents, reads: SampledReads): Promise<bigint> {
	await agents.sendDoubtful();
	await agents.sendAgain(SENT_AGAIN);
	await settled(chaos);
	await reads.verify();
	expect(reads.violations, "what readers saw").toEqual([]);
	expect(agents.violations, "what agents were answered").toEqual([]);
	expect(await storedViolations(chaos), "what Postgres holds").toEqual([]);
	const [client] = chaos.clients;
	return BigInt((await client?.chain(CHAIN))?.generation ?? -1n);
}

async function compared(chaos: ChaosWorld, agents: Agents): Promise<number> {
	const startMs = performance.now();
	await agents.sendAgain(agents.answered);
	expect(agents.violations, "what agents were answered").toEqual([]);
	await chaos.inspect(expectStraightRun);
	return performance.now() - startMs;
}

/** Rollbacks by the state in which they ended. */
async function endsOf(chaos: ChaosWorld): Promise<Readonly<Record<string, number>>> {
	const rows = await withSql(
		chaos.databaseUrl,
		(sql) =>
			sql<{ state: string; count: number }[]>`
				select state, count(*)::int as count from rollbacks group by state order by state`,
	);
	return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
}
