/** Writes a chain's file: one contract, a handler for each of its events that says what it was told. */
import type { AbiEvent } from "viem";
import { toEventSignature } from "viem";
import type { Height, Hex } from "../domain/ids.ts";
import type { ContractDefinition } from "./define-chain.ts";
import type { NetworkName } from "./networks.ts";

export interface ChainFile {
	/** Of the chain, and so of the file. */
	readonly name: string;
	readonly contract: string;
	readonly address: Hex;
	readonly abi: ContractDefinition["abi"];
	/** A network's name, or an id where none is known. */
	readonly chain: { readonly network: NetworkName } | { readonly id: number };
	readonly rpcUrl: string;
	readonly startBlock: Height;
	/** Where defineChain is imported from. */
	readonly from: string;
}

/** Source of a TypeScript module that compiles and runs as it stands. */
export function chainFileText(file: ChainFile): string {
	const { name, contract, address, abi, chain, rpcUrl, startBlock, from } = file;
	const events = abi.filter(
		(item) => item.type === "event" && item.anonymous !== true,
	) as AbiEvent[];
	const which =
		"network" in chain ? `network: ${JSON.stringify(chain.network)}` : `id: ${chain.id}`;
	return `/** ${contract} at ${address}: one memory an event, in the namespace ${JSON.stringify(name)}. */
import { defineChain, type HandlerEvent, type HandlerPut } from ${JSON.stringify(from)};

const abi = ${JSON.stringify(abi, undefined, "\t")} as const;

/** An event's memory: its arguments, whole numbers as decimal strings, so that no digit is lost. */
function said(name: string, event: HandlerEvent<object>): HandlerPut {
	const { transactionHash, matchedIndex, args } = event;
	const text = JSON.stringify({ ...args }, (_key, value: unknown) =>
		typeof value === "bigint" ? value.toString() : value,
	);
	return {
		layer: "episodic",
		id: \`\${name}:\${transactionHash}:\${matchedIndex}\`,
		content: JSON.parse(text) as HandlerPut["content"],
	};
}

export default defineChain({
	${which},
	name: ${JSON.stringify(name)},
	rpc: { urls: [${JSON.stringify(rpcUrl)}] },
	startBlock: ${startBlock}n,
	namespaces: [${JSON.stringify(name)}],
	contracts: { ${contract}: { abi, address: ${JSON.stringify(address)} } },
	handlers: {
${events.map((event) => handlerText(contract, event, events)).join("\n")}
	},
});
`;
}

/** By its name, or by its signature where others have the same name. */
function handlerText(contract: string, event: AbiEvent, events: readonly AbiEvent[]): string {
	const isAlone = events.filter(({ name }) => name === event.name).length === 1;
	const key = isAlone ? event.name : toEventSignature(event);
	const put = `await memory.put(said(${JSON.stringify(key)}, event));`;
	return `\t\t${JSON.stringify(`${contract}:${key}`)}: async ({ event, memory }) => {\n\t\t\t${put}\n\t\t},`;
}
