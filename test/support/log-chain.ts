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
import { BlockCache } from "../../src/follower/block-cache.ts";
import { BlockCalls } from "../../src/follower/block-calls.ts";
import type { CallResult, ChainSource, LogFilter } from "../../src/follower/chain-source.ts";
import type { ChainSpec } from "../../src/follower/chain-spec.ts";
import { KnownChildren } from "../../src/follower/factory-children.ts";
import { fetchBlockLogs } from "../../src/follower/fetch-logs.ts";
import type { CommittedMemory } from "../../src/follower/handler-state.ts";
import { takesLog } from "../../src/follower/log-filter.ts";
import { WindowDeriver } from "../../src/follower/window-deriver.ts";
import type { HandlerOperation } from "../../src/memory/handler-operation.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import type { HandlerVersion } from "../../src/rollback/branch-deriver.ts";

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
	readonly #blocks: (readonly ChainLog[])[] = [];
	/** What was derived and kept, by height. */
	readonly #kept: { readonly height: Height; readonly operations: readonly HandlerOperation[] }[] =
		[];
	readonly #memories = new Map<MemoryKey, CommittedMemory>();

	/** One list a block, from block 0 on. */
	constructor(blocks: readonly (readonly Emitted[])[]) {
		this.replace(0n, blocks);
	}

	/** Blocks from a height on are others; what was derived from there on is taken back. */
	replace(from: Height, blocks: readonly (readonly Emitted[])[]): void {
		this.#blocks.length = Number(from);
		for (const emitted of blocks) {
			const height = BigInt(this.#blocks.length);
			this.#blocks.push(emitted.map((each, index) => logOf(each, height, index)));
		}
		const left = this.#kept.filter(({ height }) => height < from);
		this.#kept.length = 0;
		this.#memories.clear();
		for (const each of left) this.#keep(each.height, each.operations);
	}

	/** Everything that was derived and not taken back, in order. */
	get operations(): readonly HandlerOperation[] {
		return this.#kept.flatMap(({ operations }) => operations);
	}

	get tip(): Height {
		return BigInt(this.#blocks.length - 1);
	}

	/** Derives a range as a backfill does, and keeps what it gave. */
	async backfill(spec: ChainSpec, from: Height, to: Height): Promise<readonly HandlerOperation[]> {
		const children = new KnownChildren(async (key) => this.#memories.get(key));
		const context = { spec, source: this.source, children, suspended: [] };
		const fetched = await fetchRange({ from, to }, context);
		const calls = new BlockCalls(this.source);
		const derived = await deriveFetched(fetched, { spec, calls, read: (key) => this.#read(key) });
		for (const { header, operations } of derived) this.#keep(header.number, operations);
		return derived.flatMap((block) => block.operations);
	}

	/** Derives blocks one by one, as of a window or a rollback's branch, and keeps what they gave. */
	async window(spec: ChainSpec, from: Height, to: Height): Promise<void> {
		const deriver = new WindowDeriver(spec, this.source, new BlockCache(this.source));
		const headers = this.#headers(from, to);
		const derived = await deriver.derive(headers, [], (key) => this.#read(key));
		for (const { header, operations } of derived) this.#keep(header.number, operations);
	}

	/** What a window asks for, by block. */
	blockLogs(spec: ChainSpec, from: Height, to: Height): Promise<readonly (readonly ChainLog[])[]> {
		const children = new KnownChildren(async (key) => this.#memories.get(key));
		return fetchBlockLogs(
			this.#headers(from, to),
			{ contracts: spec.contracts, children },
			async (headers, filter) =>
				headers.map(({ number }) => {
					this.asked.push(filter);
					return this.#logs(number).filter((log) => takesLog(filter, log));
				}),
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
			logsOfBlock: async ({ number }, filter) =>
				this.#logs(number).filter((log) => takesLog(filter, log)),
			logsOfBlocks: async (blocks, filter) =>
				blocks.map(({ number }) => this.#logs(number).filter((log) => takesLog(filter, log))),
			blocksByNumber: async (heights) => heights.map(blockAt),
			call: ({ data }) => this.answer(data),
		};
		return source as ChainSource;
	}

	#logs(number: Height): readonly ChainLog[] {
		return this.#blocks[Number(number)] ?? [];
	}

	#headers(from: Height, to: Height): readonly BlockHeader[] {
		return this.#blocks
			.map((_, index) => headerAt(BigInt(index)))
			.filter(({ number }) => number >= from && number <= to);
	}

	async #read(key: MemoryKey): Promise<HandlerVersion | undefined> {
		const memory = this.#memories.get(key);
		return memory && { ...memory, expiresBlock: memory.expiresAtBlock, expiresTime: undefined };
	}

	#keep(height: Height, operations: readonly HandlerOperation[]): void {
		this.#kept.push({ height, operations });
		for (const each of operations) {
			const key = memoryKey(each.namespace, each.id);
			if (each.kind === "delete") this.#memories.delete(key);
			else this.#memories.set(key, { id: each.id, ...each.body });
		}
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
