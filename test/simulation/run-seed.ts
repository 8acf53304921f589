/** A seed's run as tests and the command make it, on fakes or on real Postgres. */
import { openFakeStores } from "./fake-stores.ts";
import { type Schedule, scheduleOf } from "./schedule.ts";
import { type Shrunk, shrink } from "./shrink.ts";
import { type RunOptions, type RunResult, simulate } from "./simulation.ts";

export interface SeedOptions {
	/** Events and faults that are left out. */
	readonly without?: ReadonlySet<string>;
	readonly openStores?: RunOptions["openStores"];
	readonly verbose?: boolean;
}

export async function runSeed(seed: number, options: SeedOptions = {}): Promise<RunResult> {
	return runSchedule(scheduleOf(seed), options);
}

async function runSchedule(
	schedule: Schedule,
	{ without = new Set(), openStores = openFakeStores, verbose = false }: SeedOptions = {},
): Promise<RunResult> {
	return simulate({ schedule, openStores, without, verbose });
}

/** The smallest run that fails in the same way. */
export async function shrinkSeed(failing: RunResult, options: SeedOptions = {}): Promise<Shrunk> {
	const events = scheduleOf(failing.seed).events.map(({ id }) => id);
	const fixed = options.without ?? new Set<string>();
	const parts = [...events, ...failing.faults].filter((part) => !fixed.has(part));
	return shrink(failing, parts, (without) =>
		runSeed(failing.seed, { ...options, without: new Set([...fixed, ...without]) }),
	);
}

/** What to type to see a run again. */
export function commandOf(seed: number, without: readonly string[] = []): string {
	const left = without.length === 0 ? "" : ` --without ${without.join(",")}`;
	return `npm run sim -- --seed ${seed}${left}`;
}
