/** The simulated Postgres keeps the rules that the real one keeps; see test/integration/conformance-postgres.test.ts. */
import { describe, expect, test } from "vitest";
import { Random } from "../../support/random.ts";
import { announcedSeed } from "../../support/seed.ts";
import { CASES } from "./cases.ts";
import { fakeStores } from "./fake-stores-under-test.ts";
import { paired } from "./paired-stores.ts";
import { RandomCalls } from "./random-calls.ts";

const SEQUENCES = 20;
const CALLS = 150;
const SEED = announcedSeed("test/simulation/conformance/fakes.test.ts");

describe.each(Object.entries(CASES))("%s", (_name, cases) => {
	test.each(cases)("$name", ({ run }) => run(fakeStores()));
});

test("the same calls give the same answers and rows, whatever they are", async () => {
	const seen = new Map<string, number>();
	for (let index = 0; index < SEQUENCES; index += 1) {
		const both = paired(fakeStores(), fakeStores());
		const calls = await RandomCalls.begin(both, new Random(SEED + index));
		await calls.run(CALLS);
		for (const [what, count] of calls.seen) seen.set(what, (seen.get(what) ?? 0) + count);
	}
	console.info(Object.fromEntries(seen));
	// Sequences that never did one of these would show little.
	for (const what of ["commit", "rollback", "restore", "admit", "refused: lease_lost"]) {
		expect(seen.get(what) ?? 0, what).toBeGreaterThan(0);
	}
});
