/**
 * Provenance against the reference model: random operations on random forks, run through the writer's and
 * the rollback's own code over stores in memory, and compared after every step.
 */
import { expect, test } from "vitest";
import { Schedule } from "../support/provenance-schedule.ts";
import { ProvenanceWorld } from "../support/provenance-world.ts";
import { Random } from "../support/random.ts";
import { announcedSeed } from "../support/seed.ts";

const HISTORIES = Number(process.env["RECANT_HISTORIES"] ?? 2_000);
const SEED = announcedSeed("test/property/provenance.test.ts");

test("what survives forks is what the model says", { timeout: 300_000 }, async () => {
	const seen: Record<string, number> = {};
	for (let index = 0; index < HISTORIES; index += 1) {
		const seed = SEED + index;
		try {
			await new Schedule(await ProvenanceWorld.create(), new Random(seed)).run(seen);
		} catch (error) {
			throw new Error(`history of seed ${seed}`, { cause: error });
		}
	}
	console.info(seen);
	// A run that never met one of these would show nothing.
	for (const [what, count] of Object.entries(seen)) {
		expect(count, what).toBeGreaterThan(HISTORIES / 250);
	}
});
