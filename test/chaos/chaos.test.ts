/**
 * Real kills: service processes, Postgres and Redis are killed, frozen, slowed and cut off at random
 * moments under load, and whatever happened, what is left is what a straight run on the final chain holds.
 *
 * RECANT_CHAOS_CYCLES cycles (20), in eras of 15 with two processes on servers of their own and 5 with the
 * embedded Postgres. RECANT_SEED repeats the faults and the load; when they meet is the machine's own timing.
 */
import { writeFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { announcedSeed } from "../support/seed.ts";
import type { Layout } from "./chaos-world.ts";
import { type EraReport, runEra } from "./era.ts";

const FILE = "test/chaos/chaos.test.ts";
const CYCLES = Number(process.env["RECANT_CHAOS_CYCLES"] ?? 20);
/** In turn. */
const ERAS: readonly { readonly layout: Layout; readonly cycles: number }[] = [
	{ layout: "two processes", cycles: 15 },
	{ layout: "embedded", cycles: 5 },
];
/** A cycle takes 2 to 8 seconds, on a busy machine several times that; a straight run as long as ten. */
const CYCLE_TIMEOUT_MS = 30_000;
const ORACLE_TIMEOUT_MS = 300_000;

const seed = announcedSeed(FILE);
const reports: EraReport[] = [];

afterAll(() => {
	const { RECANT_CHAOS_REPORT: file } = process.env;
	if (file !== undefined) writeFileSync(file, JSON.stringify({ seed, reports }, undefined, "\t"));
});

test.each(eras(CYCLES))(
	"era $era: $cycles cycles of faults with $layout end as a straight run does",
	{ timeout: CYCLES * CYCLE_TIMEOUT_MS + ORACLE_TIMEOUT_MS },
	async ({ era, layout, cycles }) => {
		const say = (what: string) => console.info(`era ${era} ${what}`);
		const report = await runEra({ layout, cycles, seed: seed + era * 10, say });
		reports.push(report);
		console.info(JSON.stringify({ ...report, cycles: cycles }));
		expect(report.cycles).toHaveLength(cycles);
	},
);

function eras(cycles: number) {
	const found: { era: number; layout: Layout; cycles: number }[] = [];
	for (let left = cycles; left > 0; ) {
		const next = ERAS[found.length % ERAS.length];
		if (next === undefined) break;
		const count = Math.min(left, next.cycles);
		found.push({ era: found.length + 1, layout: next.layout, cycles: count });
		left -= count;
	}
	return found;
}
