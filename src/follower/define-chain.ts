/**
 * `defineChain`: what a file of chains/ exports. Typed from the contracts' ABIs.
 *
 * Handlers are deterministic: they may use the event, the block, what contracts answer at that block and
 * handler-owned memory, nothing else. On a fork they run again on the new branch.
 */
import type {
	Abi,
	ContractFunctionArgs,
	ContractFunctionName,
	ContractFunctionReturnType,
} from "viem";
import type { Rule } from "../consistency/rule.ts";
import type { Height, Hex } from "../domain/ids.ts";
import type { Layer } from "../domain/layer.ts";
import type { JsonObject } from "../domain/operation.ts";
import type { Pattern } from "../memory/consolidate.ts";
import type { SettingsForm } from "../memory/settings-form.ts";
import type { AddressParameter, EventArgs, EventFilter, EventKey } from "./event-types.ts";
import type { NetworkName } from "./networks.ts";

/** Contracts whose addresses events tell: each is followed from that event on. */
export interface FactoryDefinition {
	readonly abi: Abi;
	readonly address: Hex | readonly Hex[];
	/** By name, or by signature where the ABI overloads it. */
	readonly event: string;
	/** The event's parameter that is the new contract's address. */
	readonly parameter: string;
	/** First block in which it may have made one. Default: the chain's startBlock. */
	readonly startBlock?: Height;
}

export interface ContractDefinition<ContractAbi extends Abi = Abi> {
	readonly abi: ContractAbi;
	/** This, or `factory`. */
	readonly address?: Hex | readonly Hex[];
	readonly factory?: FactoryDefinition;
	/** First block that its handlers see. Default: the chain's startBlock. */
	readonly startBlock?: Height;
	/** Last block that its handlers see. Default: the chain's endBlock. */
	readonly endBlock?: Height;
	/**
	 * By event: what its indexed arguments must be, a value or one of several; of several filters one must
	 * hold. Strings, bytes, lists and tuples stand in topics as their hash, so they are filtered by value.
	 */
	readonly filter?: Readonly<Record<string, unknown>>;
	/**
	 * Those of the chain's namespaces that its handlers read and write, and no others; the first is their
	 * default. Default: all of them. What shares none with others can be added later without deriving those
	 * anew.
	 */
	readonly namespaces?: readonly string[];
}

export type Contracts = Readonly<Record<string, ContractDefinition>>;

/** What cannot be said of `Contracts` as a whole: names of events and parameters, contract by contract. */
type Checked<Definitions extends Contracts> = {
	readonly [Name in keyof Definitions]: {
		readonly filter?: {
			readonly [Key in EventKey<Definitions[Name]["abi"]>]?:
				| EventFilter<Definitions[Name]["abi"], Key>
				| readonly EventFilter<Definitions[Name]["abi"], Key>[];
		};
	} & (Definitions[Name] extends {
		readonly factory: { readonly abi: infer FactoryAbi extends Abi };
	}
		? {
				readonly factory: {
					readonly event: EventKey<FactoryAbi>;
					readonly parameter: AddressParameter<FactoryAbi>;
				};
			}
		: unknown);
};

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
	/** One of those that the handler may use; the first one if left out. */
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
	/** Index among those logs of the same transaction that this handler is given. */
	readonly matchedIndex: number;
}

type ViewName<ContractAbi extends Abi> = ContractFunctionName<ContractAbi, "pure" | "view">;
type ViewArgs<ContractAbi extends Abi, Name extends ViewName<ContractAbi>> = ContractFunctionArgs<
	ContractAbi,
	"pure" | "view",
	Name
>;

/**
 * Contracts as they are after the handler's block, whatever the chain's head is; so within a block also
 * what comes behind the event. What a contract refuses throws `FatalError("call_reverted")`, with the
 * contract's data in its field `data`: it is the handler's to catch. That the node does not answer is none
 * of the handler's concern: the block is then derived once more, whatever the handler caught.
 */
export interface HandlerClient {
	readContract<
		const ContractAbi extends Abi,
		Name extends ViewName<ContractAbi>,
		const Args extends ViewArgs<ContractAbi, Name>,
	>(
		request: {
			readonly abi: ContractAbi;
			readonly address: Hex;
			readonly functionName: Name;
		} & (readonly [] extends Args ? { readonly args?: Args } : { readonly args: Args }),
	): Promise<ContractFunctionReturnType<ContractAbi, "pure" | "view", Name, Args>>;
	/** The bytes that the contract answers. */
	call(request: { readonly to: Hex; readonly data: Hex }): Promise<Hex>;
}

export interface HandlerContext<Args = unknown> {
	readonly event: HandlerEvent<Args>;
	readonly block: HandlerBlock;
	readonly memory: HandlerMemoryAccess;
	readonly client: HandlerClient;
}

export type Handler<Args = unknown> = (context: HandlerContext<Args>) => Promise<void> | void;

/** What a block handler is given: there is no event. */
export type BlockContext = Omit<HandlerContext, "event">;

export interface BlockHandler {
	/** 1: every block. Else those whose distance from `startBlock` is a multiple of it. */
	readonly interval: number;
	/** Default: the chain's. */
	readonly startBlock?: Height;
	/** Last block, inclusive. Default: the chain's. */
	readonly endBlock?: Height;
	/** As a contract's. */
	readonly namespaces?: readonly string[];
	/** Runs after the block's events. */
	readonly handler: (context: BlockContext) => Promise<void> | void;
}

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

