/** The commands of how memories hang together: explain, links, walks along them, episodes, diff. */
import { type Command, Option } from "commander";
import { LIMITS } from "../domain/limits.ts";
import { atArgument, countArgument, heightArgument, timeArgument } from "./arguments.ts";
import { type CommandRun, inSession } from "./command-run.ts";
import { diff } from "./commands/diff.ts";
import { episodes } from "./commands/episodes.ts";
import { explain } from "./commands/explain.ts";
import { GRAPH_WALKS, type GraphWalk, graph } from "./commands/graph.ts";
import { links } from "./commands/links.ts";

const AT_HELP = "height, block hash, pending, latest, safe or finalized";
const NAMESPACE_HELP = "the memory's namespace; `default` if left out";

export function addGraphCommands(program: Command, run: CommandRun): void {
	addExplain(program, run);
	addLinks(program, run);
	for (const walk of GRAPH_WALKS) addWalk(program, run, walk);
	addEpisodes(program, run);
	addDiff(program, run);
}

interface PlaceFlags {
	readonly namespace?: string;
	readonly at?: string;
	readonly generation?: string;
}

/** Where a memory is read. */
function placed(command: Command): Command {
	return command
		.option("--namespace <namespace>", NAMESPACE_HELP)
		.option("--at <at>", AT_HELP, atArgument)
		.option("--generation <n>", "generation to read in", heightArgument);
}

function placeOf({ namespace, at, generation }: PlaceFlags) {
	return { namespace, at, generation };
}

interface ExplainFlags extends PlaceFlags {
	readonly depth?: number;
}

function addExplain(program: Command, run: CommandRun): void {
	placed(
		program
			.command("explain")
			.description("a memory's whole story: who wrote it, what it rests on, what forks did to it")
			.argument("<id>", "the memory's id"),
	)
		.option("--depth <n>", "derivations that are followed", countArgument("explainDepth"))
		.action((id: string, { depth, ...flags }: ExplainFlags, command: Command) =>
			inSession(run, command, (session) => explain(session, id, { ...placeOf(flags), depth })),
		);
}

interface LinksFlags extends PlaceFlags {
	readonly direction?: "out" | "in" | "both";
	readonly type?: readonly string[];
	readonly limit: number;
	readonly cursor?: string;
}

function addLinks(program: Command, run: CommandRun): void {
	placed(
		program
			.command("links")
			.description("what a memory is linked with")
			.argument("<id>", "the memory's id"),
	)
		.addOption(new Option("--direction <which>", "of the links").choices(["out", "in", "both"]))
		.option("--type <type...>", "types of links; all if left out")
		.option("--limit <n>", `links, 1 to ${LIMITS.pageSize}`, countArgument("pageSize"), 50)
		.option("--cursor <cursor>", "next page, as the page before says")
		.action((id: string, flags: LinksFlags, command: Command) => {
			const { direction, type: types, limit, cursor } = flags;
			const query = { ...placeOf(flags), direction, types, limit, cursor };
			return inSession(run, command, (session) => links(session, id, query));
		});
}

interface WalkFlags extends PlaceFlags {
	readonly type?: readonly string[];
	readonly depth?: number;
	readonly limit?: number;
}

const WALK_HELP: Readonly<Record<GraphWalk, string>> = {
	ancestors: "what a memory is a kind or a part of, and that in turn",
	descendants: "what is a kind or a part of a memory, and of that in turn",
	causes: "what caused an episode, and that in turn",
	consequences: "what an episode caused, and that in turn",
};

function addWalk(program: Command, run: CommandRun, walk: GraphWalk): void {
	const command = placed(
		program.command(walk).description(WALK_HELP[walk]).argument("<id>", "the memory's id"),
	)
		.option("--depth <n>", "links that are followed", countArgument("graphDepth"))
		.option("--limit <n>", `memories, 1 to ${LIMITS.graphNodes}`, countArgument("graphNodes"))
		.action((id: string, flags: WalkFlags, action: Command) => {
			const { type: types, depth, limit } = flags;
			const query = { ...placeOf(flags), walk, types, depth, limit };
			return inSession(run, action, (session) => graph(session, id, query));
		});
	if (walk === "ancestors" || walk === "descendants") {
		command.option("--type <type...>", "types of links instead of isA and partOf");
	}
}

interface EpisodesFlags extends PlaceFlags {
	readonly from?: string;
	readonly to?: string;
	readonly fromTime?: string;
	readonly toTime?: string;
	readonly newest?: boolean;
	readonly limit: number;
	readonly cursor?: string;
}

function addEpisodes(program: Command, run: CommandRun): void {
	program
		.command("episodes")
		.description("what happened, in its order")
		.option("--namespace <namespace>", "only this namespace")
		.option("--at <at>", AT_HELP, atArgument)
		.option("--generation <n>", "generation to read in", heightArgument)
		.option("--from <height>", "lowest height, inclusive", heightArgument)
		.option("--to <height>", "highest height, inclusive", heightArgument)
		.option("--from-time <time>", "earliest block's, inclusive: seconds or ISO 8601", timeArgument)
		.option("--to-time <time>", "latest block's, inclusive: seconds or ISO 8601", timeArgument)
		.option("--newest", "the newest first")
		.option("--limit <n>", `episodes, 1 to ${LIMITS.pageSize}`, countArgument("pageSize"), 50)
		.option("--cursor <cursor>", "next page, as the page before says")
		.action((flags: EpisodesFlags, command: Command) => {
			const { from, to, fromTime, toTime, newest, limit, cursor } = flags;
			const order = newest === true ? "desc" : "asc";
			const query = {
				...placeOf(flags),
				from,
				to,
				fromTime,
				toTime,
				order,
				limit,
				cursor,
			} as const;
			return inSession(run, command, (session) => episodes(session, query));
		});
}

interface DiffFlags {
	readonly fromGeneration?: string;
	readonly toGeneration?: string;
	readonly namespace?: string;
	readonly limit: number;
	readonly cursor?: string;
}

function addDiff(program: Command, run: CommandRun): void {
	program
		.command("diff")
		.description("what differs between two coordinates, and which rollback made the difference")
		.argument("<from>", AT_HELP, atArgument)
		.argument("[to]", `${AT_HELP}; pending if left out`, atArgument)
		.option("--from-generation <n>", "generation of the first", heightArgument)
		.option("--to-generation <n>", "generation of the second", heightArgument)
		.option("--namespace <namespace>", "only this namespace")
		.option("--limit <n>", `differences, 1 to ${LIMITS.diffPage}`, countArgument("diffPage"), 100)
		.option("--cursor <cursor>", "next page, as the page before says")
		.action((from: string, to: string | undefined, flags: DiffFlags, command: Command) => {
			const { fromGeneration, toGeneration, namespace, limit, cursor } = flags;
			const query = { from, to, fromGeneration, toGeneration, namespace, limit, cursor };
			return inSession(run, command, (session) => diff(session, query));
		});
}
