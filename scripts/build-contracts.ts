/**
 * Compiles contracts/src/*.sol and writes each contract's ABI and bytecode as a module in contracts/out,
 * which is checked in. With `--check` it writes nothing and fails when a file is not what it would write.
 *
 * The settings are those of contracts/foundry.toml; the output depends on nothing else.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import solc from "solc";
import { reportToolError } from "./support/report-tool-error.ts";
import { ToolError } from "./support/tool-error.ts";

interface Target {
	/** The contract's own name. */
	readonly contract: string;
	/** File below contracts/src; default: the contract's name. */
	readonly source?: string;
	/** Below contracts/out. */
	readonly module: string;
	/** What the module's exports begin with. */
	readonly prefix: string;
}

const TARGETS: readonly Target[] = [
	{ contract: "Token", module: "token.ts", prefix: "token" },
	{ contract: "Pool", module: "pool.ts", prefix: "pool" },
	{ contract: "PoolFactory", source: "Pool", module: "pool-factory.ts", prefix: "poolFactory" },
	{
		contract: "StateProofVerifier",
		module: "state-proof-verifier.ts",
		prefix: "stateProofVerifier",
	},
];

interface CompilerOutput {
	readonly errors?: readonly { readonly severity: string; readonly formattedMessage: string }[];
	readonly contracts?: Readonly<
		Record<
			string,
			Readonly<
				Record<
					string,
					{
						readonly abi: readonly unknown[];
						readonly evm: { readonly bytecode: { readonly object: string } };
					}
				>
			>
		>
	>;
}

function main(): void {
	const settings = readSettings();
	const check = process.argv.includes("--check");
	for (const target of TARGETS) {
		const built = moduleText(target, compile(target, settings));
		if (check) checkOutput(target, built);
		else writeOutput(target, built);
	}
}

function writeOutput(target: Target, built: string): void {
	writeFileSync(contractsFile(outputOf(target)), built);
	console.log(`contracts: wrote contracts/${outputOf(target)}`);
}

function checkOutput(target: Target, built: string): void {
	const output = contractsFile(outputOf(target));
	if (!existsSync(output) || readFileSync(output, "utf8") !== built) {
		throw new ToolError("output_outdated", {
			message: `contracts/${outputOf(target)} is not what contracts/${sourceOf(target)} compiles to`,
			hint: "run npm run contracts:build and commit the result",
		});
	}
	console.log(`contracts: contracts/${outputOf(target)} is current`);
}

function compile(target: Target, settings: ReadonlyMap<string, string>): CompilerOutput {
	const wanted = setting(settings, "solc_version");
	if (!solc.version().startsWith(`${wanted}+`)) {
		throw invalid(`foundry.toml asks for solc ${wanted}, installed is ${solc.version()}`);
	}
	const source = sourceOf(target);
	const input = {
		language: "Solidity",
		sources: { [source]: { content: readFileSync(contractsFile(source), "utf8") } },
		settings: {
			evmVersion: setting(settings, "evm_version"),
			optimizer: {
				enabled: setting(settings, "optimizer") === "true",
				runs: Number(setting(settings, "optimizer_runs")),
			},
			metadata: {
				bytecodeHash: setting(settings, "bytecode_hash"),
				appendCBOR: setting(settings, "cbor_metadata") === "true",
			},
			outputSelection: { [source]: { [target.contract]: ["abi", "evm.bytecode.object"] } },
		},
	};
	return JSON.parse(solc.compile(JSON.stringify(input))) as CompilerOutput;
}

/** Warnings count as errors: the files are small enough to have none. */
function moduleText(target: Target, output: CompilerOutput): string {
	const contract = output.contracts?.[sourceOf(target)]?.[target.contract];
	const messages = (output.errors ?? []).map((error) => error.formattedMessage);
	if (contract === undefined || messages.length > 0) throw invalid(messages.join("\n"));
	const { prefix } = target;
	return [
		`// Built from contracts/${sourceOf(target)} by npm run contracts:build; do not edit.`,
		"",
		`export const ${prefix}Abi = ${JSON.stringify(contract.abi, undefined, "\t")} as const;`,
		"",
		`export const ${prefix}Bytecode = "0x${contract.evm.bytecode.object}" as const;`,
		"",
	].join("\n");
}

function sourceOf({ contract, source }: Target): string {
	return `src/${source ?? contract}.sol`;
}

function outputOf({ module }: Target): string {
	return `out/${module}`;
}

/** The `key = value` lines of foundry.toml, which has one section and no nested values. */
function readSettings(): ReadonlyMap<string, string> {
	const lines = readFileSync(contractsFile("foundry.toml"), "utf8").matchAll(
		/^(\w+) = "?([^"\n]*)"?$/gm,
	);
	return new Map(Array.from(lines, ([, key = "", value = ""]) => [key, value]));
}

function setting(settings: ReadonlyMap<string, string>, key: string): string {
	const value = settings.get(key);
	if (value === undefined) throw invalid(`contracts/foundry.toml has no ${key}`);
	return value;
}

function contractsFile(name: string): URL {
	return new URL(`../contracts/${name}`, import.meta.url);
}

function invalid(message: string): ToolError {
	return new ToolError("contract_invalid", {
		message,
		hint: "correct contracts/ and build again",
	});
}

await reportToolError(main);
