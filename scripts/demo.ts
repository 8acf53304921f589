/**
 * `npm run demo [-- --keep]`: an agent's memory lives through a fork, and is then compared with that
 * of an instance that never saw it. Exit code 0: they are equal; 1: they differ, or a step failed; 2:
 * an unknown option; 128 and the signal's number: interrupted.
 *
 * `--keep` leaves everything running until Ctrl-C. On a terminal the steps are live; in a pipe, in CI
 * and with TERM=dumb they are plain lines. Interrupted, it ends what it started.
 */
import { constants } from "node:os";
import { parseArgs } from "node:util";
import { Cleanup } from "./demo/cleanup.ts";
import { Narrator, standardOutput } from "./demo/narrator.ts";
import type { Stage } from "./demo/stage.ts";
import { STEPS, tellStory } from "./demo/story.ts";

const USAGE = "usage: npm run demo [-- --keep]\n  --keep  leave it running until Ctrl-C";
/** Two services and their databases end in a second or two. */
const END_DEADLINE_MS = 20_000;

type Signal = "SIGINT" | "SIGTERM" | "SIGHUP";

async function main(): Promise<number> {
	const keep = keepOption();
	if (keep === undefined) return 2;
	ownSettings();
	const narrator = new Narrator(standardOutput(), STEPS);
	const cleanup = new Cleanup();
	const signal = firstSignal();
	const told = await Promise.race([tell(narrator, cleanup, { keep, signal }), signal]);
	if (typeof told !== "string" && told.stage !== undefined && keep) {
		tellWhereItRuns(narrator, told.stage);
		await signal;
	}
	narrator.end();
	setTimeout(() => process.exit(1), END_DEADLINE_MS).unref();
	await cleanup.run();
	return typeof told === "string" ? 128 + constants.signals[told] : told.exitCode;
}

interface Told {
	readonly exitCode: 0 | 1;
	/** Undefined: a step failed. */
	readonly stage: Stage | undefined;
}

async function tell(
	narrator: Narrator,
	cleanup: Cleanup,
	{ keep, signal }: { readonly keep: boolean; readonly signal: Promise<Signal> },
): Promise<Told> {
	let interrupted = false;
	void signal.then(() => {
		interrupted = true;
	});
	try {
		return await tellStory({ narrator, cleanup, keepData: keep });
	} catch (error) {
		// A step that is ended from under its feet fails, which is no news.
		if (!interrupted) report(error);
		return { exitCode: 1, stage: undefined };
	}
}

function tellWhereItRuns(narrator: Narrator, { anvil, recant, dataDir }: Stage): void {
	const cli = `node bin/recant.js --url ${recant.url}`;
	const lines = [
		`Recant    ${recant.url}, documented at ${recant.url}/docs`,
		`Anvil     ${anvil.rpcUrl}`,
		`data      ${dataDir}, which stays`,
		"",
		`${cli} status`,
		`${cli} blocks --fork all`,
		`${cli} search "who paid rent"`,
		"",
		"fork again, this time by 3 empty blocks:",
		`curl -s ${anvil.rpcUrl} -H content-type:application/json \\`,
		`  -d '{"jsonrpc":"2.0","id":1,"method":"anvil_reorg","params":[3,[]]}'`,
	];
	narrator.headline("It goes on running; Ctrl-C stops it.", "bold");
	for (const line of lines) narrator.line(line);
}

/** Undefined: the command line says something else, and usage was printed. */
function keepOption(): boolean | undefined {
	const options = { keep: { type: "boolean", default: false } } as const;
	try {
		return parseArgs({ options }).values.keep;
	} catch (error) {
		if (!(error instanceof TypeError)) throw error;
		console.error(`${error.message}\n${USAGE}`);
		return undefined;
	}
}

/** The demo's chain and services are its own, whatever the shell has set for others. */
function ownSettings(): void {
	for (const name of Object.keys(process.env)) {
		if (name.startsWith("RECANT_") && name !== "RECANT_LOG_LEVEL") delete process.env[name];
	}
}

/** The second signal ends the process at once. */
function firstSignal(): Promise<Signal> {
	return new Promise((resolve) => {
		let first = true;
		const onSignal = (signal: Signal) => {
			if (!first) process.exit(128 + constants.signals[signal]);
			first = false;
			console.error(`\n${signal}: ending what was started; a second one ends at once`);
			resolve(signal);
		};
		for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onSignal);
	});
}

/** Errors that are made for people have a code and a hint; any other is a defect and keeps its stack. */
function report(error: unknown): void {
	const made = error instanceof Error && "code" in error && "hint" in error;
	console.error(made ? `\n${error.code}: ${error.message}\nhint: ${error.hint}` : error);
}

const code = await main();
process.stdout.write("", () => process.exit(code));
