/** `recant checks`: how checks went, and one of them again. */
import type { CheckAnswer } from "../../client/answers.ts";
import type { ChecksQuery } from "../../client/requests.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import type { Session } from "../session.ts";
import { paint, printable, printJson, printLine, printTable, type Terminal } from "../terminal.ts";
import { exitOfCheck, findingsOf, printRun } from "./check.ts";

export async function listChecks(session: Session, query: ChecksQuery): Promise<ExitCode> {
	const { terminal, client, json } = session;
	const page = await client.checks(await session.chain(), query);
	if (json) {
		printJson(terminal, page);
		return EXIT.ok;
	}
	printTable(
		terminal,
		["id", "level", "cause", "finished", "height", "score", "change", "findings"],
		page.items.map((run, index) => [
			run.id,
			run.level,
			run.cause,
			run.finishedAt ?? "-",
			run.at?.height ?? "-",
			scoreOf(terminal, run),
			changeOf(run, page.items.slice(index + 1)),
			findingsIn(run),
		]),
	);
	if (page.cursor !== undefined) printLine(terminal, `more: --cursor ${printable(page.cursor)}`);
	return EXIT.ok;
}

/** Exit code as of the check itself. */
export async function showCheck(session: Session, runId: string, most: number): Promise<ExitCode> {
	const { terminal, client, json } = session;
	const chain = await session.chain();
	const { run } = await client.check(chain, runId, { limit: 1 });
	const findings = await findingsOf(session, chain, { runId, most });
	if (json) printJson(terminal, { run, findings });
	else printRun(terminal, run, findings);
	return exitOfCheck(run);
}

function scoreOf(terminal: Terminal, { score, state }: CheckAnswer): string {
	if (score === undefined) return paint(terminal, state === "failed" ? "red" : "yellow", state);
	return paint(terminal, score === 1 ? "green" : "yellow", score.toFixed(4));
}

/** Against the last one of the same level before it that has a score; `earlier`: the newest first. */
function changeOf({ level, score }: CheckAnswer, earlier: readonly CheckAnswer[]): string {
	const before = earlier.find((run) => run.level === level && run.score !== undefined)?.score;
	if (score === undefined || before === undefined) return "-";
	const change = score - before;
	if (change === 0) return "=";
	return `${change > 0 ? "+" : ""}${change.toFixed(4)}`;
}

function findingsIn({ counts }: CheckAnswer): string {
	const named = Object.entries(counts).filter(([, count]) => count > 0);
	return named.length === 0 ? "0" : named.map(([name, count]) => `${count} ${name}`).join(", ");
}
