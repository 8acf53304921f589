/** `recant consolidate`: runs a namespace's consolidation rules now. */
import { EXIT, type ExitCode } from "../exit-code.ts";
import { coordinateLine, type Session } from "../session.ts";
import { printable, printJson, printLine, printTable } from "../terminal.ts";

export interface ConsolidateOptions {
	readonly namespace: string;
	readonly rule?: string;
	readonly key?: string;
}

export async function consolidate(
	session: Session,
	{ namespace, rule, key }: ConsolidateOptions,
): Promise<ExitCode> {
	const { terminal, client, json } = session;
	const chain = await session.chain();
	const done = await client.consolidate(chain, { namespace, rule }, { idempotencyKey: key });
	const failed = done.operations.filter(
		({ status }) => status !== "applied" && status !== "queued",
	);
	if (json) printJson(terminal, done);
	else {
		printTable(
			terminal,
			["operation", "rule", "status", "why"],
			done.operations.map(({ operationId, id, status, reason }) => [
				operationId,
				printable(id),
				status,
				printable(reason?.message ?? ""),
			]),
		);
		if (!done.committed) printLine(terminal, "durable, not committed yet");
		if (done.at !== undefined) printLine(terminal, coordinateLine(done.at));
	}
	return failed.length === 0 ? EXIT.ok : EXIT.failed;
}
