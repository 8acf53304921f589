/** A chain's file after it was checked: what the follower runs on. config/chains.ts makes it. */

import type { CheckPlan } from "../consistency/check-plan.ts";
import type { ChainLog } from "../domain/block.ts";
import type { ChainId, Height, Hex } from "../domain/ids.ts";
import type { NamespaceSettings } from "../domain/namespace-settings.ts";
import type { SnapshotSchedule } from "../snapshots/snapshot-plan.ts";
import type { LogFilter } from "./chain-source.ts";
import type { ConsolidationFunction, HandlerContext, MergeFunction } from "./define-chain.ts";

export interface EventHandler {
	/** `Contract:Event`, for messages. */
	readonly name: string;
	/** Arguments of the log by the ABI; undefined: the log does not fit, so it is another event's. */
	readonly decode: (log: ChainLog) => unknown;
	readonly run: (context: HandlerContext) => Promise<void> | void;
}

export interface ChainSpec {
	readonly id: ChainId;
	readonly name: string;
	readonly rpc: {
		readonly urls: readonly string[];
		readonly pollIntervalMs: number;
		readonly timeoutMs: number;
	};
	/** Blocks under the head that count as final where the node has no finalized tag. */
	readonly finalityDepthBlocks: number;
	readonly startBlock: Height;
	/** Namespaces that only handlers write; the first is the default. */
	readonly namespaces: readonly [string, ...string[]];
	readonly consistency: CheckPlan;
	readonly filter: LogFilter;
	/** The handler of a log by its address and first topic; undefined: no handler wants it. */
	readonly handlerOf: (address: Hex, topic: Hex) => EventHandler | undefined;
	/** By name. */
	readonly merges: ReadonlyMap<string, MergeFunction>;
	/** Settings of agents' namespaces that the file declares, by name. */
	readonly memory: ReadonlyMap<string, NamespaceSettings>;
	/** By name. */
	readonly consolidations: ReadonlyMap<string, ConsolidationFunction>;
	readonly snapshots: SnapshotSchedule;
	/** Whether the log may be cut below the oldest verified snapshot. */
	readonly logKeep: "all" | "sinceSnapshot";
	/** SHA-256 over the code and settings that decide what is derived. */
	readonly handlersHash: Hex;
}
