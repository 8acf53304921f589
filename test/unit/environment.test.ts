import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { exampleChainSettings, isLoopback, readEnvironment } from "../../src/config/environment.ts";
import { FatalError } from "../../src/domain/errors.ts";

const KEY = "0123456789abcdef";

function problemOf(env: Record<string, string>): FatalError {
	try {
		readEnvironment(env);
	} catch (error) {
		if (error instanceof FatalError) {
			return error;
		}
		throw error;
	}
	throw new Error(`accepted: ${JSON.stringify(env)}`);
}

describe("readEnvironment", () => {
	it("has a default for everything", () => {
		expect(readEnvironment({})).toEqual({
			roles: ["follower", "worker", "api"],
			host: "127.0.0.1",
			port: 8080,
			dataDir: resolve(".recant"),
			chainsDir: resolve("chains"),
			databaseUrl: undefined,
			redisUrl: undefined,
			lancedbUri: undefined,
			embedder: { kind: "hashing" },
			apiKeys: [],
			logLevel: "info",
			exampleChain: {
				rpcUrls: undefined,
				chainId: 31337,
				token: undefined,
				startBlock: undefined,
				pollIntervalMs: 1000,
				finalityDepth: 64,
			},
		});
	});

	it("takes what is set", () => {
		const environment = readEnvironment({
			RECANT_HOST: "0.0.0.0",
			RECANT_PORT: "0",
			RECANT_DATA_DIR: "/srv/recant",
			RECANT_CHAINS_DIR: "/srv/chains",
			DATABASE_URL: "postgresql://me:pw@db/recant",
			REDIS_URL: "rediss://cache:6380/1",
			LANCEDB_URI: "s3://bucket/vectors",
			EMBEDDER: "hash",
			RECANT_API_KEYS: ` ${KEY} , ${KEY}2,`,
			RECANT_LOG_LEVEL: "debug",
		});
		expect(environment).toMatchObject({
			host: "0.0.0.0",
			port: 0,
			dataDir: "/srv/recant",
			chainsDir: "/srv/chains",
			databaseUrl: "postgresql://me:pw@db/recant",
			redisUrl: "rediss://cache:6380/1",
			lancedbUri: "s3://bucket/vectors",
			apiKeys: [KEY, `${KEY}2`],
			logLevel: "debug",
		});
	});

	it("takes empty and blank variables for unset, and drops blanks around values", () => {
		expect(
			readEnvironment({ DATABASE_URL: "", RECANT_PORT: "  ", RECANT_LOG_LEVEL: "warn\r" }),
		).toMatchObject({ databaseUrl: undefined, port: 8080, logLevel: "warn" });
	});

	it.each([
		["RECANT_PORT", "65536"],
		["RECANT_PORT", "-1"],
		["RECANT_PORT", "80a"],
		["RECANT_PORT", "8e3"],
		["RECANT_HOST", "[::1]"],
		["RECANT_HOST", "a b"],
		["DATABASE_URL", "mysql://db"],
		["DATABASE_URL", "localhost:5432"],
		["REDIS_URL", "http://cache"],
		["EMBEDDER", "openai"],
		["RECANT_API_KEYS", "short"],
		["RECANT_API_KEYS", ","],
		["RECANT_API_KEYS", "0123456789 abcdef"],
		["RECANT_API_KEYS", "0123456789abcdéf"],
		["RECANT_LOG_LEVEL", "verbose"],
		["RECANT_RPC_URL", "ftp://node"],
		["RECANT_RPC_URL", "http://node,nonsense"],
		["RECANT_CHAIN_ID", "0"],
		["RECANT_CHAIN_ID", "0x1"],
		["RECANT_TOKEN", "0x1234"],
		["RECANT_START_BLOCK", "-1"],
		["RECANT_POLL_INTERVAL_MS", "1"],
		["RECANT_FINALITY_DEPTH", "0"],
		["RECANT_FINALITY_DEPTH", "1025"],
	])("refuses %s=%s and names the variable", (variable, value) => {
		const error = problemOf({ [variable]: value });
		expect(error.code).toBe("configuration_invalid");
		expect(error.message).toContain(variable);
		expect(error.hint).not.toBe("");
		expect(Object.keys(error.fields)).toEqual([variable]);
	});

	it("lists every problem at once, also the one of an open host", () => {
		const error = problemOf({
			RECANT_PORT: "99999",
			EMBEDDER: "openai",
			RECANT_CHAIN_ID: "one",
			RECANT_HOST: "0.0.0.0",
		});
		expect(Object.keys(error.fields).sort()).toEqual([
			"EMBEDDER",
			"RECANT_CHAIN_ID",
			"RECANT_HOST",
			"RECANT_PORT",
		]);
		expect(error.message).toContain("RECANT_PORT=99999 must be a whole number from 0 to 65535");
		expect(error.message).toContain('supported: "hashing"');
	});

	it("shows no secret", () => {
		const error = problemOf({
			DATABASE_URL: "mysql://me:hush-1@db/recant?password=hush-2",
			REDIS_URL: "hush-3",
			RECANT_RPC_URL: "https://node.example/v2/hush-4,ftp://me:hush-5@other",
			RECANT_API_KEYS: `hush-6,${KEY}hush-7`,
		});
		const shown = JSON.stringify([error.message, error.hint, error.fields]);
		expect(shown).not.toContain("hush");
		expect(error.message).toContain("DATABASE_URL=mysql://db/***");
		expect(error.message).toContain("key 1 has 6 characters");
	});

	it.each(["0.0.0.0", "::", "192.168.0.1", "126.255.255.255", "128.0.0.1", "example.org", "127.1"])(
		"does not bind %s without API keys",
		(host) => {
			const error = problemOf({ RECANT_HOST: host });
			expect(error.hint).toContain("RECANT_API_KEYS");
			expect(readEnvironment({ RECANT_HOST: host, RECANT_API_KEYS: KEY }).host).toBe(host);
		},
	);

	it.each(["127.0.0.1", "127.255.255.254", "::1", "0:0:0:0:0:0:0:1", "localhost", "LOCALHOST"])(
		"binds %s without API keys",
		(host) => {
			expect(isLoopback(host)).toBe(true);
			expect(readEnvironment({ RECANT_HOST: host }).host).toBe(host);
		},
	);
});

