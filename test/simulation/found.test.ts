/** Seeds beyond those of every run that have shown a defect; each is kept as long as its schedule shows it. */
import { expect, test } from "vitest";
import { runSeed } from "./run-seed.ts";

test.each([
	[3166, "an operation that waited while the block of its anchor was orphaned and became final"],
	[2956, "a parent that was told wrong once, just above the finalized block, and was remembered"],
])("seed %i: %s", { timeout: 60_000 }, async (seed) => {
	expect((await runSeed(seed)).failure).toBeUndefined();
});
