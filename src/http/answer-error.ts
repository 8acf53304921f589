/** The one place where what was thrown becomes an answer. */
import type { Context } from "hono";
import { RecantError } from "../domain/errors.ts";
import type { HttpLog } from "./openapi-app.ts";
import { type Problem, problemOf, problemResponse } from "./problem.ts";

export function answerError(error: Error, context: Context, log: HttpLog): Response {
	const problem = problemOf(error);
	if (problem.status >= 500) logProblem(error, problem, context, log);
	return problemResponse(problem, headersOf(problem));
}

/** A retryable error is the caller's to see and try again; the part that failed has logged it. */
function logProblem(error: Error, problem: Problem, context: Context, log: HttpLog): void {
	if (error instanceof RecantError && error.retryable) return;
	const { method, path } = context.req;
	log.error({ err: error, instance: problem.instance, method, path }, "a request failed");
}

function headersOf(problem: Problem): Record<string, string> {
	if (problem.code === "unauthorized") return { "www-authenticate": 'Bearer realm="recant"' };
	const { allow } = problem;
	return typeof allow === "string" ? { allow } : {};
}
