import { test } from "vitest";
import { Schedule } from "../support/provenance-schedule.ts";
import { ProvenanceWorld } from "../support/provenance-world.ts";
import { Random } from "../support/random.ts";

for (const seed of (process.env["SEEDS"] ?? "1").split(",").map(Number)) {
	test(`seed ${seed}`, async () => {
		await new Schedule(await ProvenanceWorld.create(), new Random(seed)).run({});
	});
}
