/** `recant diff <from> [to]`: what differs between two coordinates, and which rollback made the difference. */
import type { DiffAnswer } from "../../client/answers.ts";
import type { DiffQuery } from "../../client/requests.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { coordinateLine, type Session } from "../session.ts";
import { paint, printable, printJson, printLine, printTable, type Terminal } from "../terminal.ts";

const COLOURS = { added: "green", changed: "yellow", removed: "red" } as const;

export async function diff(session: Session, query: DiffQuery): Promise<ExitCode> {
	const { terminal, client } = session;
	const page = await client.diff(await session.chain(), query);
	if (session.json) {
		printJson(terminal, page);
		return EXIT.ok;
	}
	printLine(terminal, `from: ${coordinateLine(page.from)}`);
	printLine(terminal, `to:   ${coordinateLine(page.to)}`);
	printTable(
		terminal,
		["change", "namespace", "id", "rollback", "before", "after"],
		page.items.map((entry) => rowOf(terminal, entry)),
	);
	if (page.cursor !== undefined) printLine(terminal, `more: --cursor ${printable(page.cursor)}`);
	return EXIT.ok;
}

function rowOf(terminal: Terminal, entry: DiffAnswer["items"][number]): string[] {
	const { change, namespace, id, cause, before, after } = entry;
	return [
		paint(terminal, COLOURS[change], change),
		printable(namespace),
		printable(id),
		cause ?? "-",
		contentOf(before),
		contentOf(after),
	];
}

function contentOf(memory: DiffAnswer["items"][number]["before"]): string {
	return memory === undefined ? "-" : printable(JSON.stringify(memory.content));
}
