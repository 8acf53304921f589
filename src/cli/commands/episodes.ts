/** `recant episodes`: what happened, in its order. */
import type { EpisodesQuery } from "../../client/requests.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { coordinateLine, type Session } from "../session.ts";
import { printable, printJson, printLine, printTable } from "../terminal.ts";
import { timeOf } from "../time-of.ts";

export async function episodes(session: Session, query: EpisodesQuery): Promise<ExitCode> {
	const { terminal, client } = session;
	const page = await client.episodes(await session.chain(), query);
	if (session.json) {
		printJson(terminal, page);
		return EXIT.ok;
	}
	printLine(terminal, coordinateLine(page.at));
	printTable(
		terminal,
		["height", "time", "owner", "namespace", "id", "content"],
		page.items.map(({ memory, block }) => [
			memory.since,
			block === undefined ? "-" : timeOf(block.timestamp),
			memory.owner,
			printable(memory.namespace),
			printable(memory.id),
			printable(JSON.stringify(memory.content)),
		]),
	);
	if (page.cursor !== undefined) printLine(terminal, `more: --cursor ${printable(page.cursor)}`);
	return EXIT.ok;
}
