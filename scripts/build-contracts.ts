/**
 * Compiles contracts/src/Token.sol and writes its ABI and bytecode as contracts/out/token.ts, which is
 * checked in. With `--check` it writes nothing and fails when the file is not what it would write.
 *
 * The settings are those of contracts/foundry.toml; the output depends on nothing else.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import solc from "solc";
import { reportToolError } from "./support/report-tool-error.ts";
import { ToolError } from "./support/tool-error.ts";

const SOURCE = "src/Token.sol";
const CONTRACT = "Token";
const OUTPUT = "out/token.ts";

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
	const built = moduleText(compile(readSettings()));
	if (!process.argv.includes("--check")) {
		writeFileSync(contractsFile(OUTPUT), built);
		console.log(`contracts: wrote contracts/${OUTPUT}`);
		return;
	}
	const output = contractsFile(OUTPUT);
	if (!existsSync(output) || readFileSync(output, "utf8") !== built) {
		throw new ToolError("output_outdated", {
			message: `contracts/${OUTPUT} is not what contracts/${SOURCE} compiles to`,
			hint: "run npm run contracts:build and commit the result",
		});
	}
	console.log(`contracts: contracts/${OUTPUT} is current`);
}

function compile(settings: ReadonlyMap<string, string>): CompilerOutput {
	const wanted = setting(settings, "solc_version");
	if (!solc.version().startsWith(`${wanted}+`)) {
		throw invalid(`foundry.toml asks for solc ${wanted}, installed is ${solc.version()}`);
	}
	const input = {
		language: "Solidity",
		sources: { [SOURCE]: { content: readFileSync(contractsFile(SOURCE), "utf8") } },
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
			outputSelection: { [SOURCE]: { [CONTRACT]: ["abi", "evm.bytecode.object"] } },
		},
	};
	return JSON.parse(solc.compile(JSON.stringify(input))) as CompilerOutput;
}

/** Warnings count as errors: the file is small enough to have none. */
function moduleText(output: CompilerOutput): string {
	const contract = output.contracts?.[SOURCE]?.[CONTRACT];
	const messages = (output.errors ?? []).map((error) => error.formattedMessage);
	if (contract === undefined || messages.length > 0) throw invalid(messages.join("\n"));
	return [
		`// Built from contracts/${SOURCE} by npm run contracts:build; do not edit.`,
		"",
		`export const tokenAbi = ${JSON.stringify(contract.abi, undefined, "\t")} as const;`,
		"",
		`export const tokenBytecode = "0x${contract.evm.bytecode.object}" as const;`,
		"",
	].join("\n");
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
