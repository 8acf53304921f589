/** Seeds of one test file; several files, so that all cores work. */
import { expect, test } from "vitest";
import { commandOf, runSeed, shrinkSeed } from "./run-seed.ts";

/** Two thousand in all: each part of the machinery comes up hundreds of times. */
const SEEDS = 500;
const SHARDS = 4;
/** A seed takes some 50 ms on a quiet machine. */
const TIMEOUT_MS = 600_000;

/** RECANT_SEED moves all of them, so that other two thousand are run. */
export function testSeeds(shard: number): void {
	const { RECANT_SEED: given = "0" } = process.env;
	const from = Number(given) * SEEDS * SHARDS + shard * SEEDS + 1;
	test(`${SEEDS} seeds from ${from} on end as a straight run does`, {
		timeout: TIMEOUT_MS,
	}, async () => {
		for (let seed = from; seed < from + SEEDS; seed += 1) {
			const result = await runSeed(seed);
			if (result.failure === undefined) continue;
			const shrunk = await shrinkSeed(result);
			const lines = shrunk.result.trace.slice(-40).join("\n");
			expect.fail(`seed ${seed}: ${result.failure}\n${lines}\n${commandOf(seed, shrunk.without)}`);
		}
	});
}
