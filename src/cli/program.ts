/** The command line of `recant`: commands, options, help, and how each ends. */
import { Command, CommanderError, Option } from "commander";
import { readOutputEnvironment } from "../config/client-environment.ts";
import type { EnvironmentVariables } from "../config/environment-problems.ts";
import { LIMITS } from "../domain/limits.ts";
import { FINALITIES, type Finality } from "../domain/provenance.ts";
import { SEARCH_MODES, type SearchMode } from "../service/recant-service.ts";
import {
	atArgument,
	countArgument,
	heightArgument,
	layerArgument,
	secondsArgument,
	urlArgument,
} from "./arguments.ts";
import { addChainCommands } from "./chain-commands.ts";
import { addCheckCommands } from "./check-command.ts";
import { type CommandRun, inSession } from "./command-run.ts";
import { blocks } from "./commands/blocks.ts";
import { type RollbackOptions, rollback, STRATEGIES } from "./commands/rollback.ts";
import { search } from "./commands/search.ts";
import { state } from "./commands/state.ts";
import { status } from "./commands/status.ts";
import { EXIT, EXIT_HELP, type ExitCode } from "./exit-code.ts";
import { reportFailure } from "./failure.ts";
import { addGraphCommands } from "./graph-commands.ts";
import { addKeyCommands } from "./key-commands.ts";
import { addLayerCommands } from "./layer-commands.ts";
import { addMemoryCommands } from "./memory-commands.ts";
import { addProofCommands } from "./proof-commands.ts";
import { addRecoverCommand } from "./recover-command.ts";
import { addRepairCommand } from "./repair-command.ts";
import { addRestoreCommands } from "./restore-commands.ts";
import { addRollbacksCommands } from "./rollback-commands.ts";
import type { GlobalOptions } from "./session.ts";
import { addSnapshotCommands } from "./snapshot-commands.ts";
import { start } from "./start.ts";
import type { TerminalStream } from "./terminal.ts";

export interface CliStreams {
	readonly stdout: TerminalStream;
	readonly stderr: TerminalStream;
}

/** Runs one command line, without the interpreter's own two arguments. Never throws. */
export async function runCli(
	args: readonly string[],
	{ stdout, stderr }: CliStreams,
	env?: EnvironmentVariables,
): Promise<ExitCode> {
	const { noColor, debug } = readOutputEnvironment(env);
	const run: CommandRun = { terminal: { stdout, stderr, noColor }, env, exitCode: EXIT.ok };
	try {
		await buildProgram(run).parseAsync([...args], { from: "user" });
		return run.exitCode;
	} catch (error) {
		// Commander has said what is wrong; help and version end with 0.
		if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
		return reportFailure(run.terminal, error, debug);
	}
}

function buildProgram(run: CommandRun): Command {
	const { stdout, stderr } = run.terminal;
	const program = new Command("recant")
		.description("Memory for AI agents that takes back what the chain takes back.")
		.exitOverride()
		.configureOutput({
			writeOut: (text) => void stdout.write(text),
			writeErr: (text) => void stderr.write(text),
			getOutHasColors: () => false,
			getErrHasColors: () => false,
		})
		.showHelpAfterError("hint: `recant --help` lists commands and options")
		.option("--chain <chain>", "chain id or name; may be left out if one chain is served")
		.option("--url <url>", "where the service answers", urlArgument)
		.option("--json", "one JSON document instead of tables")
		.addHelpText("after", EXIT_HELP);
	addStart(program, run);
	addStatus(program, run);
	addState(program, run);
	addSearch(program, run);
	addMemoryCommands(program, run);
	addRollback(program, run);
	addRollbacksCommands(program, run);
	addBlocks(program, run);
	addCheckCommands(program, run);
	addRepairCommand(program, run);
	addRecoverCommand(program, run);
	addGraphCommands(program, run);
	addProofCommands(program, run);
	addSnapshotCommands(program, run);
	addRestoreCommands(program, run);
	addLayerCommands(program, run);
	addKeyCommands(program, run);
	addChainCommands(program, run);
	return program;
}

function addStart(program: Command, run: CommandRun): void {
	program
		.command("start")
		.description("run the service; settings come from the environment, see README.md")
		.option(
			"--role <roles>",
			"what this process does: follower, worker, api or all; may be given more than once, or with commas (default: RECANT_ROLE, else all)",
			(role: string, before: readonly string[] = []) => [...before, role],
		)
		.action(async ({ role }: { readonly role?: readonly string[] }, command: Command) => {
			const { json }: GlobalOptions = command.optsWithGlobals();
			run.exitCode = await start(run.terminal, { roles: role ?? [], json: json === true });
		});
}

