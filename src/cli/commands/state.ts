/** `recant state`: memories that are visible at a coordinate. */
import type { MemoryAnswer } from "../../client/answers.ts";
import type { MemoriesQuery } from "../../client/requests.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { coordinateLine, type Session } from "../session.ts";
import { printable, printJson, printLine, printTable } from "../terminal.ts";

export async function state(session: Session, query: MemoriesQuery): Promise<ExitCode> {
	const { terminal, client } = session;
	// A cursor pins its coordinate.
	const { at, ...rest } = query;
	const page = await client.memories(
		await session.chain(),
		query.cursor === undefined ? { at, ...rest } : rest,
	);
	if (session.json) {
		printJson(terminal, page);
		return EXIT.ok;
	}
	printLine(terminal, coordinateLine(page.at));
	printTable(terminal, MEMORY_HEAD, page.items.map(memoryRow));
	if (page.cursor !== undefined) printLine(terminal, `more: --cursor ${page.cursor}`);
	return EXIT.ok;
}

const MEMORY_HEAD = ["namespace", "id", "layer", "owner", "version", "since", "content"];

function memoryRow(memory: MemoryAnswer): string[] {
	return [
		printable(memory.namespace),
		printable(memory.id),
		memory.layer,
		memory.owner,
		memory.versionId,
		memory.since,
		// JSON escapes most control characters itself, but not all.
		printable(JSON.stringify(memory.content)),
	];
}
