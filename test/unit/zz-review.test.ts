import { test } from "vitest";
import { Schedule } from "../support/provenance-schedule.ts";
import { ProvenanceWorld } from "../support/provenance-world.ts";
import { Random } from "../support/random.ts";

test("tally", { timeout: 300_000 }, async () => {
	const tally = new Map<string, number[]>();
	const n = Number(process.env["N"] ?? 400);
	for (let seed = 1; seed <= n; seed += 1) {
		try {
			await new Schedule(await ProvenanceWorld.create(), new Random(seed)).run({});
		} catch (error) {
			const message = String((error as Error).message)
				.slice(0, 60)
				.replace(/\d+/g, "#");
			tally.set(message, [...(tally.get(message) ?? []), seed]);
		}
	}
	console.log([...tally].map(([m, s]) => `${s.length} × ${m}: ${s.slice(0, 6)}`).join("\n"));
});
