/** `recant repair` on the command line. */
import { type Command, Option } from "commander";
import { FINDING_CLASSES } from "../consistency/finding.ts";
import { type CommandRun, inSession } from "./command-run.ts";
import { repair } from "./commands/repair.ts";

interface RepairFlags {
	readonly run?: string;
	readonly class?: string[];
	readonly apply?: boolean;
}

export function addRepairCommand(program: Command, run: CommandRun): void {
	program
		.command("repair")
		.description("mend what a check found; without --apply only say what would be done")
		.option("--run <id>", "consistency run; left out: the newest that found something")
		.addOption(
			new Option("--class <class...>", "only findings of these classes").choices([
				...FINDING_CLASSES,
			]),
		)
		.option("--apply", "do it")
		.action((flags: RepairFlags, command: Command) =>
			inSession(run, command, (session) =>
				repair(session, { runId: flags.run, classes: flags.class, apply: flags.apply === true }),
			),
		);
}
