/** `recant links <id>`: what a memory is linked with. */
import type { LinksAnswer } from "../../client/answers.ts";
import type { LinksQuery } from "../../client/requests.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { coordinateLine, type Session } from "../session.ts";
import { printable, printJson, printLine, printTable } from "../terminal.ts";

export async function links(session: Session, id: string, query: LinksQuery): Promise<ExitCode> {
	const { terminal, client } = session;
	const page = await client.links(await session.chain(), id, query);
	if (session.json) {
		printJson(terminal, page);
		return EXIT.ok;
	}
	printLine(terminal, coordinateLine(page.at));
	printTable(
		terminal,
		["", "type", "weight", "namespace", "id", "layer", "content"],
		page.items.map(rowOf),
	);
	if (page.cursor !== undefined) printLine(terminal, `more: --cursor ${printable(page.cursor)}`);
	return EXIT.ok;
}

function rowOf({ direction, link, memory }: LinksAnswer["items"][number]): string[] {
	return [
		direction === "out" ? "→" : "←",
		printable(link.type),
		link.weight.toString(),
		printable(memory.namespace),
		printable(memory.id),
		memory.layer,
		printable(JSON.stringify(memory.content)),
	];
}
