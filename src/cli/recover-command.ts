/** `recant recover` on the command line. */
import { Argument, type Command } from "commander";
import { RECOVERY_KINDS, type RecoveryKind } from "../recovery/recovery.ts";
import { secondsArgument } from "./arguments.ts";
import { type CommandRun, inSession } from "./command-run.ts";
import { recover, showOptions } from "./commands/recover.ts";
import { UsageError } from "./failure.ts";

/** A restored state of hundreds of gigabytes takes hours. */
const WATCH_S = 21_600;

interface RecoverFlags {
	readonly dryRun?: boolean;
	readonly snapshot?: string;
	readonly singleProvider?: boolean;
	readonly yes?: boolean;
	readonly wait: boolean;
	readonly timeout: number;
}

export function addRecoverCommand(program: Command, run: CommandRun): void {
	program
		.command("recover")
		.description("a chain that is halted: what is possible, or with a way out named, doing it")
		.argument("<chain>", "the chain's id or name")
		.addArgument(
			new Argument(
				"[how]",
				"accept the node's branch, import a snapshot, or rebuild everything; left out: list them",
			).choices(RECOVERY_KINDS),
		)
		.option("--dry-run", "only say what would be done")
		.option("--snapshot <id>", "of an import: this one; else the newest that can be taken")
		.option("--single-provider", "one provider's word is enough, where there is no other")
		.option("--yes", "do it without being asked again")
		.option("--wait", "watch it until it ends", true)
		.option("--no-wait", "return when it is recorded")
		.option("--timeout <seconds>", "how long to watch it", secondsArgument, WATCH_S)
		.action(
			(chain: string, kind: RecoveryKind | undefined, flags: RecoverFlags, command: Command) =>
				inSession(run, command, (session) => {
					const { singleProvider = false } = flags;
					if (kind === undefined) return showOptions(session, chain, { singleProvider });
					return recover(session, chain, optionsOf(kind, flags));
				}),
		);
}

function optionsOf(kind: RecoveryKind, flags: RecoverFlags) {
	const { dryRun = false, yes = false, snapshot: snapshotId, singleProvider = false } = flags;
	if (!dryRun && !yes) {
		throw new UsageError(
			"a recovery takes back what was final, and what it leaves cannot be had again by itself",
			"look at it with --dry-run, then say --yes",
		);
	}
	const { wait, timeout: timeoutSeconds } = flags;
	return { kind, dryRun, snapshotId, singleProvider, wait, timeoutSeconds };
}
