/**
 * `defineChain`: what a file of chains/ exports. Typed from the contracts' ABIs.
 *
 * Handlers are deterministic: they may use the event, the block and handler-owned memory, nothing
 * else. On a fork they run again on the new branch.
 */
import type { Abi, ContractEventArgsFromTopics, ContractEventName } from "viem";
import type { Rule } from "../consistency/rule.ts";
import type { Height, Hex } from "../domain/ids.ts";
import type { Layer } from "../domain/layer.ts";
import type { JsonObject } from "../domain/operation.ts";
import type { Pattern } from "../memory/consolidate.ts";
import type { SettingsForm } from "../memory/settings-form.ts";

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

/** What an agent's memory says, as merge functions take it and give it back. */
export interface MergeableMemory {
	readonly layer: Layer;
	readonly content: JsonObject;
	readonly text?: string | undefined;
	/** Given with the memory, instead of one that is embedded from its text. */
	readonly vector?: readonly number[] | undefined;
	/** Of text and vector; the chain's default one if left out. */
	readonly collection?: string | undefined;
	/** In [0, 1]. */
	readonly importance?: number | undefined;
	/** In [0, 1]. */
	readonly confidence?: number | undefined;
	/** First height at which the memory is gone. */
	readonly expiresAtBlock?: Height | undefined;
	/** Seconds since the epoch: gone from the first block that is not older. Not beside `expiresAtBlock`. */
	readonly expiresAtTime?: bigint | undefined;
}

/**
 * What becomes of a memory on which two coordinates differ; undefined: it is not there, or is to be gone.
 * It answers at once, from what it is given alone; a merge that throws writes nothing.
 */
export type MergeFunction = (
	ours: MergeableMemory | undefined,
	theirs: MergeableMemory | undefined,
	context: {
		readonly namespace: string;
		readonly id: string;
		/** The side that was written later. */
		readonly later: "ours" | "theirs";
	},
) => MergeableMemory | undefined;

/** A memory of agents, as consolidation functions read it. */
export interface ConsolidatedMember {
	readonly id: string;
	readonly layer: Layer;
	readonly content: JsonObject;
	readonly text: string | undefined;
	/** In [0, 1]. */
	readonly importance: number | undefined;
	/** In [0, 1]. */
	readonly confidence: number | undefined;
}

/**
 * Finds patterns in the members of a namespace, in the order in which they were written. It may ask a model:
 * what it answers is recorded under its name and what the members say, and is not asked for again while that
 * is the same. One that throws leaves everything as it was.
 */
export type ConsolidationFunction = (
	members: readonly ConsolidatedMember[],
	context: { readonly namespace: string; readonly rule: string },
) => readonly Pattern[] | Promise<readonly Pattern[]>;

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
	/** Rules by which an operator may merge two coordinates, by name; see `recant merge --rule`. */
	readonly merges?: Readonly<Record<string, MergeFunction>>;
	/** Settings of agents' namespaces, by name, where none are registered over the API. */
	readonly memory?: Readonly<Record<string, SettingsForm>>;
	/** For consolidation rules that name one, by name. */
	readonly consolidations?: Readonly<Record<string, ConsolidationFunction>>;
	/** Snapshots that are made by themselves, of final blocks; left out: only on demand. */
	readonly snapshots?: {
		/** One when so many blocks became final since the last. */
		readonly everyBlocks?: number;
		/** One when the last is so old, and blocks became final since. */
		readonly everyMs?: number;
		/** Increments between two full ones, 0 to 32. Default 8. */
		readonly fullEvery?: number;
		/** Full ones that are kept, with their increments; older ones are deleted. Default: all. */
		readonly keep?: number;
	};
	readonly log?: {
		/**
		 * all: the log is kept whole. sinceSnapshot: entries below the oldest verified snapshot of a final
		 * block are deleted, and events from before cannot be read any more. Default `all`.
		 */
		readonly keep?: "all" | "sinceSnapshot";
	};
	/** Consistency checks; what is left out keeps its default. */
	readonly consistency?: {
		/** How often the stores are compared by their numbers; 0: not by the clock. Default 60,000. */
		readonly basicEveryMs?: number;
		/** How often every record is read and compared; 0: not by the clock. Default 0. */
		readonly fullEveryMs?: number;
		/** Records that a check reads in a second at most. Default 50,000. */
		readonly readBudgetRowsPerSecond?: number;
		/** Rules of the chain's own, which see a snapshot of its rows. */
		readonly rules?: readonly Rule[];
	};
	/** Keyed `Contract:Event`; events without a handler are not fetched. */
	readonly handlers: Handlers<Definitions>;
}

/** Types a chain's file; checks nothing at run time, see config/chains.ts for that. */
export function defineChain<const Definitions extends Contracts>(
	definition: ChainDefinition<Definitions>,
): ChainDefinition<Definitions> {
	return definition;
}