describe("RECANT_ROLE", () => {
	const shared = { DATABASE_URL: "postgres://host/db", LANCEDB_URI: "/srv/lancedb" };

	it.each([
		["all", ["follower", "worker", "api"]],
		["api", ["api"]],
		[" api , follower ", ["follower", "api"]],
		["worker,worker", ["worker"]],
		["api,all", ["follower", "worker", "api"]],
	])("%j is %j", (text, roles) => {
		expect(readEnvironment({ ...shared, RECANT_ROLE: text }).roles).toEqual(roles);
	});

	it("goes after what a command line says", () => {
		const env = { ...shared, RECANT_ROLE: "api" };
		expect(readEnvironment(env, { RECANT_ROLE: "worker" }).roles).toEqual(["worker"]);
	});

	it("is refused with an unknown role, and nothing else is said of it", () => {
		expect(() => readEnvironment({ RECANT_ROLE: "api,writer" })).toThrow(
			expect.objectContaining({
				code: "configuration_invalid",
				message: expect.stringContaining("RECANT_ROLE=api,writer must list roles of follower"),
				fields: { RECANT_ROLE: expect.any(String) },
			}),
		);
	});

	it("needs all that is shared when it is a part, and lists it at once", () => {
		expect(() => readEnvironment({ RECANT_ROLE: "follower,api" })).toThrow(
			expect.objectContaining({
				code: "configuration_invalid",
				hint: expect.stringMatching(/set DATABASE_URL to .+; .*set LANCEDB_URI to .+/),
				fields: { DATABASE_URL: expect.any(String), LANCEDB_URI: expect.any(String) },
			}),
		);
		expect(readEnvironment({ RECANT_ROLE: "follower,worker,api" }).databaseUrl).toBe(undefined);
	});
});

describe("exampleChainSettings", () => {
	it("reads its own variables, whatever the others are", () => {
		expect(
			exampleChainSettings({
				RECANT_PORT: "nonsense",
				RECANT_RPC_URL: "http://a:8545, wss://b/key",
				RECANT_CHAIN_ID: "1",
				RECANT_TOKEN: "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48",
				RECANT_START_BLOCK: "0",
				RECANT_POLL_INTERVAL_MS: "250",
				RECANT_FINALITY_DEPTH: "12",
			}),
		).toEqual({
			rpcUrls: ["http://a:8545", "wss://b/key"],
			chainId: 1,
			token: "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48",
			startBlock: 0n,
			pollIntervalMs: 250,
			finalityDepth: 12,
		});
	});

	it("refuses what is wrong", () => {
		expect(() => exampleChainSettings({ RECANT_TOKEN: "USDC" })).toThrow(
			expect.objectContaining({ code: "configuration_invalid" }),
		);
	});
});
