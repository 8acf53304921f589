/**
 * Loads chains/*.ts and checks what they export. A file exports one chain as its default, or a list.
 *
 * Every problem of every file is collected into one `FatalError("chains_file_invalid")`. A file that
 * throws while it is loaded is named with its message; its stack goes to the log only.
 */
import { readdir, readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { DEFAULT_REORG_RULES } from "../chain/branch-support.ts";
import { checkPlan } from "../consistency/check-plan.ts";
import { FatalError, RecantError } from "../domain/errors.ts";
import type { Height } from "../domain/ids.ts";
import type { ChainSpec } from "../follower/chain-spec.ts";
import type { ChainDefinition } from "../follower/define-chain.ts";
import { DEFAULT_FULL_EVERY } from "../snapshots/snapshot-plan.ts";
import { chainSchema } from "./chain-schema.ts";
import { contractSpecs, intervalSpecs } from "./contract-specs.ts";
import { declaredMemory } from "./declared-memory.ts";
import { networkSettings } from "./network-settings.ts";
import { specHash, specParts } from "./spec-parts.ts";

/** Every chain of a folder. Throws `FatalError("chains_file_invalid")`. */
export async function loadChains(folder: string): Promise<readonly ChainSpec[]> {
	const files = await chainFiles(folder);
	const specs: ChainSpec[] = [];
	const problems: RecantError[] = [];
	for (const file of files) {
		try {
			specs.push(...(await loadChainFile(join(folder, file))));
		} catch (error) {
			if (!(error instanceof RecantError)) throw error;
			problems.push(error);
		}
	}
	if (problems.length > 0) throw allOf(problems);
	assertDistinct(specs);
	return specs;
}

/** One error for all files; of a single one it is that file's own. */
function allOf(problems: readonly RecantError[]): RecantError {
	const [first, ...others] = problems;
	if (first !== undefined && others.length === 0) return first;
	const files = problems.map(({ fields }) => fields["file"]).join(", ");
	return new FatalError("chains_file_invalid", {
		message: problems.map(({ message: what }) => what).join("\n"),
		hint: [...new Set(problems.map(({ hint }) => hint))].join("; "),
		fields: { files },
		cause: problems,
	});
}

/** The chains of one file. Throws `FatalError("chains_file_invalid")`. */
export async function loadChainFile(path: string): Promise<readonly ChainSpec[]> {
	const code = await codeOf(path);
	const definitions = await exportedBy(path);
	return definitions.map((definition) => chainSpec(definition, { file: basename(path), code }));
}

/** Checks one definition. `code` goes into the handlers' hash. */
export function chainSpec(
	definition: unknown,
	from: { readonly file: string; readonly code: Uint8Array },
): ChainSpec {
	const checked = chainSchema.safeParse(definition);
	if (!checked.success) {
		const problems = checked.error.issues.map(
			(issue) => `${issue.path.join(".")}: ${issue.message}`,
		);
		throw invalid(from.file, problems.join("; "));
	}
	const chain = definition as ChainDefinition;
	const [first, ...rest] = checked.data.namespaces;
	if (first === undefined) throw invalid(from.file, "namespaces: must not be empty");
	const wrong = (problem: string) => invalid(from.file, problem);
	const startBlock: Height = chain.startBlock ?? 0n;
	const contracts = contractSpecs(chain, wrong);
	const intervals = intervalSpecs(chain, wrong);
	const registries = contracts.flatMap(({ factory }) => factory?.namespace ?? []);
	const namespaces = [first, ...rest, ...registries] as const;
	const specs = { contracts, intervals, startBlock, namespaces };
	const parts = specParts(from.code, chain, specs);
	return {
		...networkSettings(chain, wrong),
		name: chain.name,
		reorg: {
			confirmBeyondDepth: chain.reorg?.confirmBeyondDepth ?? DEFAULT_REORG_RULES.confirmBeyondDepth,
			quorum: chain.reorg?.quorum ?? DEFAULT_REORG_RULES.quorum,
			polls: chain.reorg?.polls ?? DEFAULT_REORG_RULES.polls,
		},
		startBlock,
		namespaces,
		snapshots: {
			everyBlocks: chain.snapshots?.everyBlocks,
			everyMs: chain.snapshots?.everyMs,
			fullEvery: chain.snapshots?.fullEvery ?? DEFAULT_FULL_EVERY,
			keep: chain.snapshots?.keep,
		},
		merges: new Map(Object.entries(chain.merges ?? {})),
		memory: declaredMemory(checked.data, wrong),
		consolidations: new Map(Object.entries(chain.consolidations ?? {})),
		logKeep: chain.log?.keep ?? "all",
		historyEvery: chain.history?.every === 1 ? undefined : chain.history?.every,
		consistency: checkPlan(chain.consistency ?? {}, wrong),
		contracts,
		intervals,
		handlersHash: specHash(from.code, chain, specs),
		parts,
		onHandlersChange: chain.onHandlersChange,
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

async function codeOf(path: string): Promise<Uint8Array> {
	try {
		return await readFile(path);
	} catch (error) {
		throw invalid(path, `it cannot be read: ${message(error)}`, error);
	}
}

async function exportedBy(path: string): Promise<readonly unknown[]> {
	try {
		const loaded = (await import(pathToFileURL(resolve(path)).href)) as {
			readonly default?: unknown;
		};
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
