/**
 * The simulated chain: a tree of blocks, of which one branch is canonical, and which changes its mind by a
 * seed. It is the truth of a run; what nodes show of it is sim-source.ts' affair.
 *
 * 1. What was final never changes: no branch that is shown differs from another at or below
 *    `finalHeight`, which is so many blocks below the highest block that ever was.
 * 2. A transaction is in a branch once at most; orphaned ones are mined again, later, with other effects or
 *    never.
 */
import type { ChainBlock, ChainLog, TransactionReceipt } from "../../src/domain/block.ts";
import type { Height, Hex } from "../../src/domain/ids.ts";
import type { Random } from "../support/random.ts";
import type { ModelBlock, ModelChain } from "../support/reference-model.ts";
import {
	ADDRESS,
	dataOf,
	drawEvents,
	LEDGER,
	type Ledger,
	type LedgerEvent,
	runLedger,
	topicOf,
} from "./sim-ledger.ts";

/** Blocks under the highest that ever was that are final. */
export const SIM_DEPTH_BLOCKS = 12;
/** Seconds since the epoch of the genesis block. */
const GENESIS_TIME = 1_767_225_600n;
/** Of which a transaction that comes back has other effects, and is never seen again. */
const OTHER_EFFECTS = 0.15;
const DROPPED = 0.1;

export interface SimTransaction {
	readonly hash: Hex;
	/** Its number, wherever it is mined and whatever it does there. */
	readonly mark: string;
	readonly events: readonly LedgerEvent[];
	readonly status: TransactionReceipt["status"];
}

/** A block as a node gives it, as the reference model takes it, and what it was made from. */
export interface SimBlock extends ChainBlock, ModelBlock {
	readonly number: Height;
	readonly hash: Hex;
	readonly timestamp: bigint;
	readonly content: readonly SimTransaction[];
	/** What handlers hold after it. */
	readonly ledger: Ledger;
	/** In order. */
	readonly logs: readonly ChainLog[];
}

export const STEP_TYPES = [
	"extend",
	"burst",
	"sibling",
	"fork",
	"deep_fork",
	"shrink",
	"return",
	"fork_on_fork",
] as const;
export type StepType = (typeof STEP_TYPES)[number];

/** What happened; `depth`: blocks that were orphaned. */
export interface ChainStep {
	readonly type: StepType;
	readonly head: Hex;
	readonly depth: number;
}

/** How often each comes; what cannot happen now is an extension. */
const WEIGHTS: Readonly<Record<StepType, number>> = {
	extend: 60,
	burst: 6,
	sibling: 8,
	fork: 9,
	deep_fork: 3,
	shrink: 4,
	return: 6,
	fork_on_fork: 4,
};

export interface SimChainOptions {
	readonly random: Random;
	/** Whether nodes give orphaned blocks by their hash; then no shrink is ever believed. */
	readonly servesOrphans: boolean;
	readonly depthBlocks?: number | undefined;
	/** How often a step of each type comes, where it is not as usual. */
	readonly weights?: Readonly<Partial<Record<StepType, number>>> | undefined;
}

export class SimChain {
	readonly genesis: SimBlock;
	readonly servesOrphans: boolean;
	readonly depthBlocks: number;
	/** Steps by type, and transactions: again, otherEffects, dropped. */
	readonly counts: Record<string, number> = {};
	readonly #random: Random;
	readonly #weights: readonly (readonly [StepType, number])[];
	readonly #blocks = new Map<Hex, SimBlock>();
	readonly #branches = new Map<Hex, readonly SimBlock[]>();
	/** Tips that were left, the latest last. */
	readonly #left: SimBlock[] = [];
	/** Orphaned transactions that may be mined again. */
	readonly #pool = new Map<Hex, SimTransaction>();
	readonly #listeners = new Set<() => void>();
	#head: SimBlock;
	#highest: Height = 0n;
	#transactions = 0;

	constructor({ random, servesOrphans, depthBlocks, weights }: SimChainOptions) {
		this.#random = random;
		this.servesOrphans = servesOrphans;
		this.depthBlocks = depthBlocks ?? SIM_DEPTH_BLOCKS;
		this.#weights = STEP_TYPES.map((type) => [type, weights?.[type] ?? WEIGHTS[type]]);
		this.genesis = this.#add(undefined, [], 0);
		this.#head = this.genesis;
	}

	/** Of the canonical branch. */
	get head(): SimBlock {
		return this.#head;
	}

	/** Blocks that there ever were. */
	get size(): number {
		return this.#blocks.size;
	}

	/** Highest height that no branch which is shown can change any more. */
	get finalHeight(): Height {
		const height = this.#highest - BigInt(this.depthBlocks);
		return height > 0n ? height : 0n;
	}

	/** From the genesis block to that one, ascending. */
	branch(head: Hex): readonly SimBlock[] {
		const known = this.#branches.get(head);
		if (known !== undefined) return known;
		const block = this.block(head);
		if (block === undefined) throw new RangeError(`there is no block ${head}`);
		const below = block.number === 0n ? [] : this.branch(block.parentHash);
		const branch = [...below, block];
		this.#branches.set(head, branch);
		return branch;
	}

