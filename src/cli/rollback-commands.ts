/** `recant rollbacks` on the command line. */
import type { Command } from "commander";
import { LIMITS } from "../domain/limits.ts";
import type { RollbackOrder } from "../service/rollback-view.ts";
import { countArgument, secondsArgument } from "./arguments.ts";
import { type CommandRun, inSession } from "./command-run.ts";
import { listRollbacks, orderRollback, watchRollback } from "./commands/rollbacks.ts";

interface ListFlags {
	readonly limit: number;
	readonly cursor?: string;
}

const ORDERS: Readonly<Record<RollbackOrder, string>> = {
	pause: "have it wait before its next stage; the chain goes on serving what it has",
	resume: "let one that is paused go on",
	cancel: "end one that was asked for by hand",
	retry: "try one that failed again, from the stage at which it did where that can be",
	abandon: "give one that failed up; a chain that stands on it looks at the fork anew",
};

export function addRollbacksCommands(program: Command, run: CommandRun): void {
	const rollbacks = program
		.command("rollbacks")
		.description("what was rolled back; and hold, end or mend what is under way");
	rollbacks
		.command("list")
		.description("rollbacks, the newest first, with the time of each stage")
		.option("--limit <n>", `rollbacks, 1 to ${LIMITS.pageSize}`, countArgument("pageSize"), 50)
		.option("--cursor <cursor>", "next page, as the page before says")
		.action((flags: ListFlags, command: Command) =>
			inSession(run, command, (session) => listRollbacks(session, flags)),
		);
	rollbacks
		.command("watch")
		.description("watch one until it ends")
		.argument("<id>", "the rollback's id")
		.option("--timeout <seconds>", "how long to watch it", secondsArgument, 600)
		.action((id: string, { timeout }: { readonly timeout: number }, command: Command) =>
			inSession(run, command, (session) => watchRollback(session, id, { timeoutSeconds: timeout })),
		);
	for (const order of Object.keys(ORDERS) as RollbackOrder[]) addOrder(rollbacks, run, order);
}

function addOrder(rollbacks: Command, run: CommandRun, order: RollbackOrder): void {
	rollbacks
		.command(order)
		.description(ORDERS[order])
		.argument("<id>", "the rollback's id, see `recant rollbacks list`")
		.action((id: string, _flags: object, command: Command) =>
			inSession(run, command, (session) => orderRollback(session, id, order)),
		);
}
