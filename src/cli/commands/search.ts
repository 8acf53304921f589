/** `recant search`. */
import type { SearchInput } from "../../client/requests.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { coordinateLine, type Session } from "../session.ts";
import { printJson, printLine, printTable } from "../terminal.ts";
import { MEMORY_HEAD, memoryRow } from "./state.ts";

export async function search(session: Session, input: SearchInput): Promise<ExitCode> {
	const { terminal, client } = session;
	const found = await client.search(await session.chain(), input);
	if (session.json) {
		printJson(terminal, found);
		return EXIT.ok;
	}
	printLine(terminal, coordinateLine(found.at));
	const rows = found.results.map(({ memory, score }) => [score.toFixed(4), ...memoryRow(memory)]);
	printTable(terminal, ["score", ...MEMORY_HEAD], rows);
	return EXIT.ok;
}
