/** The commands of snapshots: `recant snapshot create`, `list`, `verify`, `export` and `import`. */
import { type Command, Option } from "commander";
import { LIMITS } from "../domain/limits.ts";
import { countArgument, sealedAtArgument, secondsArgument } from "./arguments.ts";
import { type CommandRun, inSession } from "./command-run.ts";
import {
	createSnapshot,
	listSnapshots,
	verifySnapshot,
	type WatchOptions,
} from "./commands/snapshot.ts";
import { exportSnapshot, type ImportFlags, importSnapshot } from "./commands/snapshot-transfer.ts";
import { UsageError } from "./failure.ts";

/** A day: a state of hundreds of gigabytes. */
const WATCH_S = 86_400;

interface WatchFlags {
	readonly wait: boolean;
	readonly timeout: number;
}

export function addSnapshotCommands(program: Command, run: CommandRun): void {
	const snapshot = program
		.command("snapshot")
		.description("portable, checksummed copies of a chain's state");
	addCreate(snapshot, run);
	addList(snapshot, run);
	addVerify(snapshot, run);
	addExport(snapshot, run);
	addImport(snapshot, run);
}

function watched(command: Command): Command {
	return command
		.option("--wait", "watch it until it is verified", true)
		.option("--no-wait", "return when it is wanted")
		.option("--timeout <seconds>", "how long to watch it", secondsArgument, WATCH_S);
}

function watchOptions({ wait, timeout }: WatchFlags): WatchOptions {
	return { wait, timeoutSeconds: timeout };
}

interface CreateFlags extends WatchFlags {
	readonly at: string;
	readonly kind?: "full" | "incremental";
}

function addCreate(snapshot: Command, run: CommandRun): void {
	watched(snapshot.command("create"))
		.description("make a snapshot of a sealed coordinate, and verify it")
		.option(
			"--at <at>",
			"height, block hash, latest, safe or finalized",
			sealedAtArgument,
			"latest",
		)
		.addOption(
			new Option(
				"--kind <kind>",
				"by itself an increment where there is something to continue",
			).choices(["full", "incremental"]),
		)
		.action((flags: CreateFlags, command: Command) =>
			inSession(run, command, (session) =>
				createSnapshot(session, { at: flags.at, kind: flags.kind }, watchOptions(flags)),
			),
		);
}

interface ListFlags {
	readonly limit: number;
	readonly cursor?: string;
}

function addList(snapshot: Command, run: CommandRun): void {
	snapshot
		.command("list")
		.description("snapshots, the newest first")
		.option("--limit <n>", `snapshots, 1 to ${LIMITS.pageSize}`, countArgument("pageSize"), 50)
		.option("--cursor <cursor>", "next page, as the page before says")
		.action(({ limit, cursor }: ListFlags, command: Command) =>
			inSession(run, command, (session) => listSnapshots(session, { limit, cursor })),
		);
}

function addVerify(snapshot: Command, run: CommandRun): void {
	watched(snapshot.command("verify"))
		.description("read a snapshot back and compare it with its roots")
		.argument("<id>", "the snapshot's id")
		.action((id: string, flags: WatchFlags, command: Command) =>
			inSession(run, command, (session) => verifySnapshot(session, id, watchOptions(flags))),
		);
}

function addExport(snapshot: Command, run: CommandRun): void {
	snapshot
		.command("export")
		.description("copy a snapshot and its parents into a directory; goes on where it was")
		.argument("<id>", "the snapshot's id")
		.argument("<dir>", "directory; made if it is missing")
		.action((id: string, folder: string, _flags: object, command: Command) =>
			inSession(run, command, (session) => exportSnapshot(session, id, folder)),
		);
}

interface ImportCommandFlags extends WatchFlags {
	readonly apply?: boolean;
	readonly replace?: boolean;
	readonly dryRun?: boolean;
}

function addImport(snapshot: Command, run: CommandRun): void {
	watched(snapshot.command("import"))
		.description("bring an exported snapshot in and verify it; goes on where it was")
		.argument("<dir>", "what `recant snapshot export` wrote")
		.option("--apply", "make it the chain's state when it is verified")
		.option("--replace", "with --apply: replace state that is there")
		.option("--dry-run", "with --apply: only say what would change")
		.action((folder: string, flags: ImportCommandFlags, command: Command) => {
			const wanted = importFlags(flags);
			return inSession(run, command, (session) => importSnapshot(session, folder, wanted));
		});
}

function importFlags(flags: ImportCommandFlags): ImportFlags {
	const { apply = false, replace = false, dryRun = false } = flags;
	if (!apply && (replace || dryRun)) {
		throw new UsageError(
			`--${replace ? "replace" : "dry-run"} is only for --apply`,
			"add --apply, or leave it out: then the snapshot is stored and verified, and no state changes",
		);
	}
	return { goal: apply ? "apply" : "verify", replace, dryRun, ...watchOptions(flags) };
}
