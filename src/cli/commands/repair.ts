/** `recant repair`: what mending would do, and with `--apply` mending it. */
import type { RepairAnswer, RepairOutcomeAnswer, RepairPlanAnswer } from "../../client/answers.ts";
import type { RepairInput } from "../../client/requests.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import type { Session } from "../session.ts";
import { paint, printable, printJson, printLine, printTable, type Terminal } from "../terminal.ts";

export interface RepairOptions extends RepairInput {
	readonly apply: boolean;
}

/** Outcomes of one kind that are shown; all are in the JSON. */
const SHOWN = 20;

/** Exit code 5 when something is left for a person or, without `--apply`, to be done. */
export async function repair(session: Session, options: RepairOptions): Promise<ExitCode> {
	const { terminal, client, json } = session;
	const chain = await session.chain();
	const { apply, ...asked } = options;
	const done = apply ? await client.repair(chain, asked) : await client.planRepair(chain, asked);
	if (json) printJson(terminal, done);
	else print(terminal, done);
	if ("state" in done && done.state !== "done") return EXIT.halted;
	const { planned, person } = done.counts;
	return planned + person > 0 ? EXIT.findings : EXIT.ok;
}

function print(terminal: Terminal, done: RepairAnswer | RepairPlanAnswer): void {
	const applied = "state" in done;
	const title = applied ? `repair ${done.id}: ${done.state}` : "dry run, nothing was changed";
	printLine(terminal, `${title}; findings of run ${done.runId}`);
	if (applied && done.error !== undefined) {
		printLine(terminal, `  ${printable(done.error.message)} (${done.error.code})`);
		printLine(terminal, `  hint: ${printable(done.error.hint)}`);
	}
	const { outcomes } = done;
	printTable(terminal, ["class", "status", "source", "records"], summaryOf(outcomes));
	const left = outcomes.filter(({ status }) => status === "person");
	for (const { detail, commands } of left.slice(0, SHOWN)) {
		printLine(terminal, paint(terminal, "yellow", `left for you: ${printable(detail)}`));
		for (const command of commands) printLine(terminal, `  ${printable(command)}`);
	}
	if (left.length > SHOWN) printLine(terminal, `and ${left.length - SHOWN} more; see --json`);
	if (!applied && done.counts.planned > 0) {
		printLine(terminal, "`recant repair --apply` does it");
	}
}

function summaryOf(outcomes: readonly RepairOutcomeAnswer[]): string[][] {
	const groups = Map.groupBy(outcomes, (each) => `${each.class} ${each.status} ${each.source}`);
	return [...groups].map(([name, group]) => [...name.split(" "), group.length.toString()]).sort();
}
