/**
 * Environment variables as they come, and what is said of those that are wrong.
 *
 * Values that may hold a secret (keys, passwords, URLs whose path is a key) are masked.
 */
import type * as z from "zod";
import { FatalError } from "../domain/errors.ts";

/** Raw variables: process.env, or a stand-in for it. */
export type EnvironmentVariables = Readonly<Record<string, string | undefined>>;

/** One variable that is wrong. */
export interface EnvironmentProblem {
	readonly variable: string;
	/** undefined: unset. */
	readonly shown: string | undefined;
	readonly what: string;
	readonly hint: string | undefined;
}

/** The problems that the schema found, with what was set. */
export function problemsOf(error: z.ZodError, set: EnvironmentVariables): EnvironmentProblem[] {
	return error.issues.map((issue) => {
		const variable = String(issue.path[0]);
		return { variable, shown: shownValue(variable, set), what: issue.message, hint: undefined };
	});
}

/** The variables that count as set, without the blanks and line ends that env files leave around. */
export function withoutEmpty(env: EnvironmentVariables): EnvironmentVariables {
	return Object.fromEntries(
		Object.entries(env)
			.map(([name, value]) => [name, value?.trim() ?? ""] as const)
			.filter(([, value]) => value !== ""),
	);
}

/** The entries of a comma-separated list; empty ones are dropped. */
export function splitList(value: string): string[] {
	return value
		.split(",")
		.map((item) => item.trim())
		.filter((item) => item !== "");
}

const MASKS: Readonly<Record<string, (value: string) => string>> = {
	RECANT_API_KEYS: () => "***",
	EMBEDDER_API_KEY: () => "***",
	EMBEDDER: (value) => (value.includes("://") ? maskUrl(value) : value),
	WEBHOOK_URL: (value) => splitList(value).map(maskUrl).join(","),
	WEBHOOK_SECRET: () => "***",
	DATABASE_URL: maskUrl,
	REDIS_URL: maskUrl,
	LANCEDB_URI: maskUrl,
	AWS_ENDPOINT_URL: maskUrl,
	AWS_ENDPOINT_URL_S3: maskUrl,
	RECANT_RPC_URL: (value) => splitList(value).map(maskUrl).join(","),
};

function shownValue(variable: string, set: EnvironmentVariables): string | undefined {
	const value = set[variable];
	const mask = MASKS[variable];
	return value === undefined || mask === undefined ? value : mask(value);
}

/** Scheme and host; credentials, path and query may be secret. Nothing of what is no URL. */
function maskUrl(value: string): string {
	if (!value.includes("://") || !URL.canParse(value)) {
		return "***";
	}
	const { protocol, host } = new URL(value);
	return `${protocol}//${host}/***`;
}

/** One error for all problems; `fields` holds one entry a variable. */
export function configurationInvalid(problems: readonly EnvironmentProblem[]): FatalError {
	const lines = problems.map(({ variable, shown, what }) =>
		shown === undefined ? `${variable} ${what}` : `${variable}=${shown} ${what}`,
	);
	const hints = problems.flatMap(({ hint }) => (hint === undefined ? [] : [hint]));
	return new FatalError("configuration_invalid", {
		message: `the environment has ${lines.length} problem${lines.length === 1 ? "" : "s"}: ${lines.join("; ")}`,
		hint:
			hints.length === 0
				? "correct the variables named; README.md lists them all"
				: [...new Set(hints)].join("; "),
		fields: Object.fromEntries(
			[...Map.groupBy(problems, ({ variable }) => variable)].map(([variable, ofVariable]) => [
				variable,
				ofVariable.map(({ what }) => what).join("; "),
			]),
		),
	});
}
