/**
 * The simulated stores and those of Postgres side by side: every case on both at once, each answer and
 * finally every row compared, so that what the simulation shows holds of the real ones.
 */
import { afterAll, beforeAll, describe, test } from "vitest";
import { CASES } from "../simulation/conformance/cases.ts";
import { fakeStores } from "../simulation/conformance/fake-stores-under-test.ts";
import { paired } from "../simulation/conformance/paired-stores.ts";
import { RandomCalls } from "../simulation/conformance/random-calls.ts";
import {
	openRealStores,
	type RealStores,
} from "../simulation/conformance/real-stores-under-test.ts";
import { Random } from "../support/random.ts";
import { announcedSeed } from "../support/seed.ts";

/** Each takes some seconds, of some two thousand statements. */
const SEQUENCES = Number(process.env["RECANT_SEQUENCES"] ?? 5);
const CALLS = 150;
const TIMEOUT_MS = 20_000 + SEQUENCES * 30_000;
const SEED = announcedSeed("test/integration/conformance-postgres.test.ts");

let real: RealStores;

beforeAll(async () => {
	real = await openRealStores("conformance");
});

afterAll(() => real.close());

describe.each(Object.entries(CASES))("%s", (_name, cases) => {
	test.each(cases)("$name", async ({ run }) => {
		const both = paired(fakeStores(), await real.emptied());
		await run(both);
		await both.dump();
	});
});

test("random calls give the same answers and rows on both", { timeout: TIMEOUT_MS }, async () => {
	for (let index = 0; index < SEQUENCES; index += 1) {
		const seed = SEED + index;
		const both = paired(fakeStores(), await real.emptied());
		const calls = await RandomCalls.begin(both, new Random(seed));
		try {
			await calls.run(CALLS);
		} catch (error) {
			throw new Error(`sequence of seed ${seed}`, { cause: error });
		}
	}
});
