/**
 * All cases of one phase as one service with a chain for each: they run side by side, and each is a test of
 * its own. A case is over when the chain is settled again; it must then be what a straight run gives.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FAULT_CASES, type FaultCase, type Phase } from "./fault-cases.ts";
import { type FaultChain, FaultWorld, openFaultChain } from "./fault-world.ts";
import type { SwitchedFault } from "./faults.ts";

/** A poll of a chain, and some. */
const STEP_MS = 200;
/** Blocks at the start: of a backfill, some below finality and some above. */
const HEADS: Readonly<Record<Phase, number>> = { following: 5, "walk back": 16, backfill: 24 };
const BACKFILL_FINALIZED = { finalizedDepth: 8, safeDepth: 4 };
const DEPTHS: Readonly<Record<Phase, number>> = { following: 0, "walk back": 10, backfill: 3 };
const SUITE_MS = 240_000;
/** Differences that a failure shows: a wrong row makes others. */
const TOLD = 6;

interface Running {
	readonly chain: FaultChain;
	readonly faults: SwitchedFault[];
	failure: unknown;
	differences: readonly string[] | undefined;
}

/** `seed` gives the trees. */
export function testPhase(phase: Phase, seed: number): void {
	describe(`a provider's fault, ${phase === "backfill" ? "in a backfill" : phase}`, () => {
		const runs = new Map<FaultCase, Running>();
		let world: FaultWorld | undefined;

		beforeAll(async () => {
			for (const [index, each] of FAULT_CASES.entries()) {
				const name = `${index}-${phase.replaceAll(" ", "-")}`;
				const file = each.file === undefined ? {} : { file: each.file };
				const head = HEADS[phase];
				const providers = phase === "backfill" ? [BACKFILL_FINALIZED] : [{}];
				const options = { seed: seed + index, head, providers, ...file };
				const chain = await openFaultChain({ name: `c${name}`, ...options });
				runs.set(each, { chain, faults: [], failure: undefined, differences: undefined });
			}
			if (phase === "backfill") for (const [each, run] of runs) switchOn(each, run);
			const open = await FaultWorld.open(
				`faults ${phase}`,
				[...runs.values()].map(({ chain }) => chain),
			);
			world = open;
			await Promise.all([...runs].map(([each, run]) => follow(open, each, run, phase)));
		}, SUITE_MS);

		afterAll(async () => {
			await world?.end();
		}, SUITE_MS);

		for (const each of FAULT_CASES) {
			test(each.name, () => {
				const run = runs.get(each);
				if (run?.failure !== undefined) throw run.failure;
				expect(run?.differences).toEqual([]);
				expect(
					run?.faults.some(({ struck }) => struck > 0),
					"the fault struck",
				).toBe(true);
			});
		}
	});
}

function switchOn(each: FaultCase, { chain, faults }: Running): void {
	const provider = chain.server.provider(0);
	for (const rule of each.rules(chain)) faults.push(provider.faults.on(rule));
}

async function follow(
	world: FaultWorld,
	each: FaultCase,
	run: Running,
	phase: Phase,
): Promise<void> {
	try {
		if (phase !== "backfill") {
			await world.settled(run.chain);
			switchOn(each, run);
		}
		await (phase === "following" ? live(run.chain) : settle(world, run, phase));
		await world.settled(run.chain);
		run.chain.server.provider(0).faults.clear();
		run.chain.server.chain.mine(1);
		await world.settled(run.chain);
		run.differences = (await world.differences(run.chain)).slice(0, TOLD);
	} catch (error) {
		run.failure = error;
	}
}

/** Blocks come, shallow forks among them, whether or not the service gets along. */
async function live({ server: { chain } }: FaultChain): Promise<void> {
	const steps = [
		() => chain.mine(1),
		() => chain.mine(3),
		() => chain.fork(1, 1),
		() => chain.mine(1),
		() => chain.fork(3, 4),
		() => chain.mine(1),
		() => chain.fork(2, 3),
		() => chain.mine(2),
	];
	for (const step of steps) {
		step();
		await pause(STEP_MS);
	}
}

async function settle(world: FaultWorld, { chain }: Running, phase: Phase): Promise<void> {
	if (phase === "backfill") await world.settled(chain);
	chain.server.chain.fork(DEPTHS[phase], DEPTHS[phase] + 1);
	await world.settled(chain);
}

function pause(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, ms));
}
