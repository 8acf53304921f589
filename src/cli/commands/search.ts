/** `recant search`. */
import type { SearchInput } from "../../client/requests.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { coordinateLine, type Session } from "../session.ts";
import { paint, printable, printJson, printLine, printTable } from "../terminal.ts";

export async function search(session: Session, input: SearchInput): Promise<ExitCode> {
	const { terminal, client } = session;
	const found = await client.search(await session.chain(), input);
	if (session.json) {
		printJson(terminal, found);
		return EXIT.ok;
	}
	printLine(terminal, coordinateLine(found.at));
	const { complete, reason } = found.coverage;
	if (!complete) printLine(terminal, paint(terminal, "yellow", "not everything was searched"));
	if (reason !== undefined) printLine(terminal, printable(reason));
	printTable(
		terminal,
		["score", "namespace", "id", "layer", "since", "finality", "text"],
		found.results.map(({ memory, score, finality, suspect }) => [
			score.toFixed(4),
			printable(memory.namespace),
			printable(memory.id),
			memory.layer,
			memory.since,
			suspect ? paint(terminal, "yellow", "suspect") : finality,
			// What was found by a vector of its own may have none.
			printable(memory.text ?? JSON.stringify(memory.content)),
		]),
	);
	return EXIT.ok;
}
