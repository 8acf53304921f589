/** `recant rollbacks`: what was rolled back, and what an operator orders of one. */
import type { RollbackAnswer } from "../../client/answers.ts";
import type { PageQuery } from "../../client/requests.ts";
import type { RollbackOrder } from "../../service/rollback-view.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import type { Session } from "../session.ts";
import { paint, printable, printJson, printLine, printTable, type Terminal } from "../terminal.ts";
import { printResult, stagesOf, watch } from "./rollback.ts";

export async function listRollbacks(session: Session, query: PageQuery): Promise<ExitCode> {
	const { terminal, client, json } = session;
	const page = await client.rollbacks(await session.chain(), query);
	if (json) {
		printJson(terminal, page);
		return EXIT.ok;
	}
	if (page.items.length === 0 && page.cursor === undefined) {
		printLine(terminal, "no rollbacks");
		return EXIT.ok;
	}
	printTable(
		terminal,
		["id", "state", "cause", "back to", "from", "recorded", "stages"],
		page.items.map((rollback) => rowOf(terminal, rollback)),
	);
	if (page.cursor !== undefined) printLine(terminal, `more: --cursor ${printable(page.cursor)}`);
	return EXIT.ok;
}

function rowOf(terminal: Terminal, rollback: RollbackAnswer): string[] {
	const { id, cause, ancestor, from, createdAt } = rollback;
	return [
		id,
		stateOf(terminal, rollback),
		cause,
		ancestor.height,
		from.height,
		createdAt,
		stagesOf(rollback),
	];
}

function stateOf(terminal: Terminal, { state, paused, failedStage }: RollbackAnswer): string {
	if (paused) return paint(terminal, "yellow", `${state}, paused`);
	if (state === "failed") return paint(terminal, "red", `failed at ${failedStage ?? "?"}`);
	return state === "committed" ? paint(terminal, "green", state) : state;
}

/** Exit code 4 when it ends otherwise than committed, or not in time. */
export async function watchRollback(
	session: Session,
	id: string,
	options: { readonly timeoutSeconds: number },
): Promise<ExitCode> {
	const chain = await session.chain();
	const ended = await watch(session, chain, await session.client.rollback(chain, id), options);
	print(session, ended);
	return ended.state === "committed" ? EXIT.ok : EXIT.halted;
}

export async function orderRollback(
	session: Session,
	id: string,
	order: RollbackOrder,
): Promise<ExitCode> {
	print(session, await session.client.orderRollback(await session.chain(), id, order));
	return EXIT.ok;
}

function print({ terminal, json }: Session, rollback: RollbackAnswer): void {
	if (json) printJson(terminal, rollback);
	else printResult(terminal, rollback);
}
