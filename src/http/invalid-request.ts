/**
 * A request that does not fit its schema: every problem with its path, and past a limit the limit's
 * name, the value and the largest that is allowed.
 */
import type { z } from "zod";
import { FatalError, type RequestProblem } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";

export type LimitName = keyof typeof LIMITS;

/** Problems that one answer lists: a batch of 1,000 bad operations would drown the first. */
export const LISTED_PROBLEMS = 100;

export class InvalidRequest extends FatalError {
	constructor(problems: readonly RequestProblem[]) {
		super("invalid_request", {
			message: summary(problems),
			hint: "correct what `problems` names; /docs lists every field with its bounds",
			fields: { problemCount: problems.length },
			problems: problems.slice(0, LISTED_PROBLEMS),
		});
	}
}

function summary(problems: readonly RequestProblem[]): string {
	const [first, ...others] = problems;
	if (first === undefined) return "the request is not valid";
	const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
	return `${first.path}: ${first.message}${more}`;
}

interface Excess {
	readonly limit: LimitName;
	readonly value: number;
	readonly message: string;
}

/** The typed error for a value past a limit; `problems`: every one, where there are several. */
export function limitExceeded(
	path: string,
	excess: Excess,
	problems: readonly RequestProblem[] = [],
): FatalError {
	const max = LIMITS[excess.limit];
	const message = `${path}: ${excess.message}`;
	return new FatalError("limit_exceeded", {
		message: problems.length < 2 ? message : `${message} (and ${problems.length - 1} more)`,
		hint: `stay within ${max} (limit ${excess.limit}), or split the request`,
		fields: { limit: excess.limit, value: excess.value, max, path },
		problems: problems.length < 2 ? [] : problems.slice(0, LISTED_PROBLEMS),
	});
}

/** Adds a problem that, when nothing else is wrong, is answered as `limit_exceeded`. */
export function addExcess(context: z.RefinementCtx, excess: Excess): void {
	context.addIssue({
		code: "custom",
		message: excess.message,
		params: { limit: excess.limit, value: excess.value },
	});
}

/** What is wrong with a request: `limit_exceeded` if only limits are passed, else `invalid_request`. */
export function requestError(root: string, error: z.ZodError): FatalError {
	const issues = error.issues;
	const [first] = issues;
	const excess = first === undefined ? undefined : excessOf(first);
	if (
		first !== undefined &&
		excess !== undefined &&
		issues.every((issue) => excessOf(issue) !== undefined)
	) {
		const problems = issues.flatMap((issue) => problemsOf(root, issue));
		return limitExceeded(pathOf(root, first.path), excess, problems);
	}
	return new InvalidRequest(issues.flatMap((issue) => problemsOf(root, issue)));
}

function excessOf(issue: z.core.$ZodIssue): Excess | undefined {
	if (issue.code !== "custom") return undefined;
	const { limit, value }: Record<string, unknown> = issue.params ?? {};
	if (typeof limit !== "string" || typeof value !== "number" || !isLimitName(limit)) {
		return undefined;
	}
	return { limit, value, message: issue.message };
}

function isLimitName(name: string): name is LimitName {
	return Object.hasOwn(LIMITS, name);
}

function problemsOf(root: string, issue: z.core.$ZodIssue): RequestProblem[] {
	if (issue.code === "unrecognized_keys") {
		return issue.keys.map((key) => ({
			path: pathOf(root, [...issue.path, key]),
			message: "no such field",
		}));
	}
	return [{ path: pathOf(root, issue.path), message: issue.message }];
}

/** `["operations", 3, "layer"]` under `body` → `body.operations[3].layer`. */
export function pathOf(root: string, path: readonly PropertyKey[]): string {
	return path.reduce<string>(
		(text, part) => (typeof part === "number" ? `${text}[${part}]` : `${text}.${String(part)}`),
		root,
	);
}
