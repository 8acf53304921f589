/** `recant check` and `recant checks` on the command line. */
import { type Command, Option } from "commander";
import { LEVELS } from "../consistency/finding.ts";
import { LIMITS } from "../domain/limits.ts";
import { countArgument, secondsArgument, shareArgument } from "./arguments.ts";
import { type CommandRun, inSession } from "./command-run.ts";
import { type CheckOptions, check } from "./commands/check.ts";
import { listChecks, showCheck } from "./commands/checks.ts";

interface CheckFlags {
	readonly level: string;
	readonly sample?: string;
	readonly confidence: number;
	readonly tolerance: number;
	readonly timeout: number;
	readonly findings: number;
}

export function addCheckCommands(program: Command, run: CommandRun): void {
	addCheck(program, run);
	addChecks(program, run);
}

function addCheck(program: Command, run: CommandRun): void {
	program
		.command("check")
		.description("check the stores against each other and their commitments; changes nothing")
		.addOption(new Option("--level <level>", "how deep").choices([...LEVELS]).default("basic"))
		.option("--sample <seed>", "read a sample, drawn by this seed, instead of everything")
		.option("--confidence <p>", "of a sample, above 0 and below 1", shareArgument, 0.99)
		.option("--tolerance <p>", "share of damage that a sample may miss", shareArgument, 0.001)
		.option("--findings <n>", "findings to show", countArgument("findingsKept"), 100)
		.option("--timeout <seconds>", "how long to wait for it", secondsArgument, 3_600)
		.action((flags: CheckFlags, command: Command) =>
			inSession(run, command, (session) => check(session, checkOptions(flags))),
		);
}

interface ChecksFlags {
	readonly level?: string;
	readonly limit: number;
	readonly cursor?: string;
	readonly findings: number;
}

function addChecks(program: Command, run: CommandRun): void {
	program
		.command("checks")
		.description(
			"how checks went, the newest first: scores, and their change; or one of them again",
		)
		.argument("[id]", "one check, with its findings")
		.addOption(new Option("--level <level>", "only of this level").choices([...LEVELS]))
		.option("--limit <n>", `checks, 1 to ${LIMITS.pageSize}`, countArgument("pageSize"), 50)
		.option("--cursor <cursor>", "next page, as the page before says")
		.option("--findings <n>", "findings to show of one", countArgument("findingsKept"), 100)
		.action((id: string | undefined, flags: ChecksFlags, command: Command) => {
			const { level, limit, cursor, findings } = flags;
			return inSession(run, command, (session) =>
				id === undefined
					? listChecks(session, { level, limit, cursor })
					: showCheck(session, id, findings),
			);
		});
}

function checkOptions(flags: CheckFlags): CheckOptions {
	const { level, sample: seed, confidence, tolerance, timeout, findings } = flags;
	const sample = seed === undefined ? undefined : { seed, confidence, tolerance };
	return { level, sample, timeoutSeconds: timeout, findings };
}
