/**
 * Every block that a node ever had during a test, by hash, with what its transactions did: a node
 * forgets the branches that it leaves. Capture after each step that changes the chain.
 *
 * It states what happened on chain by itself, without a line of what is tested.
 */
import type { Anvil } from "../../scripts/support/anvil.ts";
import type { Hex } from "../../src/domain/ids.ts";

export interface RecordedBlock {
	readonly number: bigint;
	readonly hash: Hex;
	readonly parentHash: Hex;
	/** What each of its transactions did, as text to compare; by transaction hash. */
	readonly effects: ReadonlyMap<Hex, string>;
	/** Seconds. */
	readonly timestamp: bigint;
	/** In order. */
	readonly logs: readonly RecordedLog[];
}

export interface RecordedLog {
	readonly address: Hex;
	readonly topics: readonly Hex[];
	readonly data: Hex;
	readonly transactionHash: Hex;
	/** Index in the block. */
	readonly logIndex: number;
}

interface RawBlock {
	readonly timestamp: Hex;
	readonly number: Hex;
	readonly hash: Hex;
	readonly parentHash: Hex;
	readonly transactions: readonly Hex[];
}

interface RawReceipt {
	readonly transactionHash: Hex;
	readonly status: Hex;
	readonly logs: readonly {
		readonly address: Hex;
		readonly topics: readonly Hex[];
		readonly data: Hex;
		readonly logIndex: Hex;
	}[];
}

export class ChainRecord {
	readonly #blocks = new Map<Hex, RecordedBlock>();

	/** Takes in what is new between the node's head and what is known. Answers the head. */
	async capture(node: Pick<Anvil, "request">): Promise<RecordedBlock> {
		let raw = await node.request<RawBlock>("eth_getBlockByNumber", ["latest", false]);
		const head = raw.hash;
		while (!this.#blocks.has(raw.hash)) {
			this.#blocks.set(raw.hash, await recorded(node, raw));
			if (BigInt(raw.number) === 0n) break;
			raw = await node.request<RawBlock>("eth_getBlockByHash", [raw.parentHash, false]);
		}
		return this.block(head);
	}

	/** Throws for a block that no capture saw. */
	block(hash: Hex): RecordedBlock {
		const block = this.#blocks.get(hash);
		if (block === undefined) throw new Error(`block ${hash} was never captured`);
		return block;
	}

	/** From the genesis block to that one, ascending. */
	branch(head: Hex): readonly RecordedBlock[] {
		const blocks: RecordedBlock[] = [];
		for (let hash = head; ; ) {
			const block = this.block(hash);
			blocks.push(block);
			if (block.number === 0n) return blocks.reverse();
			hash = block.parentHash;
		}
	}
}

async function recorded(node: Pick<Anvil, "request">, raw: RawBlock): Promise<RecordedBlock> {
	const receipts =
		raw.transactions.length === 0
			? []
			: await node.request<readonly RawReceipt[]>("eth_getBlockReceipts", [raw.number]);
	return {
		number: BigInt(raw.number),
		hash: raw.hash,
		parentHash: raw.parentHash,
		effects: new Map(receipts.map((receipt) => [receipt.transactionHash, effectsOf(receipt)])),
		timestamp: BigInt(raw.timestamp),
		logs: receipts.flatMap(({ transactionHash, logs }) =>
			logs.map((log) => ({ ...log, transactionHash, logIndex: Number(log.logIndex) })),
		),
	};
}

function effectsOf({ status, logs }: RawReceipt): string {
	return JSON.stringify([status, logs.map(({ address, topics, data }) => [address, topics, data])]);
}