function addStatus(program: Command, run: CommandRun): void {
	program
		.command("status")
		.description("where the service and each chain stand")
		.action((_options: object, command: Command) =>
			inSession(run, command, (session, { chain }) => status(session, chain)),
		);
}

const AT_HELP = "height, block hash, pending, latest, safe or finalized";

interface StateOptions {
	readonly at?: string;
	readonly layer?: string;
	readonly namespace?: string;
	readonly limit: number;
	readonly cursor?: string;
}

function addState(program: Command, run: CommandRun): void {
	program
		.command("state")
		.alias("list")
		.description("memories that are visible at a coordinate")
		.option("--at <at>", AT_HELP, atArgument, "pending")
		.option("--layer <layer>", "only this layer", layerArgument)
		.option("--namespace <namespace>", "only this namespace")
		.option("--limit <n>", `memories, 1 to ${LIMITS.pageSize}`, countArgument("pageSize"), 50)
		.option("--cursor <cursor>", "next page, as the page before says")
		.action((options: StateOptions, command: Command) =>
			inSession(run, command, (session) => state(session, options)),
		);
}

interface SearchOptions {
	readonly at?: string;
	readonly k: number;
	readonly namespace?: string;
	readonly layer?: string;
	readonly collection?: string;
	readonly mode?: SearchMode;
	readonly minFinality?: Finality;
}

function addSearch(program: Command, run: CommandRun): void {
	program
		.command("search")
		.description("memories by meaning and by words")
		.argument("<text>", "what to look for")
		.option("--at <at>", AT_HELP, atArgument, "pending")
		.option("--k <n>", `results, 1 to ${LIMITS.searchK}`, countArgument("searchK"), 10)
		.option("--namespace <namespace>", "only this namespace")
		.option("--layer <layer>", "only this layer", layerArgument)
		.option("--collection <collection>", "collection to search")
		.addOption(
			new Option("--mode <mode>", "by meaning, by words or both; else as fits").choices(
				SEARCH_MODES,
			),
		)
		.addOption(
			new Option("--min-finality <finality>", "only what rests on such blocks").choices(FINALITIES),
		)
		.action((text: string, options: SearchOptions, command: Command) =>
			inSession(run, command, (session) => {
				const { layer, ...rest } = options;
				const layers = layer === undefined ? undefined : [layer];
				return search(session, { text, ...rest, layers });
			}),
		);
}

interface RollbackFlags {
	readonly to: string;
	readonly strategy?: RollbackOptions["strategy"];
	readonly dryRun?: boolean;
	readonly wait: boolean;
	readonly timeout: number;
}

function addRollback(program: Command, run: CommandRun): void {
	program
		.command("rollback")
		.description("go back to the end of a block; the follower goes on from there")
		.requiredOption("--to <height>", "block that becomes the head", heightArgument)
		.addOption(
			new Option(
				"--strategy <strategy>",
				"how to get that block's state; else the service chooses",
			).choices(STRATEGIES),
		)
		.option("--dry-run", "only say what would change")
		.option("--wait", "watch it until it ends", true)
		.option("--no-wait", "return when it is recorded")
		.option("--timeout <seconds>", "how long to watch it", secondsArgument, 600)
		.action((flags: RollbackFlags, command: Command) =>
			inSession(run, command, (session) => rollback(session, rollbackOptions(flags))),
		);
}

function rollbackOptions(flags: RollbackFlags): RollbackOptions {
	const { to, strategy, dryRun, wait, timeout } = flags;
	return { to, strategy, dryRun: dryRun === true, wait, timeoutSeconds: timeout };
}

interface BlocksOptions {
	readonly from?: string;
	readonly to?: string;
	readonly fork: string;
	readonly limit: number;
	readonly cursor?: string;
}

function addBlocks(program: Command, run: CommandRun): void {
	program
		.command("blocks")
		.description("headers, orphaned ones too, the newest first")
		.option("--from <height>", "lowest height, inclusive", heightArgument)
		.option("--to <height>", "highest height, inclusive", heightArgument)
		.addOption(forkOption())
		.option("--limit <n>", `headers, 1 to ${LIMITS.pageSize}`, countArgument("pageSize"), 50)
		.option("--cursor <cursor>", "next page, as the page before says")
		.action((options: BlocksOptions, command: Command) =>
			inSession(run, command, (session) => blocks(session, options)),
		);
}

function forkOption(): Option {
	return new Option("--fork <which>", "which branches")
		.choices(["canonical", "orphaned", "all"])
		.default("canonical");
}
