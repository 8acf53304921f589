/** `recant blocks`: headers, orphaned ones too. */
import type { BlocksAnswer } from "../../client/answers.ts";
import type { BlocksQuery } from "../../client/requests.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import type { Session } from "../session.ts";
import { paint, printJson, printLine, printTable } from "../terminal.ts";
import { timeOf } from "../time-of.ts";

export async function blocks(session: Session, query: BlocksQuery): Promise<ExitCode> {
	const { terminal, client } = session;
	const page = await client.blocks(await session.chain(), query);
	if (session.json) {
		printJson(terminal, page);
		return EXIT.ok;
	}
	printTable(
		terminal,
		["height", "finality", "generations", "time", "hash"],
		page.items.map(({ height, finality, generations, timestamp, hash }) => [
			height,
			finality === "orphaned" ? paint(terminal, "yellow", finality) : finality,
			generationsOf(generations),
			timeOf(timestamp),
			hash,
		]),
	);
	if (page.cursor !== undefined) printLine(terminal, `more: --cursor ${page.cursor}`);
	return EXIT.ok;
}

/** Those in which the block was canonical, both ends inclusive. */
function generationsOf({ from, to }: BlocksAnswer["items"][number]["generations"]): string {
	if (to === undefined) return `${from} to now`;
	const last = BigInt(to) - 1n;
	return last === BigInt(from) ? from : `${from} to ${last}`;
}
