/**
 * The simulated stores and those of Postgres side by side: every case on both at once, each answer and
 * finally every row compared, so that what the simulation shows holds of the real ones.
 */
import { afterAll, beforeAll, describe, test } from "vitest";
import { CASES } from "../simulation/conformance/cases.ts";
import { fakeStores } from "../simulation/conformance/fake-stores-under-test.ts";
import { paired } from "../simulation/conformance/paired-stores.ts";
import {
	openRealStores,
	type RealStores,
} from "../simulation/conformance/real-stores-under-test.ts";

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
