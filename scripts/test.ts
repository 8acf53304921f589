/**
 * `npm test [-- vitest's arguments]`: gets Redis, runs the tests, and ends with one line,
 * `N passed, N failed`, whatever happens. Exit code 0 only if tests ran and all of them passed.
 *
 * A suite, a hook, a file that cannot be loaded, an unhandled error: each failure counts as one.
 */
import { parseCLI, startVitest, type TestModule, type Vitest } from "vitest/node";
import { ensureRedis } from "./support/install-redis.ts";
import { reportToolError } from "./support/report-tool-error.ts";

interface Tally {
	passed: number;
	failed: number;
}

async function main(): Promise<void> {
	const tally: Tally = { passed: 0, failed: 0 };
	await reportToolError(async () => {
		ensureRedis();
		await runVitest(tally);
	});
	// What failed before vitest could count it, such as Redis missing, is a failure all the same.
	if (tally.failed === 0 && (tally.passed === 0 || exitCode() !== 0)) tally.failed = 1;
	const line = `${tally.passed} passed, ${tally.failed} failed\n`;
	// A server that a test left running must not keep the run from ending.
	process.stdout.write(line, () => process.exit(tally.failed === 0 ? 0 : 1));
}

async function runVitest(tally: Tally): Promise<void> {
	const { filter, options } = parseCLI(["vitest", "run", ...process.argv.slice(2)]);
	const vitest = await startVitest(filter, { ...options, run: true, watch: false });
	count(vitest, tally);
	await vitest.close();
}

function count(vitest: Vitest, tally: Tally): void {
	for (const module of vitest.state.getTestModules()) countModule(module, tally);
	tally.failed += vitest.state.getUnhandledErrors().length;
}

function countModule(module: TestModule, tally: Tally): void {
	tally.failed += module.errors().length;
	for (const suite of module.children.allSuites()) tally.failed += suite.errors().length;
	for (const test of module.children.allTests()) {
		const { state } = test.result();
		if (state === "passed") tally.passed += 1;
		// Pending at the end: the run was given up while the test was running.
		else if (state !== "skipped") tally.failed += 1;
	}
}

function exitCode(): number {
	return Number(process.exitCode ?? 0);
}

await main();
