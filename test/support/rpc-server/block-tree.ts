/**
 * Any tree of blocks, made when they are asked for: what a block holds follows from the seed, and only
 * its hash, bloom and receipts' root are kept. A million events are some hundred megabytes.
 *
 * On a branch that forks off, about half of the transactions are those of the branch that it left, at
 * the same height, so that a fork loses some and keeps others.
 */
import { LRUCache } from "lru-cache";
import { keccak256 } from "viem";
import type { Hex } from "../../../src/domain/ids.ts";
import type { RecordedBlock, RecordedLog } from "../chain-record.ts";
import type { Random } from "../random.ts";
import { ContentMaker, type TreeTransaction } from "./block-content.ts";
import {
	BLOOM_BYTES,
	bloomOf,
	type HardFork,
	hashOfHeader,
	headerOf,
	hexOf,
	type RawHeader,
	receiptsRootOf,
} from "./header.ts";

export interface TreeOptions {
	readonly seed: number;
	readonly token?: Hex;
	/** Accounts that transfer. Default 50. */
	readonly holders?: number;
	/** Of a block. Default: none to three. */
	readonly transactions?: (height: number, random: Random) => number;
	/** Of a transaction. Default: one, now and then two, some of them beside another contract's. */
	readonly transfers?: number;
	/** Default true. False: a root that is none, for trees so large that hashing receipts takes minutes. */
	readonly receiptRoots?: boolean;
	/** Default `prague`. */
	readonly hardFork?: HardFork;
	/** Default 12. */
	readonly blockSeconds?: number;
}

export interface TreeBlock {
	readonly number: number;
	readonly hash: Hex;
	readonly header: RawHeader;
	readonly transactions: readonly TreeTransaction[];
}

const TOKEN: Hex = "0x5fbdb2315678afecb367f032d93f642f64180aa3";
const GENESIS_TIMESTAMP = 1_700_000_000;
const NO_PARENT: Hex = `0x${"00".repeat(32)}`;
const HASH_BYTES = 32;
/** Hash, receipts' root, bloom. */
const RECORD_BYTES = HASH_BYTES * 2 + BLOOM_BYTES;
const FIRST_RECORDS = 256;
/** A walk back and the logs of a range ask for the same ones again. */
const KEPT_BLOCKS = 2_000;

export class BlockTree {
	readonly token: Hex;
	readonly trunk: Branch;
	readonly #options: TreeOptions;
	readonly #content: ContentMaker;
	readonly #places = new Map<Hex, { readonly branch: Branch; readonly height: number }>();
	readonly #kept = new LRUCache<string, readonly TreeTransaction[]>({ max: KEPT_BLOCKS });
	#branches = 0;

