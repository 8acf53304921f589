/** A chain's file after it was checked: what the follower runs on. config/chains.ts makes it. */

import type { ReorgRules } from "../chain/branch-support.ts";
import type { CheckPlan } from "../consistency/check-plan.ts";
import type { ChainLog } from "../domain/block.ts";
import type { ChainId, Height, Hex } from "../domain/ids.ts";
import type { NamespaceSettings } from "../domain/namespace-settings.ts";
import type { OnHandlersChange } from "../rederive/rederiver.ts";
import type { SnapshotSchedule } from "../snapshots/snapshot-plan.ts";
import type { TopicArgs, Trust } from "./chain-source.ts";
import type {
	BlockContext,
	ConsolidationFunction,
	HandlerContext,
	MergeFunction,
} from "./define-chain.ts";

export interface EventHandler {
	/** `Contract:Event`, for messages. */
	readonly name: string;
	/** Arguments of the log by the ABI; undefined: the log does not fit, so it is another event's. */
	readonly decode: (log: ChainLog) => unknown;
	readonly run: (context: HandlerContext) => Promise<void> | void;
}

/** One event of a contract, and who takes it. */
export interface EventSpec {
	readonly topic: Hex;
	/** One of them must hold; at least one, which may ask for nothing. */
	readonly filters: readonly TopicArgs[];
	readonly handler: EventHandler;
	/** Place of the handler in the chain's file: of one log's handlers the lower one runs first. */
	readonly order: number;
}

/** Contracts whose addresses events tell. */
export interface FactorySpec {
	readonly addresses: ReadonlySet<Hex>;
	readonly topic: Hex;
	/** First block in which it may have made one. */
	readonly startBlock: Height;
	/** The contract that a log tells of, in lower case; undefined: the log does not fit. */
	readonly childOf: (log: ChainLog) => Hex | undefined;
	/** Handler-owned namespace in which the contracts that it made are kept, see factory-children.ts. */
	readonly namespace: string;
}

export interface ContractSpec {
	readonly name: string;
	/** Both inclusive; no end: undefined. */
	readonly startBlock: Height;
	readonly endBlock: Height | undefined;
	/** Lower case; empty where a factory tells them. */
	readonly addresses: ReadonlySet<Hex>;
	readonly factory: FactorySpec | undefined;
	/** That have a handler; at least one. */
	readonly events: readonly EventSpec[];
	/** What its handlers read and write; the first is their default. */
	readonly namespaces: readonly [string, ...string[]];
}

export interface IntervalSpec {
	/** `blocks.name`, for messages. */
	readonly name: string;
	/** At least 1. */
	readonly interval: bigint;
	readonly startBlock: Height;
	readonly endBlock: Height | undefined;
	readonly namespaces: readonly [string, ...string[]];
	readonly run: (context: BlockContext) => Promise<void> | void;
}

/** What of a chain's file can change by itself, so that what did not change need not be derived anew. */
export interface SpecPart {
	/** `Contract:Event`, `blocks.name`, or `code`: what the file's handlers share. */
	readonly name: string;
	readonly hash: Hex;
	/** The only handler-owned namespaces that it reads and writes. */
	readonly namespaces: readonly string[];
}

export interface ChainSpec {
	readonly id: ChainId;
	readonly name: string;
	readonly rpc: {
		readonly urls: readonly string[];
		readonly pollIntervalMs: number;
		readonly timeoutMs: number;
		/** Widest range of one eth_getLogs that is tried; narrower ones are learned. */
		readonly logRangeBlocks: number;
		readonly trust: Trust;
	};
	/** Milliseconds from one block to the next, on average. */
	readonly blockTimeMs: number;
	/** False: the node's safe and finalized tags are not asked for, depth alone decides. */
	readonly finalityTags: boolean;
	/** Blocks under the head that count as final where the node has no finalized tag. */
	readonly finalityDepthBlocks: number;
	/** Cap of the header window, see chain/window-size.ts. */
	readonly windowBlocks: number;
	/** Between two looks at the tags, in milliseconds; 0: with each block. */
	readonly finalityEveryMs: number;
	/** See branch-support.ts. */
	readonly reorg: ReorgRules;
	readonly startBlock: Height;
	/** Namespaces that only handlers write; the first is the default, those of factories are the last. */
	readonly namespaces: readonly [string, ...string[]];
	readonly consistency: CheckPlan;
	readonly contracts: readonly ContractSpec[];
	readonly intervals: readonly IntervalSpec[];
	/** By name. */
	readonly merges: ReadonlyMap<string, MergeFunction>;
	/** Settings of agents' namespaces that the file declares, by name. */
	readonly memory: ReadonlyMap<string, NamespaceSettings>;
	/** By name. */
	readonly consolidations: ReadonlyMap<string, ConsolidationFunction>;
	readonly snapshots: SnapshotSchedule;
	/** Whether the log may be cut below the oldest verified snapshot. */
	readonly logKeep: "all" | "sinceSnapshot";
	/** Of what is back-filled below finality, every how manyth height stays readable; undefined: all. */
	readonly historyEvery: number | undefined;
	/** SHA-256 over the code and settings that decide what is derived. */
	readonly handlersHash: Hex;
	/** The same in parts. */
	readonly parts: readonly SpecPart[];
	/** What is done when other handlers derived the state that is there; undefined: it is derived anew. */
	readonly onHandlersChange?: OnHandlersChange | undefined;
}
