/** What the CLI says when something fails, and how it exits. */
import { RecantApiError } from "../client/api-error.ts";
import { RecantError } from "../domain/errors.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { printable, type Terminal } from "./terminal.ts";

/** A command line that cannot be followed: exit code 2. */
export class UsageError extends Error {
	override readonly name = "UsageError";
	readonly hint: string;

	constructor(message: string, hint: string) {
		super(message);
		this.hint = hint;
	}
}

/** Prints `error: …` and `hint: …` on stderr; with `debug` where it comes from as well. */
export function reportFailure(terminal: Terminal, error: unknown, debug: boolean): ExitCode {
	const { message, hint, problems } = describe(error);
	const lines = [
		`error: ${printable(message)}`,
		...problems.map((problem) => `  ${printable(problem)}`),
		...(hint === undefined ? [] : [`hint: ${printable(hint)}`]),
	];
	terminal.stderr.write(`${lines.join("\n")}\n`);
	if (debug && error instanceof Error) terminal.stderr.write(`${traceOf(error)}\n`);
	return exitCodeOf(error);
}

interface Description {
	readonly message: string;
	readonly hint: string | undefined;
	readonly problems: readonly string[];
}

function describe(error: unknown): Description {
	if (error instanceof RecantApiError) {
		const { message, hint } = error;
		return { message: `${message} (${error.code})`, hint, problems: problemsOf(error) };
	}
	if (error instanceof RecantError) {
		const { message, hint } = error;
		return { message: `${message} (${error.code})`, hint, problems: [] };
	}
	if (error instanceof UsageError)
		return { message: error.message, hint: error.hint, problems: [] };
	return {
		message: error instanceof Error ? error.message : String(error),
		hint: "this is unexpected; RECANT_LOG_LEVEL=debug shows where it comes from",
		problems: [],
	};
}

/** Every problem of an invalid request, where there are several. */
function problemsOf({ problem }: RecantApiError): string[] {
	const { problems } = problem;
	if (!Array.isArray(problems) || problems.length < 2) return [];
	return problems.filter(isProblemEntry).map(({ path, message }) => `${path}: ${message}`);
}

function isProblemEntry(
	entry: unknown,
): entry is { readonly path: string; readonly message: string } {
	return typeof entry === "object" && entry !== null && "path" in entry && "message" in entry;
}

function exitCodeOf(error: unknown): ExitCode {
	if (error instanceof UsageError) return EXIT.usage;
	if (!(error instanceof RecantApiError)) return EXIT.failed;
	// What answers is not Recant, so Recant does not answer there.
	const silent = error.code === "unreachable" || error.code === "unexpected_answer";
	return silent ? EXIT.unreachable : EXIT.failed;
}

function traceOf(error: Error): string {
	const trace = error.stack ?? error.message;
	return error.cause instanceof Error ? `${trace}\ncaused by ${traceOf(error.cause)}` : trace;
}
