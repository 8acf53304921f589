/**
 * The whole service in the test's own process: real Postgres, real LanceDB, real Anvil, over HTTP.
 *
 * The chain is a small ledger of the example token: every Transfer makes an episodic memory
 * `transfer:{txHash}:{k}` with a text, and counts into the semantic memory `holder:{address}`.
 */
import { tokenAbi } from "../../contracts/out/token.ts";
import { type Anvil, startAnvil } from "../../scripts/support/anvil.ts";
import { makeTempDir } from "../../scripts/support/temp-dir.ts";
import { deployToken, type Token } from "../../scripts/support/token.ts";
import { chainSpec } from "../../src/config/chains.ts";
import { readEnvironment } from "../../src/config/environment.ts";
import type { Hex } from "../../src/domain/ids.ts";
import type { ChainSpec } from "../../src/follower/chain-spec.ts";
import { defineChain, type HandlerMemoryAccess } from "../../src/follower/define-chain.ts";
import { type RunningRecant, type StartOptions, startRecant } from "../../src/main.ts";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";

export const CHAIN = "anvil";
export const CHAIN_ID = 31_337;

export interface Answer {
	readonly status: number;
	readonly headers: Headers;
	/** As it came. */
	readonly text: string;
	// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
	readonly body: any;
}

export interface RunningService {
	readonly url: string;
	readonly running: RunningRecant;
	get(path: string, init?: RequestInit): Promise<Answer>;
	post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>;
	/** Under `/v1/chains/anvil`. */
	chain(path: string): Promise<Answer>;
	/** One operation or a batch. */
	write(body: unknown, headers?: Record<string, string>): Promise<Answer>;
	search(body: unknown): Promise<Answer>;
	/** Resolves when the committed head is at least at this height and the chain follows. */
	reaches(height: bigint | number): Promise<void>;
	stop(): Promise<void>;
}

/** What stays when a service is stopped and started again. */
export interface Installation {
	readonly dataDir: string;
	readonly database: TestDatabase;
	remove(): Promise<void>;
}

export async function makeInstallation(name: string): Promise<Installation> {
	const dir = makeTempDir(name);
	const database = await createTestDatabase(name);
	return {
		dataDir: dir.path,
		database,
		async remove() {
			await database.drop();
			dir.remove();
		},
	};
}

/** A node with the token at its well-known address, which was deployed in block 1. */
export async function startTokenNode(
	options: Parameters<typeof startAnvil>[0] = {},
): Promise<{ readonly anvil: Anvil; readonly token: Token }> {
	const anvil = await startAnvil(options);
	try {
		return { anvil, token: await deployToken(anvil.rpcUrl) };
	} catch (error) {
		await anvil.stop();
		throw error;
	}
}

export interface TokenChainOptions {
	readonly rpcUrl: string | readonly string[];
	readonly token: Hex;
	readonly id?: number;
	readonly name?: string;
	readonly timeoutMs?: number;
	/** Runs before the ledger's own handler. */
	readonly before?: (memory: HandlerMemoryAccess, block: bigint) => Promise<void> | void;
}

export function tokenChain(options: TokenChainOptions): ChainSpec {
	const urls = typeof options.rpcUrl === "string" ? [options.rpcUrl] : options.rpcUrl;
	const definition = defineChain({
		id: options.id ?? CHAIN_ID,
		name: options.name ?? CHAIN,
		rpc: { urls, pollIntervalMs: 30, timeoutMs: options.timeoutMs ?? 10_000 },
		namespaces: ["ledger"],
		contracts: { Token: { abi: tokenAbi, address: options.token } },
		handlers: {
			"Token:Transfer": async ({ event, block, memory }) => {
				await options.before?.(memory, block.number);
				const { from, to, value } = event.args;
				await memory.put({
					layer: "episodic",
					id: `transfer:${event.transactionHash}:${event.matchedIndex}`,
					content: { from, to, value: value.toString(), block: block.number.toString() },
					text: `${from} transferred ${value} to ${to}`,
				});
				const id = `holder:${to.toLowerCase()}`;
				const count = Number((await memory.get(id))?.content["transfers"] ?? 0);
				await memory.put({ layer: "semantic", id, content: { transfers: count + 1 } });
			},
		},
	});
	return chainSpec(definition, { file: "ledger.ts", code: Buffer.from("ledger") });
}

