/**
 * The environment: the only place of Recant that reads process.env.
 *
 * An empty variable counts as unset. Every problem is collected before anything is thrown, so that
 * one start shows all there is to correct.
 */
import { BlockList, isIP, isIPv6 } from "node:net";
import { resolve } from "node:path";
import * as z from "zod";
import type { ChainId, Height, Hex } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Role } from "../domain/role.ts";
import {
	type EmbedderSettings,
	embedderProblems,
	embedderSettings,
	embedderVariables,
} from "./embedder-settings.ts";
import {
	configurationInvalid,
	type EnvironmentProblem,
	type EnvironmentVariables,
	problemsOf,
	splitList,
	withoutEmpty,
} from "./environment-problems.ts";
import { roleProblems, roleVariables } from "./roles.ts";
import { type SnapshotPlace, snapshotPlace, snapshotVariables } from "./snapshot-place.ts";
import {
	type WebhookSettings,
	webhookProblems,
	webhookSettings,
	webhookVariables,
} from "./webhook-settings.ts";

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Settings of chains/anvil.ts. The defaults are those of a local Anvil. */
export interface ExampleChainSettings {
	/** http(s):// or ws(s)://, at least one; undefined: a local Anvil is started. */
	readonly rpcUrls: readonly string[] | undefined;
	/** EIP-155 id; 31337 if unset. */
	readonly chainId: ChainId;
	/** ERC-20 contract, lower case; undefined: the chain's file decides. */
	readonly token: Hex | undefined;
	/** First block that handlers see; undefined: the chain's file decides. */
	readonly startBlock: Height | undefined;
	readonly pollIntervalMs: number;
	/** Blocks under the head that count as final where the node has no finalized tag. */
	readonly finalityDepth: number;
}

export interface Environment {
	/** In the order of ROLES, at least one. */
	readonly roles: readonly Role[];
	/** Loopback unless there are API keys. */
	readonly host: string;
	/** 0: any free port. */
	readonly port: number;
	/** Absolute path. */
	readonly dataDir: string;
	/** Absolute path. */
	readonly chainsDir: string;
	/** undefined: embedded Postgres. */
	readonly databaseUrl: string | undefined;
	/** undefined: the queue is on Postgres and working memory in the process. */
	readonly redisUrl: string | undefined;
	/** undefined: LanceDB in the data directory. */
	readonly lancedbUri: string | undefined;
	/** undefined: in the data directory. */
	readonly snapshots: SnapshotPlace | undefined;
	readonly embedder: EmbedderSettings;
	/** undefined: nobody is told of rollbacks. */
	readonly webhook: WebhookSettings | undefined;
	/** Empty: no key is asked for. */
	readonly apiKeys: readonly string[];
	readonly logLevel: LogLevel;
	readonly exampleChain: ExampleChainSettings;
}

/** A key shorter than this can be guessed within reach of the network. */
const API_KEY_MIN_LENGTH = 16;
/** Every request is compared with every key, in constant time. */
const API_KEYS_MAX = 64;
/** Every endpoint is polled; more than this is a mistake in the list. */
const RPC_URLS_MAX = 16;
/** Below 10 ms polling is a busy loop; above an hour nobody is following a chain. */
const POLL_INTERVAL_BOUNDS_MS = { min: 10, max: 3_600_000 };

function wholeNumber(bounds: { readonly min: number; readonly max: number }) {
	return z.string().transform((value, context) => {
		const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
		if (number >= bounds.min && number <= bounds.max) {
			return number;
		}
		context.addIssue(`must be a whole number from ${bounds.min} to ${bounds.max}`);
		return z.NEVER;
	});
}

function hasScheme(value: string, schemes: readonly string[]): boolean {
	return (
		URL.canParse(value) && schemes.some((scheme) => value.toLowerCase().startsWith(`${scheme}://`))
	);
}

function url(schemes: readonly string[]) {
	const wanted = schemes.map((scheme) => `${scheme}://`).join(" or ");
	return z.string().refine((value) => hasScheme(value, schemes), `must be a URL of ${wanted}`);
}

const rpcUrls = z
	.string()
	.transform(splitList)
	.superRefine((urls, context) => {
		if (urls.length < 1 || urls.length > RPC_URLS_MAX) {
			context.addIssue(`must list 1 to ${RPC_URLS_MAX} URLs, separated by commas`);
		}
		for (const [index, value] of urls.entries()) {
			if (!hasScheme(value, ["http", "https", "ws", "wss"])) {
				context.addIssue(`entry ${index + 1} must be a URL of http(s):// or ws(s)://`);
			}
		}
	});

const apiKeys = z
	.string()
	.transform(splitList)
	.superRefine((keys, context) => {
		if (keys.length < 1 || keys.length > API_KEYS_MAX) {
			context.addIssue(`must list 1 to ${API_KEYS_MAX} keys, separated by commas`);
		}
		for (const [index, key] of keys.entries()) {
			if (key.length < API_KEY_MIN_LENGTH) {
				context.addIssue(
					`key ${index + 1} has ${key.length} characters; at least ${API_KEY_MIN_LENGTH} are needed`,
				);
			}
			// A bearer token travels in a header: visible ASCII only.
			if (!/^[\x21-\x7e]+$/.test(key)) {
				context.addIssue(`key ${index + 1} must consist of visible ASCII characters`);
			}
		}
	});

