/**
 * Loads chains/*.ts and checks what they export. A file exports one chain as its default, or a list.
 *
 * Every problem of every file is collected into one `FatalError("chains_file_invalid")`. A file that
 * throws while it is loaded is named with its message; its stack goes to the log only.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as z from "zod";
import { checkPlan } from "../consistency/check-plan.ts";
import { LEVELS, SEVERITIES } from "../consistency/finding.ts";
import { FatalError, RecantError } from "../domain/errors.ts";
import type { Height } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { ChainSpec } from "../follower/chain-spec.ts";
import type { ChainDefinition } from "../follower/define-chain.ts";
import { settingsForm } from "../memory/settings-form.ts";
import { DEFAULT_FULL_EVERY } from "../snapshots/snapshot-plan.ts";
import { declaredMemory } from "./declared-memory.ts";
import { eventHandlers } from "./event-handlers.ts";

const DEFAULT_POLL_INTERVAL_MS = 1_000;
const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_FINALITY_DEPTH = 64;
/** Ten years of one-second blocks; more than that is a mistake in the number. */
const MOST_BLOCKS = 315_360_000;
/** Below a second a snapshot would follow the other; above a year nobody means it. */
const LEAST_SNAPSHOT_MS = 1_000;
const MOST_SNAPSHOT_MS = 365 * 24 * 3_600_000;

/** It is typed on a command line, and stands in requests. */
const MERGE_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/, "must be an address");
/** 0: never. More often than each second nobody reads the results; setTimeout bounds the rest. */
const everyMs = z.union([z.literal(0), z.int().min(1_000).max(2_147_483_647)], {
	error: "must be 0, or milliseconds from 1000",
});
const ruleSchema = z.looseObject({
	kind: z.enum(["scan", "memories"]),
	name: z.string().regex(/^[a-z][a-z0-9-]{0,63}$/, "must be in kebab-case"),
	level: z.enum(LEVELS),
	severity: z.enum(SEVERITIES),
	compares: z.string().min(1),
});
const definitionSchema = z.strictObject({
	id: z.int().positive(),
	name: z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, "must be letters, digits, '-' and '_'"),
	rpc: z.strictObject({
		urls: z
			.array(z.string().regex(/^(https?|wss?):\/\/./, "must be a URL of http(s):// or ws(s)://"))
			.min(1)
			.max(16),
		pollIntervalMs: z.int().min(10).max(3_600_000).optional(),
		timeoutMs: z.int().min(100).max(600_000).optional(),
	}),
	finality: z
		.strictObject({ depthBlocks: z.int().min(1).max(LIMITS.windowBlocks).optional() })
		.optional(),
	startBlock: z.bigint().nonnegative().optional(),
	snapshots: z
		.strictObject({
			everyBlocks: z.int().min(1).max(MOST_BLOCKS).optional(),
			everyMs: z.int().min(LEAST_SNAPSHOT_MS).max(MOST_SNAPSHOT_MS).optional(),
			fullEvery: z.int().min(0).max(LIMITS.snapshotParents).optional(),
			keep: z.int().min(1).max(LIMITS.snapshotHistory).optional(),
		})
		.optional(),
	merges: z
		.record(
			z.string().regex(MERGE_NAME, "must be letters, digits, '-' and '_'"),
			z.custom((value) => typeof value === "function", "must be a function"),
		)
		.optional(),
	memory: z.record(z.string().min(1).max(LIMITS.namespaceLength), settingsForm).optional(),
	consolidations: z
		.record(
			z.string().regex(MERGE_NAME, "must be letters, digits, '-' and '_'"),
			z.custom((value) => typeof value === "function", "must be a function"),
		)
		.optional(),
	log: z.strictObject({ keep: z.enum(["all", "sinceSnapshot"]).optional() }).optional(),
	consistency: z
		.strictObject({
			basicEveryMs: everyMs.optional(),
			fullEveryMs: everyMs.optional(),
			readBudgetRowsPerSecond: z.int().min(100).max(LIMITS.readRowsPerSecond).optional(),
			rules: z.array(ruleSchema).max(LIMITS.ownRules).optional(),
		})
		.optional(),
	namespaces: z.array(z.string().min(1).max(LIMITS.namespaceLength)).min(1),
	contracts: z.record(
		z.string(),
		z.strictObject({
			abi: z.array(z.looseObject({ type: z.string() })),
			address: z.union([address, z.array(address).min(1)]),
		}),
	),
	handlers: z.record(
		z.string(),
		z.custom((value) => typeof value === "function", "must be a function"),
	),
});

