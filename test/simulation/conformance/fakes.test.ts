/** The simulated Postgres keeps the rules that the real one keeps; see test/integration/conformance-postgres.test.ts. */
import { describe, test } from "vitest";
import { CASES } from "./cases.ts";
import { fakeStores } from "./fake-stores-under-test.ts";

describe.each(Object.entries(CASES))("%s", (_name, cases) => {
	test.each(cases)("$name", ({ run }) => run(fakeStores()));
});
