/**
 * `npm run sim -- [--seed N | --seeds N [--from N]] [--store fake|postgres] [--without names] [--trace] [--json]`:
 * runs seeds of the simulation, shrinks the first that fails, and says how many forks, faults and crashes there were.
 */
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { openPostgresRun } from "../test/simulation/postgres-run.ts";
import { commandOf, runSeed, type SeedOptions, shrinkSeed } from "../test/simulation/run-seed.ts";
import type { RunResult } from "../test/simulation/simulation.ts";
import { startPostgres } from "./support/postgres-server.ts";
import { reportToolError } from "./support/report-tool-error.ts";
import { ToolError } from "./support/tool-error.ts";

/** Failures that are listed; a defect fails hundreds of seeds. */
const LISTED_FAILURES = 20;
const SAY_EVERY_MS = 5_000;

interface Wanted {
	readonly from: number;
	readonly seeds: number;
	readonly store: "fake" | "postgres";
	readonly without: ReadonlySet<string>;
	readonly trace: boolean;
	readonly json: boolean;
}

interface Tally {
	seeds: number;
	readonly failed: number[];
	readonly figures: Record<string, number>;
	/** Seconds. */
	took: number;
}

/** Of the figures; the rest is in --json. */
const SHOWN = [
	"forks",
	"rollbacks",
	"commits",
	"requests",
	"faults",
	"error_before",
	"error_after",
	"slow",
	"crash_before",
	"crash_under_way",
	"crash_after",
	"kill",
	"term",
	"freeze",
	"away",
	"flushall",
	"virtualMs",
];

await reportToolError(async () => {
	const wanted = wantedOf(process.argv.slice(2));
	await using ending = new AsyncDisposableStack();
	const tally = await run(wanted, await optionsOf(wanted, ending));
	report(wanted, tally);
	process.exitCode = tally.failed.length === 0 ? 0 : 1;
});

function wantedOf(given: readonly string[]): Wanted {
	const { values } = parseArgs({
		args: [...given],
		options: {
			seed: { type: "string" },
			seeds: { type: "string" },
			from: { type: "string" },
			store: { type: "string" },
			without: { type: "string" },
			trace: { type: "boolean" },
			json: { type: "boolean" },
		},
	});
	const store = values.store ?? "fake";
	if (store !== "fake" && store !== "postgres") {
		throw wrong(`--store ${store} is neither fake nor postgres`);
	}
	return {
		from: whole("--seed", values.seed ?? values.from ?? "1"),
		seeds: values.seed === undefined ? whole("--seeds", values.seeds ?? "1000") : 1,
		store,
		without: new Set(values.without?.split(",").filter((name) => name !== "")),
		trace: values.trace ?? false,
		json: values.json ?? false,
	};
}

function whole(name: string, text: string): number {
	const number = Number(text);
	if (Number.isSafeInteger(number) && number >= 0) return number;
	throw wrong(`${name} ${text} is not a whole number`);
}

function wrong(message: string): ToolError {
	return new ToolError("arguments_invalid", { message, hint: "see the head of scripts/sim.ts" });
}

async function optionsOf(
	{ store, without, trace }: Wanted,
	ending: AsyncDisposableStack,
): Promise<SeedOptions> {
	const options = { without, verbose: trace };
	if (store === "fake") return options;
	const server = await startPostgres();
	ending.defer(() => server.stop());
	return { ...options, openStores: openPostgresRun(server.url) };
}

async function run(wanted: Wanted, options: SeedOptions): Promise<Tally> {
	const tally: Tally = { seeds: 0, failed: [], figures: {}, took: 0 };
	const began = performance.now();
	let said = began;
	for (let seed = wanted.from; seed < wanted.from + wanted.seeds; seed += 1) {
		const result = await runSeed(seed, options);
		tally.seeds += 1;
		tally.took = (performance.now() - began) / 1_000;
		for (const [name, count] of Object.entries(result.figures)) {
			tally.figures[name] = (tally.figures[name] ?? 0) + count;
		}
		if (wanted.trace) console.info(result.trace.join("\n"));
		if (wanted.seeds === 1 && !wanted.json) console.info(`trace ${result.digest}`);
		if (result.failure !== undefined) await failed(result, tally, options);
		if (performance.now() - said > SAY_EVERY_MS && !wanted.json) {
			said = performance.now();
			console.info(`${tally.seeds} seeds, ${rate(tally)} seeds/s, ${tally.failed.length} failed`);
		}
	}
	return tally;
}

async function failed(result: RunResult, tally: Tally, options: SeedOptions): Promise<void> {
	tally.failed.push(result.seed);
	if (tally.failed.length > LISTED_FAILURES) return;
	console.error(`seed ${result.seed}: ${result.failure}`);
	if (tally.failed.length > 1) {
		console.error(`  again: ${commandOf(result.seed)}`);
		return;
	}
	const shrunk = await shrinkSeed(result, options);
	console.error(`  left after ${shrunk.runs} runs: ${shrunk.left.join(", ")}`);
	console.error(shrunk.result.trace.slice(-60).join("\n"));
	console.error(`  again: ${commandOf(result.seed, shrunk.without)}`);
}

function rate({ seeds, took }: Tally): string {
	return took === 0 ? "0" : (seeds / took).toFixed(1);
}

function report({ json, store }: Wanted, tally: Tally): void {
	const { seeds, failed: failures, figures } = tally;
	if (json) {
		const all = { store, seeds, seedsPerS: Number(rate(tally)), failed: failures, figures };
		process.stdout.write(`${JSON.stringify(all)}\n`);
		return;
	}
	const table = new Table({ head: ["", store], style: { head: [], border: [], compact: true } });
	table.push(["seeds", seeds], ["seeds/s", rate(tally)], ["failed", failures.length]);
	for (const name of SHOWN) table.push([name, Math.round(figures[name] ?? 0)]);
	console.info(table.toString());
}
