/** One command line as its action sees it. */
import type { Command } from "commander";
import { type ClientEnvironment, readClientEnvironment } from "../config/client-environment.ts";
import type { EnvironmentVariables } from "../config/environment-problems.ts";
import type { ExitCode } from "./exit-code.ts";
import { type GlobalOptions, openSession, type Session } from "./session.ts";
import type { Terminal } from "./terminal.ts";

/** What an action is given, and where it leaves its exit code. */
export interface CommandRun {
	readonly terminal: Terminal;
	readonly env: EnvironmentVariables | undefined;
	exitCode: ExitCode;
}

/** Runs an action with the session that the global options ask for. */
export async function inSession(
	run: CommandRun,
	command: Command,
	action: (
		session: Session,
		options: GlobalOptions,
		environment: ClientEnvironment,
	) => Promise<ExitCode>,
): Promise<void> {
	const options: GlobalOptions = command.optsWithGlobals();
	const environment = readClientEnvironment(run.env);
	const session = openSession(run.terminal, environment, options);
	run.exitCode = await action(session, options, environment);
}
