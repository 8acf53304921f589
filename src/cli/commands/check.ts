/** `recant check`: runs a consistency check, waits for it, and shows what it found. */
import { setTimeout as sleep } from "node:timers/promises";
import type { CheckAnswer, FindingAnswer } from "../../client/answers.ts";
import { RecantApiError } from "../../client/api-error.ts";
import type { CheckInput } from "../../client/requests.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import type { Session } from "../session.ts";
import { paint, printable, printJson, printLine, printTable, type Terminal } from "../terminal.ts";

export interface CheckOptions extends CheckInput {
	/** Seconds to wait for it; it goes on after that. */
	readonly timeoutSeconds: number;
	/** Findings that are shown at most. */
	readonly findings: number;
}

const POLL_MS = 200;
/** Failed looks in a row, 2 s, before the service counts as gone. */
const MAX_FAILED_LOOKS = 10;
const PAGE = 200;

/** Exit code 5 when something above info was found, 4 when the check failed or was not done in time. */
export async function check(session: Session, options: CheckOptions): Promise<ExitCode> {
	const { terminal, client, json } = session;
	const chain = await session.chain();
	const { timeoutSeconds, findings: most, ...asked } = options;
	const started = await client.startCheck(chain, asked);
	const ended = await waitFor(session, chain, started, timeoutSeconds);
	const findings = await findingsOf(session, chain, { runId: ended.id, most });
	if (json) printJson(terminal, { run: ended, findings });
	else printRun(terminal, ended, findings);
	return exitOfCheck(ended);
}

export function exitOfCheck({ state, counts }: CheckAnswer): ExitCode {
	if (state !== "done") return EXIT.halted;
	const { warning, error, critical } = counts;
	return warning + error + critical > 0 ? EXIT.findings : EXIT.ok;
}

async function waitFor(
	{ client }: Session,
	chain: string,
	started: CheckAnswer,
	timeoutSeconds: number,
): Promise<CheckAnswer> {
	const looks = Math.ceil((timeoutSeconds * 1_000) / POLL_MS);
	let current = started;
	let failed = 0;
	for (let look = 0; look < looks && current.finishedAt === undefined; look += 1) {
		await sleep(POLL_MS);
		try {
			current = (await client.check(chain, started.id, { limit: 1 })).run;
			failed = 0;
		} catch (error) {
			failed += 1;
			const passing = error instanceof RecantApiError && error.retryable;
			if (!passing || failed >= MAX_FAILED_LOOKS) throw error;
		}
	}
	return current;
}

/** The first `most` of them. */
export async function findingsOf(
	{ client }: Session,
	chain: string,
	wanted: { readonly runId: string; readonly most: number },
): Promise<readonly FindingAnswer[]> {
	const found: FindingAnswer[] = [];
	let cursor: string | undefined;
	do {
		const limit = Math.min(PAGE, wanted.most - found.length);
		const page = await client.check(chain, wanted.runId, { limit, cursor });
		found.push(...page.findings);
		cursor = page.cursor;
	} while (cursor !== undefined && found.length < wanted.most);
	return found;
}

export function printRun(
	terminal: Terminal,
	run: CheckAnswer,
	findings: readonly FindingAnswer[],
): void {
	const { level, state, score, at, counts, error } = run;
	const where =
		at === undefined
			? ""
			: ` at height ${at.height}, generation ${at.generation}, log ${at.logPosition}`;
	const clean = state === "done" && score === 1;
	const result = score === undefined ? state : `score ${score.toFixed(4)}`;
	printLine(
		terminal,
		`check ${run.id} (${level})${where}: ${paint(terminal, clean ? "green" : "yellow", result)}`,
	);
	if (error !== undefined) {
		printLine(terminal, `  ${printable(error.message)} (${error.code})`);
		printLine(terminal, `  hint: ${printable(error.hint)}`);
	}
	if (run.finishedAt === undefined)
		printLine(terminal, `  it goes on; look again with: recant checks ${run.id}`);
	printTable(
		terminal,
		["rule", "checked", "found", "ms"],
		run.rules.map((rule) => [
			printable(rule.name),
			rule.checked.toString(),
			rule.found.toString(),
			rule.ms.toString(),
		]),
	);
	for (const finding of findings) printFinding(terminal, finding);
	const all = counts.info + counts.warning + counts.error + counts.critical;
	if (all > findings.length) printLine(terminal, `${all - findings.length} more are not shown`);
}

function printFinding(
	terminal: Terminal,
	{ severity, message, rule, since, remedy }: FindingAnswer,
): void {
	const colour = severity === "info" ? "dim" : severity === "warning" ? "yellow" : "red";
	const height = since === undefined ? "" : `, since height ${since}`;
	printLine(
		terminal,
		`${paint(terminal, colour, severity)}: ${printable(message)} (${printable(rule)}${height})`,
	);
	printLine(
		terminal,
		`  ${remedy.by === "repair" ? "mend it with" : "for a person"}: ${remedy.commands.map(printable).join("; ")}`,
	);
}
