/** How a restore or a merge is shown: what it would write, and what became of it. */
import type { PartialPlanAnswer, PartialRestoreAnswer } from "../../client/answers.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { coordinateLine, type Session } from "../session.ts";
import { paint, printable, printJson, printLine, printTable, type Terminal } from "../terminal.ts";

/** `again`: how the command is repeated to have it written. */
export function showPartial(
	session: Session,
	answer: PartialRestoreAnswer,
	again: string,
): ExitCode {
	const { terminal, json } = session;
	if (json) printJson(terminal, answer);
	else {
		if (answer.plan !== undefined) printPlan(terminal, answer.plan);
		if (answer.dryRun) printLine(terminal, `dry run: nothing was written; ${again}`);
		printOutcome(terminal, answer);
	}
	return (answer.outcome?.failed ?? 0) === 0 ? EXIT.ok : EXIT.failed;
}

const CHANGE_COLOURS = { add: "green", change: "yellow", remove: "red" } as const;

function printPlan(terminal: Terminal, plan: PartialPlanAnswer): void {
	const { counts, items, skipped } = plan;
	printLine(terminal, `ours:    ${coordinateLine(plan.ours)}`);
	printLine(terminal, `theirs:  ${coordinateLine(plan.theirs)}`);
	if (items.length > 0) {
		printTable(
			terminal,
			["change", "namespace", "id", "layer", "now", "then"],
			items.map(({ change, namespace, id, before, after }) => [
				paint(terminal, CHANGE_COLOURS[change], change),
				printable(namespace),
				printable(id),
				layersOf(before?.layer, after?.layer),
				contentOf(before),
				contentOf(after),
			]),
		);
	}
	if (skipped.length > 0) {
		printTable(
			terminal,
			["skipped", "namespace", "id", "why"],
			skipped.map(({ reason, namespace, id, message }) => [
				reason,
				printable(namespace),
				printable(id),
				printable(message),
			]),
		);
	}
	if (plan.truncated) printLine(terminal, "only the first are listed; the counts are whole");
	const { add, change, remove, skip, operations } = counts;
	printLine(
		terminal,
		`add ${add}, change ${change}, remove ${remove}, skip ${skip}; operations: ${operations}`,
	);
}

function printOutcome(terminal: Terminal, answer: PartialRestoreAnswer): void {
	const { outcome, idempotencyKey } = answer;
	if (outcome === undefined) return;
	const { applied, failed, waiting, failures } = outcome;
	if (answer.repeated) printLine(terminal, "this key was seen before; nothing was written now");
	printLine(terminal, `applied ${applied}, failed ${failed}, waiting ${waiting}`);
	for (const { namespace, id, status, reason } of failures) {
		const why = reason === undefined ? "" : `: ${reason.message} (${reason.code})`;
		const line = `${status} ${printable(namespace)} ${printable(id)}${printable(why)}`;
		printLine(terminal, `  ${paint(terminal, "red", line)}`);
	}
	if (waiting > 0) {
		printLine(terminal, `what waits is durable; ask again with --key ${idempotencyKey}`);
	}
	if (answer.at !== undefined) printLine(terminal, coordinateLine(answer.at));
}

function layersOf(before: string | undefined, after: string | undefined): string {
	if (before === undefined || after === undefined || before === after) return before ?? after ?? "";
	return `${before} → ${after}`;
}

/** JSON escapes most control characters itself, but not all. */
function contentOf(side: { readonly content: object } | undefined): string {
	return side === undefined ? "–" : printable(JSON.stringify(side.content));
}
