/** `recant get`, `history`, `add`, `update` and `delete`: one memory at a time. */
import type { HistoryAnswer, MemoryAnswer, WriteAnswer } from "../../client/answers.ts";
import type {
	HistoryQuery,
	MemoryQuery,
	OperationInput,
	WriteOptions,
} from "../../client/requests.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { coordinateLine, type Session } from "../session.ts";
import { paint, printable, printJson, printLine, printTable, type Terminal } from "../terminal.ts";

export async function getMemory(
	session: Session,
	id: string,
	query: MemoryQuery,
): Promise<ExitCode> {
	const { terminal, client } = session;
	const found = await client.memory(await session.chain(), id, query);
	if (session.json) {
		printJson(terminal, found);
		return EXIT.ok;
	}
	printLine(terminal, coordinateLine(found.at));
	for (const line of linesOf(terminal, found.memory)) printLine(terminal, line);
	return EXIT.ok;
}

function linesOf(terminal: Terminal, memory: MemoryAnswer): readonly string[] {
	const { namespace, id, layer, owner, since, versionId, finality, suspect } = memory;
	const doubt = suspect ? paint(terminal, "yellow", ", suspect") : "";
	return [
		`${paint(terminal, "bold", printable(id))} in ${printable(namespace)}`,
		`${layer}, written by ${owner === "agent" ? "an agent" : "a handler"}, since ${since}, version ${versionId}`,
		`rests on what is ${finality ?? "pending"}${doubt}`,
		...(memory.text === undefined ? [] : [`text: ${printable(memory.text)}`]),
		...JSON.stringify(memory.content, undefined, 2).split("\n").map(printable),
		paint(terminal, "dim", memory.contentHash),
	];
}

export async function memoryHistory(
	session: Session,
	id: string,
	query: HistoryQuery,
): Promise<ExitCode> {
	const { terminal, client } = session;
	const page = await client.history(await session.chain(), id, query);
	if (session.json) {
		printJson(terminal, page);
		return EXIT.ok;
	}
	printTable(
		terminal,
		["", "heights", "generations", "version", "content"],
		page.items.map(spanRow),
	);
	if (page.cursor !== undefined) printLine(terminal, `more: --cursor ${printable(page.cursor)}`);
	return EXIT.ok;
}

function spanRow({
	heights,
	generations,
	memory,
	versionId,
	present,
}: HistoryAnswer["items"][number]) {
	return [
		present ? "believed" : "taken back",
		spanText(heights),
		spanText(generations),
		versionId,
		memory === undefined ? "deleted" : printable(JSON.stringify(memory.content)),
	];
}

/** The end of a span does not belong to it. */
function spanText({ from, to }: { readonly from: string; readonly to?: string }): string {
	return `${from} to ${to === undefined ? "now" : BigInt(to) - 1n}`;
}

/** Exit code 1 for an operation that was refused after it was taken in. */
export async function writeMemory(
	session: Session,
	operation: OperationInput,
	options: WriteOptions,
): Promise<ExitCode> {
	const { terminal, client, json } = session;
	const written = await client.write(await session.chain(), operation, options);
	if (json) printJson(terminal, written);
	else printWritten(terminal, written);
	const failed = written.operations.some(
		({ status }) => status !== "applied" && status !== "queued",
	);
	return failed ? EXIT.failed : EXIT.ok;
}

function printWritten(terminal: Terminal, { committed, operations, at }: WriteAnswer): void {
	for (const { kind, namespace, id, status, operationId, reason } of operations) {
		const why = reason === undefined ? "" : `: ${printable(reason.message)}`;
		const what = `${kind} of ${printable(id)} in ${printable(namespace)} is ${status}${why}`;
		printLine(terminal, `${what}  ${paint(terminal, "dim", operationId)}`);
	}
	if (!committed) printLine(terminal, "durable, not committed yet");
	if (at !== undefined) printLine(terminal, coordinateLine(at));
}
