/** The environment of programs that call the service: the CLI, and users of the client. */

import { resolve } from "node:path";
import { FatalError } from "../domain/errors.ts";
import { type EnvironmentVariables, splitList, withoutEmpty } from "./environment-problems.ts";

export interface ClientEnvironment {
	/** Where the service answers: RECANT_URL, else made of RECANT_HOST and RECANT_PORT. */
	readonly url: string;
	/** RECANT_API_KEY, else the first of RECANT_API_KEYS. */
	readonly apiKey: string | undefined;
	/** RECANT_OTHER_API_KEY: for the replica that `recant compare` names. */
	readonly otherApiKey: string | undefined;
}

/** How the CLI shows things. */
export interface OutputEnvironment {
	/** NO_COLOR is set: nothing is coloured. */
	readonly noColor: boolean;
	/** RECANT_LOG_LEVEL is debug or trace: errors show where they come from. */
	readonly debug: boolean;
}

/** Where the chains' files lie: RECANT_CHAINS_DIR, as the service reads it. */
export function chainsDirectory(env: EnvironmentVariables = process.env): string {
	const { RECANT_CHAINS_DIR = "chains" } = withoutEmpty(env);
	return resolve(RECANT_CHAINS_DIR);
}

const DEFAULT_HOST = "127.0.0.1";
const DEFAULT_PORT = "8080";

/** Throws `configuration_invalid` for what makes no http(s) URL. */
export function readClientEnvironment(env: EnvironmentVariables = process.env): ClientEnvironment {
	const set = withoutEmpty(env);
	const { RECANT_URL, RECANT_API_KEY, RECANT_API_KEYS, RECANT_OTHER_API_KEY } = set;
	const url =
		RECANT_URL === undefined
			? serviceUrl(localUrl(set), "the URL made of RECANT_HOST and RECANT_PORT")
			: serviceUrl(RECANT_URL, "RECANT_URL");
	return {
		url,
		apiKey: RECANT_API_KEY ?? splitList(RECANT_API_KEYS ?? "")[0],
		otherApiKey: RECANT_OTHER_API_KEY,
	};
}

export function readOutputEnvironment(env: EnvironmentVariables = process.env): OutputEnvironment {
	const { NO_COLOR, RECANT_LOG_LEVEL } = withoutEmpty(env);
	return {
		noColor: NO_COLOR !== undefined,
		debug: RECANT_LOG_LEVEL === "debug" || RECANT_LOG_LEVEL === "trace",
	};
}

/** Where a service with the same environment listens. */
function localUrl({ RECANT_HOST, RECANT_PORT }: EnvironmentVariables): string {
	const host = RECANT_HOST ?? DEFAULT_HOST;
	return `http://${reachable(host)}:${RECANT_PORT ?? DEFAULT_PORT}`;
}

/** An address to connect to: the wildcard ones can only be bound. */
function reachable(host: string): string {
	if (host === "0.0.0.0") return DEFAULT_HOST;
	if (host === "::") return "[::1]";
	return host.includes(":") ? `[${host}]` : host;
}

/** Checks a base URL and takes the slash off its end. `source` says where it was set. */
export function serviceUrl(value: string, source: string): string {
	const protocol = URL.canParse(value) ? new URL(value).protocol : "";
	if (protocol === "http:" || protocol === "https:") return value.replace(/\/+$/, "");
	throw new FatalError("configuration_invalid", {
		message: `${source} is ${JSON.stringify(value)}, which is no http:// or https:// URL`,
		hint: "set it to the URL that `recant start` prints",
		fields: { source, value },
	});
}
