/** The commands about layers of memory: `recant namespaces`, `recant consolidate`, `recant optimise`. */
import { type Command, InvalidArgumentError } from "commander";
import { LIMITS } from "../domain/limits.ts";
import { countArgument } from "./arguments.ts";
import { type CommandRun, inSession } from "./command-run.ts";
import { consolidate } from "./commands/consolidate.ts";
import { listNamespaces, setNamespace, showNamespace } from "./commands/namespaces.ts";
import { optimise } from "./commands/optimise.ts";

const DEFAULT_NAMESPACE = "default";

export function addLayerCommands(program: Command, run: CommandRun): void {
	addNamespaces(program, run);
	addConsolidate(program, run);
	addOptimise(program, run);
}

interface ListFlags {
	readonly limit: number;
	readonly cursor?: string;
	readonly counts?: boolean;
}

function addNamespaces(program: Command, run: CommandRun): void {
	const namespaces = program
		.command("namespaces")
		.description("namespaces of memories, and what each is told to do");
	namespaces
		.command("list", { isDefault: true })
		.description("namespaces in which something was written, or that have settings")
		.option("--counts", "count the visible memories of each layer")
		.option("--limit <n>", `namespaces, 1 to ${LIMITS.pageSize}`, countArgument("pageSize"), 50)
		.option("--cursor <cursor>", "next page, as the page before says")
		.action((flags: ListFlags, command: Command) =>
			inSession(run, command, (session) => listNamespaces(session, flags)),
		);
	namespaces
		.command("show")
		.description("the settings of a namespace")
		.argument("<namespace>", "its name")
		.action((namespace: string, _flags: object, command: Command) =>
			inSession(run, command, (session) => showNamespace(session, namespace)),
		);
	namespaces
		.command("set")
		.description("give a namespace settings in the place of those before")
		.argument("<namespace>", "its name")
		.requiredOption("--file <path>", "JSON: shortTermCapacity, policy, schemas, consolidation")
		.action((namespace: string, { file }: { readonly file: string }, command: Command) =>
			inSession(run, command, (session) => setNamespace(session, namespace, file)),
		);
}

interface ConsolidateFlags {
	readonly namespace: string;
	readonly rule?: string;
	readonly key?: string;
}

function addConsolidate(program: Command, run: CommandRun): void {
	program
		.command("consolidate")
		.description(
			"make long-term memories of short-term memories and episodes, by a namespace's rules",
		)
		.option("--namespace <namespace>", "its name", DEFAULT_NAMESPACE)
		.option("--rule <name>", "only this rule")
		.option("--key <key>", "Idempotency-Key, so that the command may be repeated")
		.action((flags: ConsolidateFlags, command: Command) =>
			inSession(run, command, (session) => consolidate(session, flags)),
		);
}

interface OptimiseFlags {
	readonly namespace: string;
	readonly expired?: boolean;
	readonly belowConfidence?: number;
	readonly unreachable?: boolean;
	readonly refresh?: boolean;
	readonly apply?: boolean;
	readonly key?: string;
}

function addOptimise(program: Command, run: CommandRun): void {
	program
		.command("optimise")
		.description("drop memories that are of no use any more; a dry run without --apply")
		.option("--namespace <namespace>", "its name", DEFAULT_NAMESPACE)
		.option("--expired", "what has ended by the clock though no block has said so yet")
		.option("--below-confidence <c>", "what is less sure by now, above 0 to 1", unitArgument)
		.option("--unreachable", "links without an end, and memories that lost all their links")
		.option("--refresh", "compact and index the chain's collections afterwards")
		.option("--apply", "do it; else only what would go is shown")
		.option("--key <key>", "Idempotency-Key, so that the command may be repeated")
		.action((flags: OptimiseFlags, command: Command) => {
			const { namespace, expired, belowConfidence, unreachable, refresh } = flags;
			const drop = { expired, belowConfidence, unreachable };
			const applied = { apply: flags.apply === true, key: flags.key };
			return inSession(run, command, (session) =>
				optimise(session, { namespace, drop, refresh }, applied),
			);
		});
}

function unitArgument(text: string): number {
	const value = Number(text);
	if (/^[0-9.]+$/.test(text) && value > 0 && value <= 1) return value;
	throw new InvalidArgumentError("must be a number above 0 up to 1.");
}
