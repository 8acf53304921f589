/** A chain of blocks that hold nothing but given logs, and what a chain's file makes of them, in memory. */
import {
	type Abi,
	type AbiEvent,
	encodeAbiParameters,
	encodeEventTopics,
	getAbiItem,
	type Hex,
} from "viem";
import type { BlockHeader, ChainLog } from "../../src/domain/block.ts";
import type { Height, MemoryKey } from "../../src/domain/ids.ts";
import { deriveFetched, fetchRange } from "../../src/follower/backfill.ts";
import { BlockCalls } from "../../src/follower/block-calls.ts";
import type { CallResult, ChainSource, LogFilter } from "../../src/follower/chain-source.ts";
import type { ChainSpec } from "../../src/follower/chain-spec.ts";
import { KnownChildren } from "../../src/follower/factory-children.ts";
import { fetchBlockLogs } from "../../src/follower/fetch-logs.ts";
import type { CommittedMemory } from "../../src/follower/handler-state.ts";
import { takesLog } from "../../src/follower/log-filter.ts";
import type { HandlerOperation } from "../../src/memory/handler-operation.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";

/** An event as a contract emits it; of an overload the signature's item is given. */
export interface Emitted {
	readonly at: Hex;
	readonly abi: Abi;
	readonly event: string | AbiEvent;
	readonly args: Readonly<Record<string, unknown>>;
	/** Index of the transaction; default: one for each log. */
	readonly transaction?: number;
}

function word(value: bigint | number): Hex {
	return `0x${value.toString(16).padStart(64, "0")}`;
}

function headerAt(number: Height): BlockHeader {
	return { number, hash: word(number + 1n), parentHash: word(number), timestamp: number * 12n };
}

function logOf(emitted: Emitted, number: Height, logIndex: number): ChainLog {
	const { at, abi, event, args } = emitted;
	const item = typeof event === "string" ? (getAbiItem({ abi, name: event }) as AbiEvent) : event;
	const topics = encodeEventTopics({ abi: [item], eventName: item.name, args });
	const plain = item.inputs.filter((input) => input.indexed !== true);
	const transactionIndex = emitted.transaction ?? logIndex;
	return {
		address: at.toLowerCase() as Hex,
		topics: topics.map((topic) => String(topic).toLowerCase() as Hex),
		data: encodeAbiParameters(plain, plain.map(({ name }) => args[name ?? ""]) as never),
		blockNumber: number,
		blockHash: headerAt(number).hash,
		transactionHash: word(number * 1_000n + BigInt(transactionIndex) + 7n),
		transactionIndex,
		logIndex,
	};
}

export class LogChain {
	/** What was asked for, in order. */
	readonly asked: LogFilter[] = [];
	/** How contracts answer; by default they refuse. */
	answer: (data: Hex) => Promise<CallResult> = async () => ({ type: "reverted", data: "0x" });
	readonly #blocks: readonly (readonly Emitted[])[];
	readonly #memories = new Map<MemoryKey, CommittedMemory>();

	/** One list a block, from block 0 on. */
	constructor(blocks: readonly (readonly Emitted[])[]) {
		this.#blocks = blocks;
	}

	get tip(): Height {
		return BigInt(this.#blocks.length - 1);
	}

	/** Derives a range as a backfill does, and keeps what it gave. */
	async backfill(spec: ChainSpec, from: Height, to: Height): Promise<readonly HandlerOperation[]> {
		const children = new KnownChildren(async (key) => this.#memories.get(key));
		const context = { spec, source: this.source, children, suspended: [] };
		const fetched = await fetchRange({ from, to }, context);
		const derived = await deriveFetched(fetched, {
			spec,
			calls: new BlockCalls(this.source),
			read: async (key) => {
				const memory = this.#memories.get(key);
				return memory && { ...memory, expiresBlock: memory.expiresAtBlock, expiresTime: undefined };
			},
		});
		const operations = derived.flatMap((block) => block.operations);
		for (const each of operations) this.#keep(each);
		return operations;
	}

	/** What a window asks for, by block. */
	blockLogs(spec: ChainSpec, from: Height, to: Height): Promise<readonly (readonly ChainLog[])[]> {
		const headers = this.#blocks.map((_, index) => headerAt(BigInt(index)));
		const children = new KnownChildren(async (key) => this.#memories.get(key));
		return fetchBlockLogs(
			headers.filter(({ number }) => number >= from && number <= to),
			{ contracts: spec.contracts, children },
			async ({ number }, filter) => {
				this.asked.push(filter);
				return this.#logs(number).filter((log) => takesLog(filter, log));
			},
		);
	}

	get source(): ChainSource {
		const source: Partial<ChainSource> = {
			logsOfRange: async ({ from, to }, filter) => {
				this.asked.push(filter);
				const logs = this.#blocks
					.flatMap((_, index) => this.#logs(BigInt(index)))
					.filter(({ blockNumber: at }) => at >= from && at <= to)
					.filter((log) => takesLog(filter, log));
				const heights = [...new Set(logs.map((log) => log.blockNumber))];
				return { logs, blocks: heights.map(blockAt) };
			},
			blocksByNumber: async (heights) => heights.map(blockAt),
			call: ({ data }) => this.answer(data),
		};
		return source as ChainSource;
	}

	#logs(number: Height): readonly ChainLog[] {
		const emitted = this.#blocks[Number(number)] ?? [];
		return emitted.map((each, index) => logOf(each, number, index));
	}

	#keep(operation: HandlerOperation): void {
		const key = memoryKey(operation.namespace, operation.id);
		if (operation.kind === "delete") this.#memories.delete(key);
		else this.#memories.set(key, { id: operation.id, ...operation.body });
	}
}

function blockAt(number: Height) {
	return { ...headerAt(number), logsBloom: undefined, transactions: [] };
}

/** Ids that were put, in order, without what factories' registries hold. */
export function putIds(operations: readonly HandlerOperation[]): readonly string[] {
	return operations.flatMap(({ kind, namespace, id }) =>
		kind === "put" && !namespace.startsWith("factory:") ? [id] : [],
	);
}
