/** `recant chains check` and `recant chains add`: chains' files, without a service. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Hex } from "../domain/ids.ts";
import { NETWORK_NAMES, type NetworkName } from "../follower/networks.ts";
import { heightArgument } from "./arguments.ts";
import type { CommandRun } from "./command-run.ts";
import { addChainFile, checkChainFiles } from "./commands/chains.ts";
import type { GlobalOptions } from "./session.ts";

interface AddFlags {
	readonly abi: string;
	readonly name?: string;
	readonly network?: NetworkName;
	readonly rpc?: string;
	readonly startBlock?: string;
	readonly force?: boolean;
}

export function addChainCommands(program: Command, run: CommandRun): void {
	const chains = program.command("chains").description("the files of chains, held against nodes");
	chains
		.command("check")
		.description("whether nodes answer what a chain's file needs, and its contracts are there")
		.argument("[which]", "a file, or a chain's name or id; left out: all of RECANT_CHAINS_DIR")
		.action(async (which: string | undefined, _flags: object, command: Command) => {
			run.exitCode = await checkChainFiles(run, { which, json: isJson(command) });
		});
	chains
		.command("add")
		.description("write a chain's file from a contract's address and its ABI")
		.argument("<address>", "where the contract stands", addressArgument)
		.requiredOption("--abi <file>", "its ABI as JSON, or what a compiler wrote of it")
		.option("--rpc <url>", "a node of the chain; else a public one of --network", nodeUrlArgument)
		.option("--name <name>", "of chain and file; else the contract's", nameArgument)
		.addOption(
			new Option("--network <network>", "a known network; else as the node says").choices(
				NETWORK_NAMES,
			),
		)
		.option("--start-block <height>", "else looked for, where the node has history", heightArgument)
		.option("--force", "write over a file that is there")
		.action(async (address: Hex, flags: AddFlags, command: Command) => {
			const { abi, name, network, rpc, startBlock, force = false } = flags;
			const from = startBlock === undefined ? undefined : BigInt(startBlock);
			const request = {
				address,
				abiFile: abi,
				name,
				network,
				rpcUrl: rpc,
				startBlock: from,
				force,
			};
			run.exitCode = await addChainFile(run, { request, json: isJson(command) });
		});
}

function isJson(command: Command): boolean {
	const { json }: GlobalOptions = command.optsWithGlobals();
	return json === true;
}

function addressArgument(text: string): Hex {
	if (/^0x[0-9a-fA-F]{40}$/.test(text)) return `0x${text.slice(2).toLowerCase()}`;
	throw new InvalidArgumentError("must be an address: 0x and 40 hexadecimal digits.");
}

function nodeUrlArgument(text: string): string {
	if (/^(?:https?|wss?):\/\/./.test(text)) return text;
	throw new InvalidArgumentError("must be a URL of http(s):// or ws(s)://.");
}

function nameArgument(text: string): string {
	if (/^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(text)) return text;
	throw new InvalidArgumentError("must be letters, digits, '-' and '_', a letter first.");
}
