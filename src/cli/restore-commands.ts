/** The commands that bring part of the state back: `recant restore` and `recant merge`. */
import { type Command, Option } from "commander";
import type { MergeChoice } from "../client/requests.ts";
import { atArgument, heightArgument, layerArgument } from "./arguments.ts";
import { type CommandRun, inSession } from "./command-run.ts";
import { merge, ruleOf } from "./commands/merge.ts";
import { type ApplyFlags, restore } from "./commands/restore.ts";

const AT_HELP = "height, block hash (an orphaned one too), pending, latest, safe or finalized";
const GENERATION_HELP = "generation, where it is not the present one";

interface SharedFlags {
	readonly namespace: readonly string[];
	readonly layer: readonly string[];
	readonly apply?: boolean;
	readonly key?: string;
}

export function addRestoreCommands(program: Command, run: CommandRun): void {
	addRestore(program, run);
	addMerge(program, run);
}

interface RestoreFlags extends SharedFlags {
	readonly to: string;
	readonly generation?: string;
	readonly collection: readonly string[];
}

function addRestore(program: Command, run: CommandRun): void {
	const command = program
		.command("restore")
		.description("bring agents' memories back to what they said; a dry run without --apply")
		.requiredOption("--to <at>", AT_HELP, atArgument)
		.option("--generation <generation>", GENERATION_HELP, heightArgument);
	shared(command)
		.option("--collection <name...>", "only memories in these collections, then or now", listed, [])
		.action((flags: RestoreFlags, given: Command) => {
			const { to, generation, collection } = flags;
			const input = { to, generation, ...selectionOf(flags), collections: named(collection) };
			return inSession(run, given, (session) => restore(session, input, applyFlags(flags)));
		});
}

interface MergeFlags extends SharedFlags {
	readonly ours?: string;
	readonly oursGeneration?: string;
	readonly theirs: string;
	readonly theirsGeneration?: string;
	readonly rule: string;
	readonly field: readonly string[];
	readonly otherwise?: MergeChoice;
}

function addMerge(program: Command, run: CommandRun): void {
	const command = program
		.command("merge")
		.description("merge what two coordinates say of agents' memories; a dry run without --apply")
		.requiredOption("--theirs <at>", AT_HELP, atArgument)
		.option("--theirs-generation <generation>", GENERATION_HELP, heightArgument)
		.option("--ours <at>", `${AT_HELP}; pending if left out`, atArgument)
		.option("--ours-generation <generation>", GENERATION_HELP, heightArgument)
		.requiredOption("--rule <rule>", "latest, ours, theirs, field, or function:<name>")
		.option("--field <name=side...>", "with --rule field: ours, theirs or latest", listed, [])
		.addOption(
			new Option("--otherwise <side>", "with --rule field: for all else; ours if left out").choices(
				["ours", "theirs", "latest"],
			),
		);
	shared(command).action((flags: MergeFlags, given: Command) => {
		const { ours, oursGeneration, theirs, theirsGeneration, otherwise } = flags;
		return inSession(run, given, (session) => {
			const rule = ruleOf({ rule: flags.rule, field: flags.field, otherwise });
			const places = { ours, oursGeneration, theirs, theirsGeneration };
			return merge(session, { ...places, rule, ...selectionOf(flags) }, applyFlags(flags));
		});
	});
}

function shared(command: Command): Command {
	return command
		.option("--namespace <namespace...>", "only these namespaces", listed, [])
		.option("--layer <layer...>", "only memories in these layers, then or now", listedLayer, [])
		.option("--apply", "write it; else only what would be written is shown")
		.option("--key <key>", "Idempotency-Key, so that the command may be repeated");
}

function listed(text: string, before: readonly string[]): readonly string[] {
	return [...before, text];
}

function listedLayer(text: string, before: readonly string[]): readonly string[] {
	return [...before, layerArgument(text)];
}

function selectionOf({ namespace, layer }: SharedFlags) {
	return { namespaces: named(namespace), layers: named(layer) };
}

/** No flag is no filter. */
function named(list: readonly string[]): readonly string[] | undefined {
	return list.length === 0 ? undefined : list;
}

function applyFlags({ apply, key }: SharedFlags): ApplyFlags {
	return { apply: apply === true, key };
}