	block(hash: Hex): SimBlock | undefined {
		return this.#blocks.get(hash);
	}

	/** Block of the branch of `head` at that height; undefined: above it. */
	at(head: SimBlock, height: Height): SimBlock | undefined {
		return this.branch(head.hash)[Number(height)];
	}

	isOn(head: SimBlock, block: SimBlock): boolean {
		return this.at(head, block.number)?.hash === block.hash;
	}

	/** Where a transaction stands on the branch of `head`, and what it did there. */
	receipt(head: SimBlock, transactionHash: Hex): TransactionReceipt | undefined {
		const holder = this.branch(head.hash).findLast((block) =>
			block.transactions.includes(transactionHash),
		);
		const transaction = holder?.content.find(({ hash }) => hash === transactionHash);
		if (holder === undefined || transaction === undefined) return undefined;
		return {
			transactionHash,
			blockHash: holder.hash,
			blockNumber: holder.number,
			status: transaction.status,
			logs: holder.logs.filter((log) => log.transactionHash === transactionHash),
		};
	}

	/** Tips that were left for another branch and may still be shown, the latest last. */
	get left(): readonly SimBlock[] {
		const final = this.at(this.#head, this.finalHeight);
		return this.#left.filter((tip) => final !== undefined && this.isOn(tip, final));
	}

	/** As the reference model sees it. */
	get model(): ModelChain {
		return { branch: (head) => this.branch(head as Hex) };
	}

	/** Calls `listener` after each step; the answer ends it. */
	onStep(listener: () => void): () => void {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	/** One thing happens to the chain. */
	step(): ChainStep {
		const before = this.#head;
		const type = this.#take(this.#draw());
		this.counts[type] = (this.counts[type] ?? 0) + 1;
		const shared = sharedHeight(this.branch(before.hash), this.branch(this.#head.hash));
		for (const listener of this.#listeners) listener();
		return { type, head: this.#head.hash, depth: Number(before.number - shared) };
	}

	/**
	 * The last of a run: a head that everybody who follows comes to. Above all that ever was, unless a lower
	 * one can be believed too.
	 */
	settle(): void {
		const mayStay = !this.servesOrphans && this.#random.chance(0.3);
		const goal = mayStay ? this.#head.number : this.#highest + 1n;
		while (this.#head.number < goal) this.#grow(1);
		for (const listener of this.#listeners) listener();
	}

	/** A block of one's own making on `parent`, which becomes the head. */
	mine(parent: SimBlock, content: readonly SimTransaction[] = []): SimBlock {
		this.#leaveFor(parent);
		this.#head = this.#add(parent, content, this.#random.between(1, 12));
		return this.#head;
	}

	/** Of nobody's: with events of their own. */
	transaction(): SimTransaction {
		this.#transactions += 1;
		const mark = this.#transactions.toString();
		return {
			hash: hashOf("a", this.#transactions),
			mark,
			events: drawEvents(this.#random, mark),
			status: this.#random.chance(0.9) ? "success" : "reverted",
		};
	}

	#draw(): StepType {
		let place = this.#random.next() * this.#weights.reduce((sum, [, weight]) => sum + weight, 0);
		for (const [type, weight] of this.#weights) {
			place -= weight;
			if (place < 0) return type;
		}
		return "extend";
	}

	/** What was done in the end. */
	#take(type: StepType): StepType {
		switch (type) {
			case "burst":
				this.#grow(this.#random.between(3, 7));
				return type;
			case "sibling":
				return this.#fork(1, 1) ? type : this.#extend();
			case "fork": {
				const depth = this.#random.between(1, 3);
				const length = this.#random.between(1, depth + 2);
				return this.#fork(depth, length) ? type : this.#extend();
			}
			case "deep_fork": {
				const depth = this.#random.between(5, this.depthBlocks - 1);
				const length = this.#random.between(1, depth + 2);
				return this.#fork(depth, length) ? type : this.#extend();
			}
			case "shrink":
				return this.#fork(this.#random.between(1, 3), 0) ? type : this.#extend();
			case "fork_on_fork":
				return this.#forkOnFork() ? type : this.#extend();
			case "return":
				return this.#return() ? type : this.#extend();
			case "extend":
				return this.#extend();
		}
	}

	#extend(): "extend" {
		this.#grow(1);
		return "extend";
	}

	#grow(count: number): void {
		for (let index = 0; index < count; index += 1) {
			this.#head = this.#add(this.#head, this.#content(), this.#random.between(1, 12));
		}
	}

	/** Leaves `depth` blocks for `length` others. False: some of them are final. */
	#fork(depth: number, length: number): boolean {
		const height = this.#head.number - BigInt(depth);
		if (height < this.finalHeight) return false;
		const ancestor = this.at(this.#head, height);
		if (ancestor === undefined) return false;
		this.#leaveFor(ancestor);
		this.#head = ancestor;
		this.#grow(length);
		return true;
	}

	/** A fork, and another one that begins in or below the new branch before anybody can have followed. */
	#forkOnFork(): boolean {
		const depth = this.#random.between(1, 3);
		if (!this.#fork(depth, depth + this.#random.between(0, 1))) return false;
		this.#fork(this.#random.between(1, depth + 1), this.#random.between(1, 4));
		return true;
	}

	/** A branch that was left wins after all: A, B, A. */
	#return(): boolean {
		const others = this.left.filter((tip) => !this.isOn(this.#head, tip));
		const tip = others.at(-1);
		if (tip === undefined) return false;
		const chosen = this.#random.chance(0.7) ? tip : this.#random.oneOf(others);
		this.#leaveFor(chosen);
		this.#head = chosen;
		if (this.#random.chance(0.5)) this.#grow(this.#random.between(1, 2));
		return true;
	}

	/** Remembers the head, and what was in the blocks that `next` does not stand on. */
	#leaveFor(next: SimBlock): void {
		const before = this.branch(this.#head.hash);
		const orphaned = before.slice(Number(sharedHeight(before, this.branch(next.hash))) + 1);
		if (orphaned.length === 0) return;
		this.#left.push(this.#head);
		for (const transaction of orphaned.flatMap(({ content }) => content)) {
			this.#pool.set(transaction.hash, transaction);
		}
	}

	/** Some of those that were orphaned, and new ones. */
	#content(): readonly SimTransaction[] {
		const again = [...this.#pool.values()].filter(() => this.#random.chance(0.5));
		const returning = again.flatMap((transaction) => this.#again(transaction) ?? []);
		const fresh = Array.from({ length: this.#random.between(0, 2) }, () => this.transaction());
		return this.#random.chance(0.5) ? [...returning, ...fresh] : [...fresh, ...returning];
	}

	/** Undefined: it is not to come now. */
	#again(transaction: SimTransaction): SimTransaction | undefined {
		this.#pool.delete(transaction.hash);
		if (this.receipt(this.#head, transaction.hash) !== undefined) return undefined;
		if (this.#random.chance(DROPPED)) return this.#counted("dropped", undefined);
		if (!this.#random.chance(OTHER_EFFECTS)) return this.#counted("again", transaction);
		const events = drawEvents(this.#random, transaction.mark);
		return this.#counted("otherEffects", { ...transaction, events });
	}

	#counted<What>(name: string, what: What): What {
		this.counts[name] = (this.counts[name] ?? 0) + 1;
		return what;
	}

	#add(
		parent: SimBlock | undefined,
		content: readonly SimTransaction[],
		secondsLater: number,
	): SimBlock {
		const number = parent === undefined ? 0n : parent.number + 1n;
		const hash = hashOf("b", this.#blocks.size + 1);
		const events = content.flatMap((each) => (each.status === "success" ? each.events : []));
		const { ledger, writes } = runLedger(parent?.ledger ?? new Map(), events, number);
		const block: SimBlock = {
			number,
			hash,
			parentHash: parent?.hash ?? `0x${"00".repeat(32)}`,
			timestamp: (parent?.timestamp ?? GENESIS_TIME) + BigInt(secondsLater),
			logsBloom: undefined,
			transactions: content.map((each) => each.hash),
			content,
			logs: logsOf({ number, hash }, content),
			effects: new Map(content.map((each) => [each.hash, effectsOf(each)])),
			writes: writes.map((write) => ({ namespace: LEDGER, ...write })),
			ledger,
		};
		this.#blocks.set(hash, block);
		if (number > this.#highest) this.#highest = number;
		return block;
	}
}

/** Told from others by its first eight digits. */
function hashOf(kind: "a" | "b", nth: number): Hex {
	return `0x${(kind + nth.toString().padStart(7, "0")).padEnd(64, "0")}`;
}

/** Only by its status and its logs, as anchors see it. */
function effectsOf({ events, status }: SimTransaction): string {
	return status === "success" ? JSON.stringify(events) : status;
}

function logsOf(
	block: { readonly number: Height; readonly hash: Hex },
	content: readonly SimTransaction[],
): readonly ChainLog[] {
	const events = content.flatMap(({ hash, status, events: told }, transactionIndex) =>
		(status === "success" ? told : []).map((event) => ({ hash, transactionIndex, event })),
	);
	return events.map(({ hash, transactionIndex, event }, logIndex) => ({
		address: ADDRESS,
		topics: [topicOf(event)],
		data: dataOf(event),
		blockNumber: block.number,
		blockHash: block.hash,
		transactionHash: hash,
		transactionIndex,
		logIndex,
	}));
}

/** Highest height at which both have the same block. */
function sharedHeight(left: readonly SimBlock[], right: readonly SimBlock[]): Height {
	let height = Math.min(left.length, right.length) - 1;
	while (height > 0 && left[height]?.hash !== right[height]?.hash) height -= 1;
	return BigInt(height);
}
