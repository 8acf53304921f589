/** `recant ancestors <id>` and the like: what a walk along links reaches, as a tree. */
import type { WalkAnswer } from "../../client/answers.ts";
import type { WalkQuery } from "../../client/requests.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { coordinateLine, type Session } from "../session.ts";
import { paint, printable, printJson, printLine, type Terminal } from "../terminal.ts";
import { type Branch, drawTree } from "../tree-drawing.ts";

export const GRAPH_WALKS = ["ancestors", "descendants", "causes", "consequences"] as const;
export type GraphWalk = (typeof GRAPH_WALKS)[number];

export async function graph(
	session: Session,
	id: string,
	{ walk, ...query }: WalkQuery & { readonly walk: GraphWalk },
): Promise<ExitCode> {
	const { terminal } = session;
	const answer = await walked(session, id, walk, query);
	if (session.json) {
		printJson(terminal, answer);
		return EXIT.ok;
	}
	printLine(terminal, coordinateLine(answer.at));
	printLine(terminal, paint(terminal, "bold", printable(id)));
	for (const line of drawTree(branchesUnder(terminal, answer.items, ""))) printLine(terminal, line);
	if (answer.items.length === 0) printLine(terminal, `no ${walk}`);
	if (answer.truncatedBy !== undefined) {
		printLine(terminal, paint(terminal, "yellow", `there is more: ${WHY[answer.truncatedBy]}`));
	}
	return EXIT.ok;
}

const WHY = {
	depth: "further links follow; see --depth",
	nodes: "as many memories as --limit were reached",
	links: "one step meets more links than it may look at",
} as const;

async function walked(
	{ client, chain }: Session,
	id: string,
	walk: GraphWalk,
	query: WalkQuery,
): Promise<WalkAnswer> {
	const of = await chain();
	switch (walk) {
		case "ancestors":
			return client.ancestors(of, id, query);
		case "descendants":
			return client.descendants(of, id, query);
		case "causes":
			return client.causes(of, id, query);
		case "consequences":
			return client.consequences(of, id, query);
	}
}

/** What was reached right behind `way`. A way is at most as long as a walk, so it may recurse. */
function branchesUnder(
	terminal: Terminal,
	items: WalkAnswer["items"],
	way: string,
): readonly Branch[] {
	return items.flatMap(({ path, memory }) => {
		if (wayOf(path.slice(0, -1)) !== way) return [];
		const step = path.at(-1);
		const by = step === undefined ? "" : `${printable(step.type)} ${step.weight}`;
		const content = paint(terminal, "dim", printable(JSON.stringify(memory.content)));
		const text = `${by}  ${printable(memory.namespace)}/${printable(memory.id)}  ${content}`;
		return [{ text, branches: branchesUnder(terminal, items, wayOf(path)) }];
	});
}

function wayOf(path: WalkAnswer["items"][number]["path"]): string {
	return JSON.stringify(path.map(({ namespace, id }) => [namespace, id])).slice(1, -1);
}