/** Every chain of a folder. Throws `FatalError("chains_file_invalid")`. */
export async function loadChains(folder: string): Promise<readonly ChainSpec[]> {
	const files = await chainFiles(folder);
	const specs: ChainSpec[] = [];
	for (const file of files) {
		const path = join(folder, file);
		const code = await readFile(path);
		for (const definition of await exportedBy(path)) {
			specs.push(chainSpec(definition, { file, code }));
		}
	}
	assertDistinct(specs);
	return specs;
}

/** Checks one definition. `code` goes into the handlers' hash. */
export function chainSpec(
	definition: unknown,
	from: { readonly file: string; readonly code: Uint8Array },
): ChainSpec {
	const checked = definitionSchema.safeParse(definition);
	if (!checked.success) {
		const problems = checked.error.issues.map(
			(issue) => `${issue.path.join(".")}: ${issue.message}`,
		);
		throw invalid(from.file, problems.join("; "));
	}
	const chain = definition as ChainDefinition;
	const [first, ...rest] = checked.data.namespaces;
	if (first === undefined) throw invalid(from.file, "namespaces: must not be empty");
	const handlers = eventHandlers(chain, (problem) => invalid(from.file, problem));
	const startBlock: Height = chain.startBlock ?? 0n;
	return {
		id: chain.id,
		name: chain.name,
		rpc: {
			urls: chain.rpc.urls,
			pollIntervalMs: chain.rpc.pollIntervalMs ?? DEFAULT_POLL_INTERVAL_MS,
			timeoutMs: chain.rpc.timeoutMs ?? DEFAULT_TIMEOUT_MS,
		},
		finalityDepthBlocks: chain.finality?.depthBlocks ?? DEFAULT_FINALITY_DEPTH,
		startBlock,
		namespaces: [first, ...rest],
		snapshots: {
			everyBlocks: chain.snapshots?.everyBlocks,
			everyMs: chain.snapshots?.everyMs,
			fullEvery: chain.snapshots?.fullEvery ?? DEFAULT_FULL_EVERY,
			keep: chain.snapshots?.keep,
		},
		merges: new Map(Object.entries(chain.merges ?? {})),
		memory: declaredMemory(checked.data, (problem) => invalid(from.file, problem)),
		consolidations: new Map(Object.entries(chain.consolidations ?? {})),
		logKeep: chain.log?.keep ?? "all",
		consistency: checkPlan(chain.consistency ?? {}, (problem) => invalid(from.file, problem)),
		filter: handlers.filter,
		handlerOf: handlers.handlerOf,
		handlersHash: `0x${createHash("sha256")
			.update(from.code)
			.update(JSON.stringify([handlers.filter, startBlock.toString(), checked.data.namespaces]))
			.digest("hex")}`,
	};
}

async function chainFiles(folder: string): Promise<readonly string[]> {
	let names: string[];
	try {
		names = await readdir(folder);
	} catch (error) {
		throw new FatalError("chains_file_invalid", {
			message: `the folder of chains ${folder} cannot be read: ${message(error)}`,
			hint: "create it with one file a chain, or set RECANT_CHAINS_DIR",
			fields: { folder },
			cause: error,
		});
	}
	const files = names
		.filter((name) => /\.(ts|js|mjs)$/.test(name) && !name.endsWith(".d.ts"))
		.sort();
	if (files.length > 0) return files;
	throw new FatalError("chains_file_invalid", {
		message: `the folder of chains ${folder} holds no .ts or .js file`,
		hint: "write one with defineChain; chains/anvil.ts is an example",
		fields: { folder },
	});
}

async function exportedBy(path: string): Promise<readonly unknown[]> {
	try {
		const loaded = (await import(pathToFileURL(path).href)) as { readonly default?: unknown };
		if (loaded.default === undefined) {
			throw invalid(path, "it has no default export; export the result of defineChain");
		}
		return Array.isArray(loaded.default) ? loaded.default : [loaded.default];
	} catch (error) {
		if (error instanceof RecantError) throw error;
		throw invalid(path, `it threw while it was loaded: ${message(error)}`, error);
	}
}

function assertDistinct(specs: readonly ChainSpec[]): void {
	for (const [index, spec] of specs.entries()) {
		const twin = specs
			.slice(0, index)
			.find((each) => each.id === spec.id || each.name === spec.name);
		if (twin === undefined) continue;
		throw invalid(
			spec.name,
			`chains "${twin.name}" (${twin.id}) and "${spec.name}" (${spec.id}) collide`,
		);
	}
}

function invalid(file: string, problem: string, cause?: unknown): FatalError {
	return new FatalError("chains_file_invalid", {
		message: `${file}: ${problem}`,
		hint: "correct the chain's file; chains/anvil.ts is an example",
		fields: { file },
		cause,
	});
}

function message(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}
