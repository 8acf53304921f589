/**
 * A chain under a test's hands: an Anvil with the example token, blocks with given transfers, every
 * block recorded. Timestamps come from one clock that never repeats, so no branch ever repeats a block.
 */
import type { Anvil } from "../../scripts/support/anvil.ts";
import { devAccount } from "../../scripts/support/dev-accounts.ts";
import {
	deployToken,
	type SignedTransaction,
	type Token,
	tokenAt,
} from "../../scripts/support/token.ts";
import { ChainRecord, type RecordedBlock } from "./chain-record.ts";

/** Any moment before the machine's clock, so that all later timestamps can be given. */
export const GENESIS_TIMESTAMP = 1_700_000_000;

/** A transfer between dev accounts; `from` undefined: a mint. */
export interface Transfer {
	readonly from: number | undefined;
	readonly to: number;
	readonly value: bigint;
}

/** What goes into a block: new transfers, and signed ones again. */
export type Load = Transfer | SignedTransaction;

export interface Mined {
	readonly block: RecordedBlock;
	/** What the block was given, in order. */
	readonly sent: readonly SignedTransaction[];
}

export class TestChain {
	readonly node: Anvil;
	readonly token: Token;
	readonly record: ChainRecord;
	readonly #clock: { now: number };

	constructor(node: Anvil, token: Token, shared: { record: ChainRecord; clock: { now: number } }) {
		this.node = node;
		this.token = token;
		this.record = shared.record;
		this.#clock = shared.clock;
	}

	/** Deploys the token in block 1. The node must have begun at GENESIS_TIMESTAMP, without mining. */
	static async create(node: Anvil): Promise<TestChain> {
		const clock = { now: GENESIS_TIMESTAMP + 100 };
		await node.request("evm_setNextBlockTimestamp", [clock.now]);
		const token = await deployToken(node.rpcUrl);
		const record = new ChainRecord();
		await record.capture(node);
		return new TestChain(node, token, { record, clock });
	}

	/** The same chain on another node, from its genesis on, as long as both get equal blocks. */
	async twin(node: Anvil): Promise<TestChain> {
		await node.request("evm_setNextBlockTimestamp", [GENESIS_TIMESTAMP + 100]);
		await deployToken(node.rpcUrl);
		const shared = { record: this.record, clock: { now: GENESIS_TIMESTAMP + 100 } };
		await this.record.capture(node);
		return new TestChain(node, tokenAt(node.rpcUrl, this.token.address), shared);
	}

	/** Sends and mines one block. */
	async block(...loads: readonly Load[]): Promise<Mined> {
		const sent: SignedTransaction[] = [];
		for (const load of loads) sent.push(await this.#send(load));
		this.#clock.now += 12;
		await this.node.mineAt(this.#clock.now);
		return { block: await this.record.capture(this.node), sent };
	}

	/** Blocks without transactions. */
	async empty(blocks: number): Promise<void> {
		for (let index = 0; index < blocks; index += 1) await this.block();
	}

	/** Another time on the clock: what is mined next differs from what a twin mines. */
	diverge(): void {
		this.#clock.now += 1;
	}

	/** Drops the last blocks. */
	async drop(depth: number): Promise<void> {
		await this.node.rollback(depth);
		await this.record.capture(this.node);
	}

	/** Replaces the last blocks by as many others, as the node does it by itself. */
	async reorg(depth: number, ...first: readonly SignedTransaction[]): Promise<void> {
		this.#clock.now += 1_000;
		await this.node.request("evm_setNextBlockTimestamp", [this.#clock.now]);
		await this.node.reorg(
			depth,
			first.map(({ raw }) => [raw, 0] as const),
		);
		await this.record.capture(this.node);
		this.#clock.now += 100_000;
	}

	head(): Promise<RecordedBlock> {
		return this.record.capture(this.node);
	}

	async #send(load: Load): Promise<SignedTransaction> {
		if ("raw" in load) return this.token.send(load);
		const { from, to, value } = load;
		const request = { to: devAccount(to).address, value };
		return from === undefined
			? this.token.mint({ ...request, from: 0 })
			: this.token.transfer({ ...request, from });
	}
}
