/**
 * What a failed query means. A fault is passing unless it is known to be ours: what is taken for ours by
 * mistake halts a chain for good, what is taken for passing is tried again and shown.
 *
 * 1. An answer of the server with SQLSTATE: passing when it ends the session, since that says nothing
 *    about the query, when its class blames the server or the moment, or when the table was changed
 *    under a prepared statement; else ours.
 * 2. No answer, but an error with a code: the system's, the socket's, TLS's or the driver's word for a
 *    connection that failed. The few codes with which the driver refuses a query unsent are ours.
 * 3. An error without a code, or one of the language: a defect, unless the connection is gone, which the
 *    driver may stumble over in any way.
 */
import postgres from "postgres";
import { FatalError, RecantError, RetryableError } from "../domain/errors.ts";

/**
 * Classes of SQLSTATE in which the server or the moment is at fault: connection, rollback for
 * concurrency, resources, not in the needed state, operator's intervention, system, old snapshot,
 * Postgres' own defects and broken files.
 */
const PASSING_CLASSES: readonly string[] = ["08", "40", "53", "55", "57", "58", "72", "XX"];
/** Read-only while a standby takes over or a disk is full; sessions that idled or ran for too long. */
const PASSING_STATES: readonly string[] = ["25006", "25P03", "25P04"];
/** Codes of postgres.js for a query that it does not send, whatever the connection. */
const REFUSED_UNSENT: readonly string[] = [
	"COPY_IN_PROGRESS",
	"MAX_PARAMETERS_EXCEEDED",
	"NOT_TAGGED_CALL",
	"UNDEFINED_VALUE",
	"UNSAFE_TRANSACTION",
];
/** The language's own; Node gives them codes (ERR_INVALID_ARG_TYPE) when an argument is wrong. */
const LANGUAGE_ERRORS = [TypeError, RangeError, SyntaxError, ReferenceError];

/** `gone`: the connection that it happened on is known to be over. Ours stay as they are. */
export function asDatabaseError(error: unknown, gone: boolean): RecantError {
	if (error instanceof RecantError) return error;
	return gone || isPassing(error) ? unavailable(error) : internal(error);
}

/** Whether the connection is of no more use: it is lost, ended by the server, or in an unknown state. */
export function endsSession(error: unknown): boolean {
	if (error instanceof RecantError) return false;
	if (error instanceof postgres.PostgresError) return isLastWord(error) || isOutdated(error);
	return codeOf(error) !== undefined;
}

function isPassing(error: unknown): boolean {
	if (error instanceof postgres.PostgresError) {
		const code = codeOf(error) ?? "";
		const blamed = PASSING_CLASSES.includes(code.slice(0, 2)) || PASSING_STATES.includes(code);
		return blamed || isLastWord(error) || isOutdated(error);
	}
	const code = codeOf(error);
	if (code === undefined || REFUSED_UNSENT.includes(code)) return false;
	return !LANGUAGE_ERRORS.some((type) => error instanceof type);
}

/** After these the server closes the connection; one that shuts down (57P…) may say so as an error. */
function isLastWord(answer: postgres.PostgresError): boolean {
	// Some poolers give the severity in the older field only.
	const severity = answer.severity ?? answer.severity_local;
	return severity === "FATAL" || severity === "PANIC" || codeOf(answer)?.startsWith("57P") === true;
}

/**
 * A process of a newer version added a column meanwhile: what this session has prepared does not fit the
 * table any more, and never will. Messages are translated, the routine is not.
 */
function isOutdated(answer: postgres.PostgresError): boolean {
	return codeOf(answer) === "0A000" && answer.routine === "RevalidateCachedQuery";
}

function codeOf(error: unknown): string | undefined {
	if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
	return typeof error.code === "string" && error.code !== "" ? error.code : undefined;
}

/** The message of the innermost cause. */
export function reason(error: unknown): string {
	if (error instanceof AggregateError) return error.errors.map(reason).join("; ");
	if (error instanceof Error)
		return error.cause === undefined ? error.message : reason(error.cause);
	return String(error);
}

function unavailable(error: unknown): RetryableError {
	return new RetryableError("database_unavailable", {
		message: `Postgres did not answer: ${reason(error)}`,
		hint: "it is tried again; check the database server if this goes on",
		cause: error,
	});
}

function internal(error: unknown): FatalError {
	return new FatalError("internal", {
		message: `a query failed: ${reason(error)}`,
		hint: "this is a defect of Recant; please report it with the log",
		cause: error,
	});
}
