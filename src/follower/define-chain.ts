/**
 * `defineChain`: what a file of chains/ exports. Typed from the contracts' ABIs.
 *
 * Handlers are deterministic: they may use the event, the block and handler-owned memory, nothing
 * else. On a fork they run again on the new branch.
 */
import type { Abi, ContractEventArgsFromTopics, ContractEventName } from "viem";
import type { Height, Hex } from "../domain/ids.ts";
import type { Layer } from "../domain/layer.ts";
import type { JsonObject } from "../domain/operation.ts";

export interface ContractDefinition<ContractAbi extends Abi = Abi> {
	readonly abi: ContractAbi;
	readonly address: Hex | readonly Hex[];
}

export type Contracts = Readonly<Record<string, ContractDefinition>>;

/** A memory that a handler owns, as handlers read it. */
export interface HandlerMemory {
	readonly id: string;
	readonly layer: Layer;
	readonly content: JsonObject;
}

/** What a handler writes. The namespace is the chain's handler namespace unless named. */
export interface HandlerPut {
	readonly layer: Layer;
	readonly id: string;
	readonly content: JsonObject;
	readonly text?: string;
	readonly collection?: string;
	readonly importance?: number;
	readonly confidence?: number;
	/** First height at which the memory is gone; must be above the block's own. */
	readonly expiresAtBlock?: Height;
	/** One of the chain's `namespaces`; the first one if left out. */
	readonly namespace?: string;
}

export interface HandlerMemoryAccess {
	/** Handler-owned memory at this point of the chain: earlier blocks, and earlier events of this one. */
	get(id: string, options?: { readonly namespace?: string }): Promise<HandlerMemory | undefined>;
	put(memory: HandlerPut): Promise<void>;
	delete(id: string, options?: { readonly namespace?: string }): Promise<void>;
}

export interface HandlerBlock {
	readonly number: Height;
	readonly hash: Hex;
	/** Seconds since the epoch. */
	readonly timestamp: bigint;
}

export interface HandlerEvent<Args> {
	readonly args: Args;
	readonly address: Hex;
	readonly transactionHash: Hex;
	readonly transactionIndex: number;
	/** Index in the block. */
	readonly logIndex: number;
	/** Index among those logs of the same transaction that the chain's contracts matched. */
	readonly matchedIndex: number;
}

export interface HandlerContext<Args = unknown> {
	readonly event: HandlerEvent<Args>;
	readonly block: HandlerBlock;
	readonly memory: HandlerMemoryAccess;
}

export type Handler<Args = unknown> = (context: HandlerContext<Args>) => Promise<void> | void;

/** `Contract:Event` for every event of every contract. */
type HandlerName<Definitions extends Contracts> = {
	[Name in keyof Definitions & string]: `${Name}:${ContractEventName<Definitions[Name]["abi"]>}`;
}[keyof Definitions & string];

type Handlers<Definitions extends Contracts> = {
	readonly [Key in HandlerName<Definitions>]?: Key extends `${infer Name}:${infer Event}`
		? Definitions[Name] extends ContractDefinition<infer ContractAbi>
			? Event extends ContractEventName<ContractAbi>
				? Handler<ContractEventArgsFromTopics<ContractAbi, Event>>
				: never
			: never
		: never;
};

export interface ChainDefinition<Definitions extends Contracts = Contracts> {
	/** EIP-155 id; the node must answer the same. */
	readonly id: number;
	/** Short name: letters, digits, '-' and '_'; usable in URLs beside the id. */
	readonly name: string;
	readonly rpc: {
		/** http(s):// or ws(s)://; a WebSocket URL also announces heads. */
		readonly urls: readonly string[];
		/** How often the head is asked for; with WebSocket the safety net. Default 1,000. */
		readonly pollIntervalMs?: number;
		/** Time limit of one request. Default 10,000. */
		readonly timeoutMs?: number;
	};
	readonly finality?: {
		/** Blocks under the head that count as final where the node has no finalized tag. Default 64. */
		readonly depthBlocks?: number;
	};
	/** First block that handlers see. Default 0. */
	readonly startBlock?: Height;
	/** Namespaces that only this chain's handlers write. */
	readonly namespaces: readonly string[];
	readonly contracts: Definitions;
	/** Keyed `Contract:Event`; events without a handler are not fetched. */
	readonly handlers: Handlers<Definitions>;
}

/** Types a chain's file; checks nothing at run time, see config/chains.ts for that. */
export function defineChain<const Definitions extends Contracts>(
	definition: ChainDefinition<Definitions>,
): ChainDefinition<Definitions> {
	return definition;
}