const exampleChainSchema = z.object({
	RECANT_RPC_URL: rpcUrls.optional(),
	RECANT_CHAIN_ID: wholeNumber({ min: 1, max: Number.MAX_SAFE_INTEGER }).default(31_337),
	RECANT_TOKEN: z
		.string()
		.regex(/^0x[0-9a-fA-F]{40}$/, "must be an address: 0x and 40 hexadecimal digits")
		.transform((value): Hex => `0x${value.slice(2).toLowerCase()}`)
		.optional(),
	RECANT_START_BLOCK: wholeNumber({ min: 0, max: Number.MAX_SAFE_INTEGER })
		.transform((value) => BigInt(value))
		.optional(),
	RECANT_POLL_INTERVAL_MS: wholeNumber(POLL_INTERVAL_BOUNDS_MS).default(1_000),
	// The window is capped, so a deeper finality could never be followed.
	RECANT_FINALITY_DEPTH: wholeNumber({ min: 1, max: LIMITS.windowBlocks }).default(64),
});

const environmentSchema = exampleChainSchema.extend({
	RECANT_HOST: z
		.string()
		.refine(isHost, "must be an IP address (IPv6 without brackets) or a host name")
		.default("127.0.0.1"),
	RECANT_PORT: wholeNumber({ min: 0, max: 65_535 }).default(8_080),
	RECANT_DATA_DIR: z.string().default(".recant"),
	RECANT_CHAINS_DIR: z.string().default("chains"),
	DATABASE_URL: url(["postgres", "postgresql"]).optional(),
	REDIS_URL: url(["redis", "rediss"]).optional(),
	LANCEDB_URI: z.string().optional(),
	...roleVariables,
	...snapshotVariables,
	...embedderVariables,
	...webhookVariables,
	RECANT_API_KEYS: apiKeys.default([]),
	RECANT_LOG_LEVEL: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(", ")}`).default("info"),
});

/**
 * Every setting of the service, checked. `given`: what a command line says, which goes before `env`.
 *
 * @throws FatalError `configuration_invalid`, which lists every variable that is wrong, its value
 * (masked where it may be secret) and what is wrong with it.
 */
export function readEnvironment(
	env: EnvironmentVariables = process.env,
	given: EnvironmentVariables = {},
): Environment {
	const set = { ...withoutEmpty(env), ...withoutEmpty(given) };
	const parsed = environmentSchema.safeParse(set);
	const problems = [...(parsed.error === undefined ? [] : problemsOf(parsed.error, set))];
	problems.push(...embedderProblems(set), ...webhookProblems(set), ...roleProblems(set));
	const exposure = exposureProblem(set);
	if (exposure !== undefined) {
		problems.push(exposure);
	}
	if (!parsed.success || problems.length > 0) {
		throw configurationInvalid(problems);
	}
	const values = parsed.data;
	return {
		roles: values.RECANT_ROLE,
		host: values.RECANT_HOST,
		port: values.RECANT_PORT,
		dataDir: resolve(values.RECANT_DATA_DIR),
		chainsDir: resolve(values.RECANT_CHAINS_DIR),
		databaseUrl: values.DATABASE_URL,
		redisUrl: values.REDIS_URL,
		lancedbUri: values.LANCEDB_URI,
		snapshots: snapshotPlace(values),
		embedder: embedderSettings(values),
		webhook: webhookSettings(values),
		apiKeys: values.RECANT_API_KEYS,
		logLevel: values.RECANT_LOG_LEVEL,
		exampleChain: toExampleChain(values),
	};
}

/**
 * The settings of chains/anvil.ts alone, for that file itself: it is loaded by tools too, which do
 * not care for the rest of the environment.
 *
 * @throws FatalError `configuration_invalid`, see readEnvironment.
 */
export function exampleChainSettings(
	env: EnvironmentVariables = process.env,
): ExampleChainSettings {
	const set = withoutEmpty(env);
	const parsed = exampleChainSchema.safeParse(set);
	if (!parsed.success) {
		throw configurationInvalid(problemsOf(parsed.error, set));
	}
	return toExampleChain(parsed.data);
}

function toExampleChain(values: z.output<typeof exampleChainSchema>): ExampleChainSettings {
	return {
		rpcUrls: values.RECANT_RPC_URL,
		chainId: values.RECANT_CHAIN_ID,
		token: values.RECANT_TOKEN,
		startBlock: values.RECANT_START_BLOCK,
		pollIntervalMs: values.RECANT_POLL_INTERVAL_MS,
		finalityDepth: values.RECANT_FINALITY_DEPTH,
	};
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** True for 127.0.0.0/8, ::1 and `localhost`; any other name may resolve to anything. */
export function isLoopback(host: string): boolean {
	if (isIP(host) === 0) {
		return host.toLowerCase() === "localhost";
	}
	return loopback.check(host, isIPv6(host) ? "ipv6" : "ipv4");
}

function isHost(value: string): boolean {
	return isIP(value) !== 0 || /^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,251}[a-zA-Z0-9])?$/.test(value);
}

/** Told apart from the schema, so that it is found beside problems of other variables. */
function exposureProblem(set: EnvironmentVariables): EnvironmentProblem | undefined {
	const { RECANT_HOST: host, RECANT_API_KEYS: keys } = set;
	if (host === undefined || !isHost(host) || isLoopback(host) || keys !== undefined) {
		return undefined;
	}
	return {
		variable: "RECANT_HOST",
		shown: host,
		what: "is not a loopback address, and RECANT_API_KEYS is unset",
		hint: `set RECANT_API_KEYS (comma-separated, at least ${API_KEY_MIN_LENGTH} characters each), or bind 127.0.0.1`,
	};
}