	constructor(options: TreeOptions) {
		this.#options = options;
		this.token = options.token ?? TOKEN;
		this.#content = new ContentMaker({
			seed: options.seed,
			token: this.token,
			holders: options.holders ?? 50,
			transactions: options.transactions ?? ((_height, random) => random.between(0, 3)),
			transfers: options.transfers,
		});
		this.trunk = this.#branch(undefined, 0, false);
	}

	/**
	 * Another branch, which shares the blocks of `branch` up to that height, inclusive; -1: none. It has some of
	 * the transactions that the other has above, unless it `keeps` none.
	 */
	fork(branch: Branch, ancestor: number, keeps = true): Branch {
		const base = ancestor < 0 ? undefined : branch.ownerOf(ancestor);
		return this.#branch(base, ancestor + 1, keeps);
	}

	/** Undefined: no such block was made yet. */
	place(hash: Hex): { readonly branch: Branch; readonly height: number } | undefined {
		return this.#places.get(hash);
	}

	block(branch: Branch, height: number): TreeBlock {
		const owner = branch.ownerOf(height);
		const record = owner.record(height);
		return {
			number: height,
			hash: hexOf(record.subarray(0, HASH_BYTES)),
			header: this.#header(owner, height, record),
			transactions: this.transactions(owner, height),
		};
	}

	/** Without the header, which costs most. */
	transactions(branch: Branch, height: number): readonly TreeTransaction[] {
		const owner = branch.ownerOf(height);
		const name = `${owner.id}:${height}`;
		const kept = this.#kept.get(name);
		if (kept !== undefined) return kept;
		const made = this.#keys(owner, height).map((key) => this.#content.transaction(key));
		this.#kept.set(name, made);
		return made;
	}

	/** Of the branch with that head, ascending, as the models take it. */
	branch(head: Hex): readonly RecordedBlock[] {
		const place = this.#places.get(head);
		if (place === undefined) throw new Error(`block ${head} was never made`);
		return Array.from({ length: place.height + 1 }, (_, height) =>
			this.recorded(place.branch, height),
		);
	}

	recorded(branch: Branch, height: number): RecordedBlock {
		const transactions = this.transactions(branch, height);
		const logs: RecordedLog[] = [];
		for (const { hash: transactionHash, logs: own } of transactions) {
			for (const log of own) logs.push({ ...log, transactionHash, logIndex: logs.length });
		}
		return {
			number: BigInt(height),
			hash: branch.hashAt(height),
			parentHash: height === 0 ? NO_PARENT : branch.hashAt(height - 1),
			timestamp: BigInt(this.timestamp(branch, height)),
			effects: new Map(transactions.map(({ hash, logs: own }) => [hash, JSON.stringify(own)])),
			logs,
		};
	}

	#branch(base: Branch | undefined, from: number, keeps: boolean): Branch {
		const id = this.#branches;
		this.#branches += 1;
		return new Branch(
			{ id, base, from, keeps },
			{
				make: (branch, height) => this.#make(branch, height),
				made: (branch, height, hash) => this.#places.set(hash, { branch, height }),
			},
		);
	}

	/** By the branch that owns it, or by the one that had it first. */
	#keys(owner: Branch, height: number): readonly string[] {
		if (height === 0) return [];
		const random = this.#content.random(owner.id, height);
		const count = this.#content.count(height, random);
		const { left } = owner;
		const theirs = left === undefined || height > owner.leftAt ? [] : this.#keys(left, height);
		return Array.from({ length: count }, (_, index) => {
			const kept = random.chance(0.5) ? theirs[index] : undefined;
			return kept ?? `${owner.id}:${height}:${index}`;
		});
	}

	#make(owner: Branch, height: number): Uint8Array {
		const transactions = this.transactions(owner, height);
		const record = Buffer.alloc(RECORD_BYTES);
		const { receiptRoots = true } = this.#options;
		if (receiptRoots) record.set(receiptsRootOf(transactions), HASH_BYTES);
		record.set(bloomOf(transactions.flatMap(({ logs }) => logs)), HASH_BYTES * 2);
		record.set(hashOfHeader(this.#header(owner, height, record)));
		return record;
	}

	#header(owner: Branch, height: number, record: Uint8Array): RawHeader {
		const { seed, hardFork = "prague" } = this.#options;
		return headerOf(
			{
				number: height,
				parentHash: height === 0 ? NO_PARENT : owner.hashAt(height - 1),
				timestamp: this.timestamp(owner, height),
				stateRoot: keccak256(Buffer.from(`${seed}:${owner.id}:${height}`)),
				transactions: this.transactions(owner, height).length,
				receiptsRoot: hexOf(record.subarray(HASH_BYTES, HASH_BYTES * 2)),
				logsBloom: hexOf(record.subarray(HASH_BYTES * 2)),
			},
			hardFork,
		);
	}

	/** Two branches differ in it, and it grows along each. */
	timestamp(branch: Branch, height: number): number {
		const { blockSeconds = 12 } = this.#options;
		const { id } = branch.ownerOf(height);
		return GENESIS_TIMESTAMP + height * blockSeconds + (id % Math.max(1, blockSeconds - 1));
	}
}

interface BranchSource {
	make(branch: Branch, height: number): Uint8Array;
	made(branch: Branch, height: number, hash: Hex): void;
}

/** One branch without an end: a block is made when its height is asked for. */
export class Branch {
	readonly id: number;
	/** Branch that this one left, which goes on without it. */
	readonly left: Branch | undefined;
	/** Last height that the other branch had then; -1: none of its transactions are kept. */
	readonly leftAt: number;
	/** First height of its own. */
	readonly from: number;
	readonly #source: BranchSource;
	#records = Buffer.alloc(RECORD_BYTES * FIRST_RECORDS);
	#count = 0;

	constructor(
		{
			id,
			base,
			from,
			keeps,
		}: { id: number; base: Branch | undefined; from: number; keeps: boolean },
		source: BranchSource,
	) {
		this.id = id;
		this.left = base;
		this.leftAt = keeps ? (base?.last ?? -1) : -1;
		this.from = from;
		this.#source = source;
	}

	/** Highest block that was asked for. */
	get last(): number {
		return this.from + this.#count - 1;
	}

	/** The branch whose block is there. */
	ownerOf(height: number): Branch {
		let owner: Branch = this;
		while (height < owner.from && owner.left !== undefined) owner = owner.left;
		return owner;
	}

	hashAt(height: number): Hex {
		const owner = this.ownerOf(height);
		return hexOf(owner.record(height).subarray(0, HASH_BYTES));
	}

	/** Of a height of its own. */
	record(height: number): Uint8Array {
		const index = height - this.from;
		if (index < 0) throw new RangeError(`height ${height} is below the branch`);
		while (this.#count <= index) this.#append();
		return this.#records.subarray(index * RECORD_BYTES, (index + 1) * RECORD_BYTES);
	}

	#append(): void {
		const height = this.from + this.#count;
		const record = this.#source.make(this, height);
		if ((this.#count + 1) * RECORD_BYTES > this.#records.length) {
			const wider = Buffer.alloc(this.#records.length * 2);
			wider.set(this.#records);
			this.#records = wider;
		}
		this.#records.set(record, this.#count * RECORD_BYTES);
		this.#count += 1;
		this.#source.made(this, height, hexOf(record.subarray(0, HASH_BYTES)));
	}
}