export interface ServiceOptions extends Omit<StartOptions, "environment"> {
	readonly installation: Installation;
	readonly chains: readonly ChainSpec[];
	/** Beside what the test needs to be on its own. */
	readonly variables?: Readonly<Record<string, string>>;
}

export async function startService(options: ServiceOptions): Promise<RunningService> {
	const { installation, variables, ...rest } = options;
	const running = await startRecant({
		...rest,
		environment: readEnvironment({
			RECANT_PORT: "0",
			RECANT_DATA_DIR: installation.dataDir,
			DATABASE_URL: installation.database.url,
			RECANT_LOG_LEVEL: "silent",
			...variables,
		}),
	});
	return serviceAt(running);
}

function serviceAt(running: RunningRecant): RunningService {
	const { url } = running;
	const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
		ask(`${url}${path}`, {
			method: "POST",
			headers: { "content-type": "application/json", ...headers },
			body: typeof body === "string" ? body : JSON.stringify(body),
		});
	const get = (path: string, init: RequestInit = {}) => ask(`${url}${path}`, init);
	const chain = (path: string) => get(`/v1/chains/${CHAIN}${path}`);
	return {
		url,
		running,
		get,
		post,
		chain,
		write: (body, headers) => post(`/v1/chains/${CHAIN}/operations`, body, headers),
		search: (body) => post(`/v1/chains/${CHAIN}/search`, body),
		reaches: (height) =>
			until(`the head to reach ${height}`, async () => {
				const { body } = await chain("");
				return body.state === "following" && BigInt(body.head?.height ?? -1) >= BigInt(height);
			}),
		stop: running.stop,
	};
}

/** Short of a test's own limit, so that the failure names the request. */
const ANSWER_MS = 45_000;

async function ask(url: string, init: RequestInit): Promise<Answer> {
	const patience = AbortSignal.timeout(ANSWER_MS);
	const { response, text } = await wholeAnswer(url, { signal: patience, ...init }).catch(
		(cause: unknown) => {
			if (!patience.aborted) throw cause;
			const { method = "GET" } = init;
			throw new Error(`${method} ${url} did not end within ${ANSWER_MS} ms`, { cause });
		},
	);
	const isJson = response.headers.get("content-type")?.includes("json") === true;
	return {
		status: response.status,
		headers: response.headers,
		text,
		body: isJson && text !== "" ? JSON.parse(text) : undefined,
	};
}

async function wholeAnswer(url: string, init: RequestInit) {
	const response = await fetch(url, init);
	return { response, text: await response.text() };
}

const UNTIL_MS = 30_000;
const LOOK_MS = 20;

/** Looks until `holds` says so; fails after 30 s, naming what was waited for. */
export async function until(
	what: string,
	holds: () => Promise<boolean> | boolean,
	timeoutMs = UNTIL_MS,
): Promise<void> {
	const deadline = performance.now() + timeoutMs;
	while (!(await holds())) {
		if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
		await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
	}
}

/** A problem as RFC 9457 has it, with code and hint and nothing of the inside. */
export function problemOf(answer: Answer): {
	readonly status: number;
	readonly code: string;
	readonly [field: string]: unknown;
} {
	const { body, text, headers } = answer;
	const whole =
		headers.get("content-type") === "application/problem+json" &&
		typeof body?.code === "string" &&
		body.status === answer.status &&
		[body.title, body.detail, body.hint].every((part) => typeof part === "string" && part !== "");
	if (!whole) throw new Error(`no problem details: ${answer.status} ${text}`);
	if (/\n\s+at |\.ts:\d+|node_modules|"stack"/.test(text)) throw new Error(`a trace: ${text}`);
	return body;
}
