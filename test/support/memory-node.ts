/**
 * A node in memory: a tree of blocks, of which one branch is canonical. Transactions say in their logs
 * what the one handler writes, so one with other effects is one with other logs.
 */
import type { ChainBlock, ChainLog, TransactionReceipt } from "../../src/domain/block.ts";
import type { Hex } from "../../src/domain/ids.ts";
import type { Layer } from "../../src/domain/layer.ts";
import type { ChainSource } from "../../src/follower/chain-source.ts";
import type { ChainSpec, EventHandler } from "../../src/follower/chain-spec.ts";
import { oneContract } from "./one-contract.ts";
import type { Says } from "./reference-history.ts";
import type { ModelBlock, ModelChain } from "./reference-model.ts";

const ADDRESS: Hex = `0x${"aa".repeat(20)}`;
const TOPIC: Hex = `0x${"ee".repeat(32)}`;
export const HANDLERS_NAMESPACE = "ledger";
const HANDLERS: Hex = `0x${"42".repeat(32)}`;

/** What a transaction makes the handler write; `says` undefined: delete. */
export interface NodeWrite {
	readonly id: string;
	readonly says: Pick<Says, "layer" | "content" | "expiresAtBlock"> | undefined;
}

export interface NodeTransaction {
	readonly hash: Hex;
	readonly writes: readonly NodeWrite[];
}

export interface NodeBlock extends ChainBlock {
	readonly content: readonly NodeTransaction[];
}

export class MemoryNode {
	readonly #blocks = new Map<Hex, NodeBlock>();
	#made = 0;

	/** A block on `parent`; undefined: the genesis block. */
	mine(
		parent: NodeBlock | undefined,
		content: readonly NodeTransaction[],
		secondsLater: number,
	): NodeBlock {
		this.#made += 1;
		const hash: Hex = `0x${this.#made.toString(16).padStart(64, "0")}`;
		const block: NodeBlock = {
			number: parent === undefined ? 0n : parent.number + 1n,
			hash,
			parentHash: parent?.hash ?? `0x${"00".repeat(32)}`,
			timestamp: (parent?.timestamp ?? 1_000n) + BigInt(secondsLater),
			logsBloom: undefined,
			transactions: content.map((each) => each.hash),
			content,
		};
		this.#blocks.set(hash, block);
		return block;
	}

	branch(head: Hex): readonly NodeBlock[] {
		const blocks: NodeBlock[] = [];
		for (let block = this.#blocks.get(head); block; block = this.#blocks.get(block.parentHash)) {
			blocks.push(block);
		}
		return blocks.reverse();
	}

	receiptIn(block: NodeBlock, transactionHash: Hex): TransactionReceipt {
		return receiptIn(block, transactionHash);
	}

	/** As the reference model sees it. */
	get model(): ModelChain {
		return { branch: (head) => this.branch(head as Hex).map(modelBlock) };
	}

	/** What a follower asks while `head` is the newest block. */
	source(head: () => NodeBlock): ChainSource {
		const source: Partial<ChainSource> = {
			blockByHash: async (hash) => this.#blocks.get(hash),
			logsOfBlock: async ({ hash }) => logsOf(this.#blocks.get(hash)),
			logsOfBlocks: async (blocks) => blocks.map(({ hash }) => logsOf(this.#blocks.get(hash))),
			receipt: async (hash) => {
				const holder = this.branch(head().hash).find((block) => block.transactions.includes(hash));
				return holder && receiptIn(holder, hash);
			},
		};
		return source as ChainSource;
	}
}

/** One handler, which does what the log says. */
export function nodeSpec(): ChainSpec {
	const handler: EventHandler = {
		name: "Node:Write",
		decode: ({ data }) => decoded(data),
		run: async ({ event, memory }) => {
			const { id, says } = event.args as unknown as NodeWrite;
			if (says === undefined) await memory.delete(id);
			else await memory.put({ id, ...says, layer: says.layer as Layer } as never);
		},
	};
	return {
		startBlock: 0n,
		namespaces: [HANDLERS_NAMESPACE],
		contracts: [oneContract(ADDRESS, new Map([[TOPIC, handler]]), HANDLERS_NAMESPACE)],
		intervals: [],
		handlersHash: HANDLERS,
	} as unknown as ChainSpec;
}

function modelBlock({ number, hash, timestamp, content }: NodeBlock): ModelBlock {
	return {
		number,
		hash,
		timestamp,
		effects: new Map(content.map((each) => [each.hash, encoded(each.writes)])),
		writes: content.flatMap(({ writes }) =>
			writes.map(({ id, says }) => ({ namespace: HANDLERS_NAMESPACE, id, says })),
		),
	};
}

function logsOf(block: NodeBlock | undefined): readonly ChainLog[] {
	if (block === undefined) throw new RangeError("no such block");
	const logs = block.content.flatMap(({ hash, writes }, index) =>
		writes.map((write) => ({ transactionHash: hash, transactionIndex: index, write })),
	);
	return logs.map(({ write, ...place }, logIndex) => ({
		...place,
		logIndex,
		address: ADDRESS,
		topics: [TOPIC],
		data: encoded(write),
		blockNumber: block.number,
		blockHash: block.hash,
	}));
}

function receiptIn(block: NodeBlock, transactionHash: Hex): TransactionReceipt {
	return {
		transactionHash,
		blockHash: block.hash,
		blockNumber: block.number,
		status: "success",
		logs: logsOf(block).filter((log) => log.transactionHash === transactionHash),
	};
}

function encoded(value: unknown): Hex {
	const json = JSON.stringify(value, (_key, each: unknown) =>
		typeof each === "bigint" ? `n${each}` : each,
	);
	return `0x${Buffer.from(json).toString("hex")}`;
}

function decoded(data: Hex): unknown {
	return JSON.parse(Buffer.from(data.slice(2), "hex").toString(), (_key, each: unknown) =>
		typeof each === "string" && /^n\d+$/.test(each) ? BigInt(each.slice(1)) : each,
	);
}
