/**
 * `npm run chaos [-- --cycles 200] [--seed N] [--json] [--out path]`: real kills, at random moments under load.
 *
 * Runs test/chaos/chaos.test.ts, and reports what was struck, how often, and how long it took until
 * everything was settled again. The seed is printed first, and repeats faults and load.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import CliTable from "cli-table3";
import type { Cycle, EraReport } from "../test/chaos/era.ts";
import { ensureRedis } from "./support/install-redis.ts";
import { reportToolError } from "./support/report-tool-error.ts";
import { anySeed, failuresIn, wholeNumber } from "./support/seeded-suite.ts";
import { makeTempDir } from "./support/temp-dir.ts";

const FILE = "test/chaos/chaos.test.ts";
const CYCLES = 200;

interface Report {
	readonly seed: number;
	readonly reports: readonly EraReport[];
}

await reportToolError(async () => {
	const { values } = parseArgs({
		options: {
			cycles: { type: "string", default: `${CYCLES}` },
			seed: { type: "string" },
			json: { type: "boolean", default: false },
			out: { type: "string" },
		},
	});
	const cycles = wholeNumber("--cycles", values.cycles);
	const seed = wholeNumber("--seed", values.seed ?? anySeed());
	ensureRedis();
	const dir = makeTempDir("chaos-report");
	const file = join(dir.path, "report.json");
	Object.assign(process.env, {
		RECANT_CHAOS_CYCLES: `${cycles}`,
		RECANT_SEED: `${seed}`,
		RECANT_CHAOS_REPORT: file,
	});
	console.error(
		`chaos: ${cycles} cycles, seed ${seed}; again: npm run chaos -- --cycles ${cycles} --seed ${seed}`,
	);
	const startMs = performance.now();
	const failed = await failuresIn(FILE);
	const seconds = Math.round((performance.now() - startMs) / 1_000);
	const { reports } = JSON.parse(readFileSync(file, "utf8")) as Report;
	dir.remove();
	const summary = { seed, cycles, seconds, failed, ...summaryOf(reports), eras: reports };
	const text = `${JSON.stringify(summary, undefined, "\t")}\n`;
	if (values.out !== undefined) writeFileSync(values.out, text);
	if (values.json) process.stdout.write(text);
	else print(summary);
	// A server that a failed era left running must not keep the run from ending.
	process.exit(failed === 0 ? 0 : 1);
});

interface Kind {
	readonly kind: string;
	readonly times: number;
	readonly settleMs: { readonly median: number; readonly max: number };
}

/** A cycle in which two things were struck counts for both. */
function summaryOf(reports: readonly EraReport[]) {
	const cycles = reports.flatMap((report) => report.cycles);
	const kinds = [...new Set(cycles.flatMap((cycle) => cycle.kinds))].sort();
	const sum = (of: (report: EraReport) => number) =>
		reports.reduce((total, report) => total + of(report), 0);
	return {
		done: cycles.length,
		settleMs: settleOf(cycles),
		cycleMs: spread(cycles.map((cycle) => cycle.cycleMs)),
		kinds: kinds.map((kind): Kind => {
			const of = cycles.filter((cycle) => cycle.kinds.includes(kind));
			return { kind, times: of.length, settleMs: settleOf(of) };
		}),
		forks: sum(({ forks }) => forks),
		manualRollbacks: sum(({ manualRollbacks }) => manualRollbacks),
		rollbacksCommitted: sum(({ rollbacks }) => rollbacks["committed"] ?? 0),
		requests: sum(({ requests }) => requests),
		operations: sum(({ operations }) => operations),
		sentAgain: sum(({ repeated }) => repeated),
		reads: sum(({ reads }) => reads),
	};
}

function settleOf(cycles: readonly Cycle[]) {
	return spread(cycles.map((cycle) => cycle.settleMs));
}

function spread(samples: readonly number[]) {
	const sorted = samples.toSorted((one, other) => one - other);
	const middle = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
	return { median: Math.round(middle), max: Math.round(sorted.at(-1) ?? Number.NaN) };
}

function print(
	summary: { readonly seed: number; readonly failed: number } & ReturnType<typeof summaryOf>,
): void {
	const table = new CliTable({
		head: ["struck", "times", "settled: median ms", "most ms"],
		style: { head: [], border: [], compact: true },
	});
	for (const { kind, times, settleMs } of summary.kinds)
		table.push([kind, times, settleMs.median, settleMs.max]);
	table.push(["all cycles", summary.done, summary.settleMs.median, summary.settleMs.max]);
	console.log(table.toString());
	const { forks, manualRollbacks, rollbacksCommitted, requests, operations, sentAgain, reads } =
		summary;
	console.log(
		`${forks} forks, ${manualRollbacks} rollbacks by hand, ${rollbacksCommitted} rollbacks committed; ` +
			`${requests} requests answered with ${operations} operations, ${sentAgain} sent more than once; ` +
			`${reads} reads held against checkpoints`,
	);
	console.log(
		`seed ${summary.seed}: ${summary.failed === 0 ? "every era ended as a straight run" : `${summary.failed} failed`}`,
	);
}
