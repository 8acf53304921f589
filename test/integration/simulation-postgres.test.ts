/** The simulation on real Postgres: its stores behind the same faults, on virtual time. */
import { expect, inject, test } from "vitest";
import { openPostgresRun } from "../simulation/postgres-run.ts";
import { commandOf, runSeed } from "../simulation/run-seed.ts";

/** A seed takes about a second on a quiet machine. */
const SEEDS = 50;
const TIMEOUT_MS = 900_000;

test(`${SEEDS} seeds on Postgres end as a straight run does`, { timeout: TIMEOUT_MS }, async () => {
	const openStores = openPostgresRun(inject("databaseUrl"));
	for (let seed = 1; seed <= SEEDS; seed += 1) {
		const { failure, trace } = await runSeed(seed, { openStores });
		const again = `${commandOf(seed)} --store postgres`;
		expect(failure, `${again}\n${trace.slice(-40).join("\n")}`).toBeUndefined();
	}
});