/** `Contract:Event` for every event of every contract, by its name and by its signature. */
type HandlerName<Definitions extends Contracts> = {
	[Name in keyof Definitions & string]: `${Name}:${EventKey<Definitions[Name]["abi"]>}`;
}[keyof Definitions & string];

type Handlers<Definitions extends Contracts> = {
	readonly [Key in HandlerName<Definitions>]?: Key extends `${infer Name}:${infer Event}`
		? Definitions[Name] extends ContractDefinition<infer ContractAbi>
			? Handler<EventArgs<ContractAbi, Event>>
			: never
		: never;
};

export interface ChainDefinition<Definitions extends Contracts = Contracts> {
	/** EIP-155 id; the node must answer the same. May be left out where `network` says it. */
	readonly id?: number;
	/** Short name: letters, digits, '-' and '_'; usable in URLs beside the id. */
	readonly name: string;
	/**
	 * A network that is known here: gives the id, the time between blocks, and what follows from it, wherever
	 * the file says nothing else.
	 */
	readonly network?: NetworkName;
	/** Milliseconds from one block to the next, on average. Default: the network's, else 12,000. */
	readonly blockTimeMs?: number;
	readonly rpc: {
		/** http(s):// or ws(s)://; a WebSocket URL also announces heads. */
		readonly urls: readonly string[];
		/**
		 * How often the head is asked for; with WebSocket the safety net. Default: of a network a quarter of its
		 * block time, 100 to 1,000; else 1,000.
		 */
		readonly pollIntervalMs?: number;
		/** Time limit of one request. Default 10,000. */
		readonly timeoutMs?: number;
		/** Widest range of one eth_getLogs that is tried. Default: the network's, else 10,000. */
		readonly logRangeBlocks?: number;
	};
	readonly finality?: {
		/** Blocks under the head that count as final where the node has no finalized tag. Default 64. */
		readonly depthBlocks?: number;
		/** The same as time, instead; becomes blocks by the chain's block time. */
		readonly depthMs?: number;
		/**
		 * tags: the node's safe and finalized tags, and depth where it has none. depth: depth alone, for networks
		 * whose tags are hours behind. Default `tags`.
		 */
		readonly source?: "tags" | "depth";
		/**
		 * Least time between two looks at the tags, 0 (with each block) to an hour. What the node marked since the
		 * last one is not final for this chain yet, and a fork below it is followed. Default: a sixteenth of
		 * the time after which a block counts as final by depth, 2,000 to 30,000.
		 */
		readonly everyMs?: number;
	};
	/** What a node's answers are held against. */
	readonly trust?: {
		/** Block hashes are recomputed from headers. Default: the network's, else true. */
		readonly headerHash?: boolean;
		/**
		 * Logs are held against their block's bloom, and not asked for where it excludes them. Default: the
		 * network's, else true; turn it off where the chain itself has logs that its blooms leave out.
		 */
		readonly logsBloom?: boolean;
		/** Logs are taken from receipts, whose root is recomputed. Default false. */
		readonly receipts?: boolean;
		/** With `receipts`: transactions are read as a whole, and their hashes and root recomputed. Default false. */
		readonly transactions?: boolean;
	};
	/** How sure of another branch the follower must be before it goes over to it. */
	readonly reorg?: {
		/** Orphaned blocks up to which it goes at once, unless most providers deny the branch. Default 64. */
		readonly confirmBeyondDepth?: number;
		/**
		 * Share of the providers that answered, of two at least, above which their word is enough; 0.5 to 0.99.
		 * Default 0.5.
		 */
		readonly quorum?: number;
		/** Looks in a row that have to see the branch where there is no quorum. Default 3. */
		readonly polls?: number;
	};
	/** First block that handlers see. Default 0. */
	readonly startBlock?: Height;
	/** Last block that handlers see; the chain is followed beyond it. Default: none. */
	readonly endBlock?: Height;
	/** Namespaces that only this chain's handlers write. */
	readonly namespaces: readonly string[];
	readonly contracts: Definitions & Checked<Definitions>;
	/** Handlers of blocks themselves, by name. */
	readonly blocks?: Readonly<Record<string, BlockHandler>>;
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
	/**
	 * Heights that stay readable of what is back-filled below finality: its multiples, and those of 1,000. Reads
	 * between them answer `height_not_retained`. Left out: every height. Blocks that are followed are all kept.
	 */
	readonly history?: {
		/** 1 (every height) to 1,000,000. */
		readonly every: number;
	};
	/**
	 * What is done at a start when other handlers derived the state that is there. derive: handlers' memories
	 * are derived anew beside the present state, and switched to in one commit. keep: what older blocks gave
	 * stays, and the new handlers go on from there. halt: the chain waits, readable, for another file. Default
	 * `derive`.
	 */
	readonly onHandlersChange?: "derive" | "keep" | "halt";
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
	/**
	 * Keyed `Contract:Event`; events without a handler are not fetched. A name stands for every overload that
	 * has no key of its own; `Contract:Event(address,uint256)` for one of them. Of a block they run in the
	 * order of (transaction, log); for one log in the order of this list.
	 */
	readonly handlers: Handlers<Definitions>;
}

/** Types a chain's file; checks nothing at run time, see config/chains.ts for that. */
export function defineChain<const Definitions extends Contracts>(
	definition: ChainDefinition<Definitions>,
): ChainDefinition<Definitions> {
	return definition;
}
