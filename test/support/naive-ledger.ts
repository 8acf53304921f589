/**
 * What chains/anvil.ts says that its handlers remember, made anew from a branch's logs, without a line
 * of the handlers.
 */
import type { ChainRecord, RecordedBlock, RecordedLog } from "./chain-record.ts";
import type { Json, Says } from "./reference-history.ts";
import type { ModelBlock, ModelChain } from "./reference-model.ts";

type Writes = ModelBlock["writes"];
type Content = Readonly<Record<string, Json>>;

/** Transfer(address,address,uint256) */
const TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";

/** Blocks with what the ledger of `token` writes in them. */
export function ledgerChain(record: Pick<ChainRecord, "branch">, token: string): ModelChain {
	return {
		branch(head) {
			const ledger = new NaiveLedger(token);
			return record
				.branch(head as RecordedBlock["hash"])
				.map((block) => ({ ...block, writes: ledger.book(block) }));
		},
	};
}

class NaiveLedger {
	readonly #token: string;
	/** Newest content of each holder and recent list. */
	readonly #books = new Map<string, Content>();

	constructor(token: string) {
		this.#token = token;
	}

	book(block: RecordedBlock): Writes {
		const transfers = block.logs.filter(
			({ address, topics }) => address === this.#token && topics[0] === TRANSFER,
		);
		return transfers.flatMap((log) => this.#transfer(log, transfers, block));
	}

	#transfer(log: RecordedLog, all: readonly RecordedLog[], block: RecordedBlock): Writes {
		const [from, to] = log.topics.slice(1).map((topic) => `0x${topic.slice(26)}`);
		const value = BigInt(log.data);
		const ofSame = all.filter(({ transactionHash }) => transactionHash === log.transactionHash);
		const id = `transfer:${log.transactionHash}:${ofSame.indexOf(log)}`;
		const { token, number } = { token: this.#token, number: block.number };
		const place = { blockNumber: `${number}`, blockHash: block.hash, logIndex: `${log.logIndex}` };
		const event: Says = {
			layer: "episodic",
			content: { token, from: `${from}`, to: `${to}`, value: `${value}`, ...place },
			text: `${from} transferred ${value} of token ${token} to ${to} in block ${number}`,
		};
		const sides =
			from === to
				? [[from, 0n] as const]
				: ([
						[from, -value],
						[to, value],
					] as const);
		return [
			{ namespace: "ledger", id, says: event },
			...sides.flatMap(([address, change]) => this.#side(`${address}`, change, id, number)),
		];
	}

	#side(address: string, change: bigint, transfer: string, number: bigint): Writes {
		const about = { token: this.#token, address };
		const names = {
			holder: `holder:${this.#token}:${address}`,
			recent: `recent:${this.#token}:${address}`,
		};
		const holder = this.#books.get(names.holder);
		const last = this.#books.get(names.recent);
		const isOver = last !== undefined && BigInt(String(last["lastBlock"])) + 256n <= number;
		const recent = isOver ? undefined : last;
		const balance = BigInt(String(holder?.["balance"] ?? 0)) + change;
		const transfers = BigInt(String(holder?.["transfers"] ?? 0)) + 1n;
		const earlier = (recent?.["transfers"] ?? []) as readonly string[];
		const lastBlock = `${number}`;
		const books = {
			holder: { ...about, balance: `${balance}`, transfers: `${transfers}`, lastBlock },
			recent: { ...about, transfers: [transfer, ...earlier].slice(0, 10), lastBlock },
		};
		this.#books.set(names.holder, books.holder);
		this.#books.set(names.recent, books.recent);
		return [
			{ namespace: "ledger", id: names.holder, says: { layer: "semantic", content: books.holder } },
			{
				namespace: "ledger",
				id: names.recent,
				says: { layer: "short_term", content: books.recent, expiresAtBlock: number + 256n },
			},
		];
	}
}
