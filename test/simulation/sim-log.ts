/** Where a simulated process says what happened: its errors go into the trace, the rest where it is wanted. */
import type { Logger } from "../../src/domain/logger.ts";
import type { Trace } from "./trace.ts";

/** `whole`: every line with its fields; a trace with them is another one. */
export function simLog(process: string, trace: Trace, whole: boolean): Logger {
	const say = (level: string) => (fields: Record<string, unknown>, message: string) => {
		if (whole) trace.note(`${process} ${level}: ${message} ${shown(fields)}`);
		else if (level === "error") trace.note(`${process} ${level}: ${message}`);
	};
	const log: Logger = {
		debug: say("debug"),
		info: say("info"),
		warn: say("warn"),
		error: say("error"),
		child: () => log,
	};
	return log;
}

function shown({ err, ...fields }: Record<string, unknown>): string {
	const text = JSON.stringify(fields, (_key, value: unknown) =>
		typeof value === "bigint" ? value.toString() : value,
	);
	return err === undefined ? text : `${text} ${readable(err)}`;
}

/** With its causes. */
export function readable(error: unknown): string {
	if (!(error instanceof Error)) return String(error);
	const cause = error.cause === undefined ? "" : `\ncause: ${readable(error.cause)}`;
	return `${error.stack ?? error.message}${cause}`;
}
