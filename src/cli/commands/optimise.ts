/** `recant optimise`: what would go and what that would free, and with --apply dropping it. */
import type { OptimisationAnswer } from "../../client/answers.ts";
import type { OptimiseInput } from "../../client/requests.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { coordinateLine, type Session } from "../session.ts";
import { paint, printable, printJson, printLine, printTable, type Terminal } from "../terminal.ts";
import { type ApplyFlags, applyOptions } from "./restore.ts";

export async function optimise(
	session: Session,
	input: OptimiseInput,
	flags: ApplyFlags,
): Promise<ExitCode> {
	const { terminal, json } = session;
	const chain = await session.chain();
	const answer = await session.client.optimise(chain, input, applyOptions(flags));
	if (json) printJson(terminal, answer);
	else print(terminal, answer);
	return (answer.outcome?.failed ?? 0) === 0 ? EXIT.ok : EXIT.failed;
}

function print(terminal: Terminal, answer: OptimisationAnswer): void {
	if (answer.plan !== undefined) printPlan(terminal, answer.plan);
	if (answer.dryRun) printLine(terminal, "dry run: nothing was dropped; add --apply to drop it");
	printOutcome(terminal, answer);
	for (const { collection, rows, unindexedRows } of answer.refreshed ?? []) {
		const index = `${rows} rows, ${unindexedRows} not indexed`;
		printLine(terminal, `refreshed ${printable(collection)}: ${index}`);
	}
}

function printPlan(terminal: Terminal, plan: NonNullable<OptimisationAnswer["plan"]>): void {
	printLine(terminal, coordinateLine(plan.at));
	if (plan.items.length > 0) {
		printTable(
			terminal,
			["why", "layer", "id", "confidence"],
			plan.items.map(({ reason, layer, id, confidence }) => [
				reason,
				layer,
				printable(id),
				confidence?.toFixed(3) ?? "",
			]),
		);
	}
	if (plan.truncated) printLine(terminal, "only the first are listed; the counts are whole");
	const { memories, bytes, vectors } = plan.frees;
	printLine(terminal, `frees memories ${memories}, bytes ${bytes}, vectors ${vectors}`);
	for (const { collection, rows, unindexedRows } of plan.refresh ?? []) {
		const index = `${rows} rows, ${unindexedRows} not indexed`;
		printLine(terminal, `collection ${printable(collection)}: ${index}`);
	}
	if (!plan.complete) printLine(terminal, "there is more: run it again afterwards");
}

function printOutcome(terminal: Terminal, answer: OptimisationAnswer): void {
	const { outcome } = answer;
	if (outcome === undefined) return;
	if (answer.repeated) printLine(terminal, "this key was seen before; nothing was written now");
	const { applied, failed, waiting, failures } = outcome;
	printLine(terminal, `dropped ${applied}, failed ${failed}, waiting ${waiting}`);
	for (const { id, reason } of failures) {
		const why = reason === undefined ? "" : `: ${reason.message}`;
		printLine(terminal, `  ${paint(terminal, "red", printable(`${id}${why}`))}`);
	}
}
