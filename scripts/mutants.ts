/**
 * `npm run mutants [-- --only name,name] [--json file]`: plants known bugs one at a time in a copy of the
 * project, and shows that the suites that are named for each fail with it. They must pass without any:
 * what fails anyway has caught nothing.
 *
 * Exit code 0 only if every mutant was caught.
 */
import { type ExecFileException, execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { MUTANTS, type Mutant } from "../test/mutants/mutants.ts";
import { ensureRedis } from "./support/install-redis.ts";

const run = promisify(execFile);
/** The slowest suite takes two minutes on a busy machine; one that hangs has been stopped by the bug. */
const SUITE_MS = 600_000;
const SAID = { passed: "NOT CAUGHT", failed: "caught    ", hung: "hung      " };
/** What a failing suite says, at most. */
const OUTPUT_BYTES = 64 * 1024 * 1024;

interface Verdict {
	readonly mutant: string;
	readonly wrong: string;
	/** Suite that failed; undefined: none did. */
	readonly caughtBy: string | undefined;
	/** hung: the suite failed by coming to no end in its time. */
	readonly how: "failed" | "hung" | undefined;
	readonly ms: number;
}

/** A copy of the project's files, with the installed packages beside them. */
async function copyOfProject(): Promise<string> {
	const target = mkdtempSync(join(tmpdir(), "recant-mutants-"));
	const listed = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
	const { stdout } = await run("git", listed, { maxBuffer: OUTPUT_BYTES });
	for (const file of stdout.split("\0")) {
		if (file !== "") cpSync(file, join(target, file), { recursive: true });
	}
	symlinkSync(join(process.cwd(), "node_modules"), join(target, "node_modules"));
	return target;
}

async function outcomeOf(folder: string, suite: string): Promise<"passed" | "failed" | "hung"> {
	const vitest = join("node_modules", "vitest", "vitest.mjs");
	try {
		await run(process.execPath, [vitest, "run", suite], {
			cwd: folder,
			timeout: SUITE_MS,
			maxBuffer: OUTPUT_BYTES,
		});
		return "passed";
	} catch (error) {
		// Anything else than tests that failed or hung, such as vitest not found, is no verdict.
		const { code, killed } = error as ExecFileException;
		if (killed === true) return "hung";
		if (code === 1) return "failed";
		throw error;
	}
}

async function verdictOn(folder: string, mutant: Mutant): Promise<Verdict> {
	const began = performance.now();
	const path = join(folder, mutant.file);
	const source = readFileSync(path, "utf8");
	if (source.split(mutant.find).length !== 2) {
		throw new RangeError(`${mutant.name}: what it changes is not there exactly once`);
	}
	writeFileSync(
		path,
		source.replace(mutant.find, () => mutant.plant),
	);
	try {
		for (const suite of mutant.caughtBy) {
			const how = await outcomeOf(folder, suite);
			if (how !== "passed") return verdict(mutant, { caughtBy: suite, how }, began);
		}
		return verdict(mutant, { caughtBy: undefined, how: undefined }, began);
	} finally {
		writeFileSync(path, source);
	}
}

function verdict(
	mutant: Mutant,
	caught: Pick<Verdict, "caughtBy" | "how">,
	began: number,
): Verdict {
	const ms = Math.round(performance.now() - began);
	return { mutant: mutant.name, wrong: mutant.wrong, ...caught, ms };
}

function say(line: string): void {
	process.stdout.write(`${line}\n`);
}

async function main(): Promise<boolean> {
	const { values } = parseArgs({ options: { only: { type: "string" }, json: { type: "string" } } });
	const wanted = values.only?.split(",");
	const mutants = MUTANTS.filter(({ name }) => wanted?.includes(name) ?? true);
	if (mutants.length === 0) throw new RangeError(`no mutant is named ${values.only}`);
	ensureRedis();
	const folder = await copyOfProject();
	try {
		for (const suite of new Set(mutants.flatMap(({ caughtBy }) => caughtBy))) {
			const how = await outcomeOf(folder, suite);
			if (how !== "passed") throw new RangeError(`${suite} ${how} without a mutant`);
			say(`passes without a mutant: ${suite}`);
		}
		const verdicts: Verdict[] = [];
		for (const mutant of mutants) {
			const one = await verdictOn(folder, mutant);
			verdicts.push(one);
			say(`${SAID[one.how ?? "passed"]} ${one.mutant}  ${one.caughtBy ?? ""}`);
		}
		const caught = verdicts.filter(({ caughtBy }) => caughtBy !== undefined).length;
		say(`${caught} of ${verdicts.length} caught`);
		if (values.json !== undefined) {
			writeFileSync(values.json, `${JSON.stringify(verdicts, undefined, "\t")}\n`);
		}
		return caught === verdicts.length;
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

process.exitCode = (await main()) ? 0 : 1;
