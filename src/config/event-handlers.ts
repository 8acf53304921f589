/** A definition's contracts and handlers as look-ups: which logs are asked for, and who takes each. */
import { type Abi, decodeEventLog, getAbiItem, toEventSelector } from "viem";
import type { FatalError } from "../domain/errors.ts";
import type { Hex } from "../domain/ids.ts";
import type { LogFilter } from "../follower/chain-source.ts";
import type { EventHandler } from "../follower/chain-spec.ts";
import type { ChainDefinition, ContractDefinition, Handler } from "../follower/define-chain.ts";

export interface EventHandlers {
	readonly filter: LogFilter;
	readonly handlerOf: (address: Hex, topic: Hex) => EventHandler | undefined;
}

/** `invalid` makes the error that names the file. */
export function eventHandlers(
	chain: ChainDefinition,
	invalid: (problem: string) => FatalError,
): EventHandlers {
	const byLog = new Map<string, EventHandler>();
	const addresses = new Set<Hex>();
	const topics = new Set<Hex>();
	for (const [name, run] of Object.entries(chain.handlers) as [string, Handler][]) {
		const [contractName = "", eventName = ""] = name.split(":");
		const contract = chain.contracts[contractName];
		if (contract === undefined)
			throw invalid(`handlers.${name}: there is no contract "${contractName}"`);
		const { topic, decode } = event(contract, eventName, () =>
			invalid(`handlers.${name}: the ABI of "${contractName}" has no event "${eventName}"`),
		);
		topics.add(topic);
		for (const address of [contract.address].flat()) {
			const lower = address.toLowerCase() as Hex;
			addresses.add(lower);
			byLog.set(`${lower}:${topic}`, { name, run, decode });
		}
	}
	return {
		filter: { addresses: [...addresses], topics: [...topics] },
		handlerOf: (address, topic) => byLog.get(`${address}:${topic}`),
	};
}

function event(
	contract: ContractDefinition,
	name: string,
	missing: () => FatalError,
): { readonly topic: Hex; readonly decode: EventHandler["decode"] } {
	const item = getAbiItem({ abi: contract.abi, name });
	if (item?.type !== "event") throw missing();
	const abi: Abi = [item];
	return {
		topic: toEventSelector(item),
		decode: (log) => {
			try {
				const [signature, ...indexed] = log.topics;
				if (signature === undefined) return undefined;
				return decodeEventLog({ abi, topics: [signature, ...indexed], data: log.data }).args ?? {};
			} catch (error) {
				// The same signature with other indexed fields is another event; viem says so by throwing.
				if (error instanceof Error && error.name.startsWith("Decode")) return undefined;
				throw error;
			}
		},
	};
}
