/** A node with a history of token transfers, and a fork of it in which some of them come back. */

import type { Anvil } from "../../scripts/support/anvil.ts";
import { devAccount } from "../../scripts/support/dev-accounts.ts";
import { deployToken, type SignedTransaction, type Token } from "../../scripts/support/token.ts";
import type { Hex } from "../../src/domain/ids.ts";
import { startAnvil } from "./anvil.ts";

/** Blocks of one transfer each that `forkAway` takes back. */
const FORK_DEPTH = 3;
/** Pays the transfers that agents anchor to; account 0 pays the others. */
const ANCHOR_PAYER = 1;

export interface ForkedLedger {
	readonly anvil: Anvil;
	readonly token: Token;
	/** Mines `blocks` blocks of one transfer each. */
	grow(blocks: number): Promise<void>;
	/** Mines the blocks that will be taken back; they hold two transfers for agents to anchor to. */
	growForkable(): Promise<{ readonly returning: Hex; readonly lost: Hex }>;
	/** Takes those blocks back; the new branch has one block more, and one of the two transfers. */
	forkAway(): Promise<void>;
}

export async function startForkedLedger(
	options: { readonly chainId?: number } = {},
): Promise<ForkedLedger> {
	const anvil = await startAnvil(options);
	const token = await deployToken(anvil.rpcUrl);
	for (const holder of [0, ANCHOR_PAYER]) {
		await token.mint({ to: devAccount(holder).address, value: 1_000_000n });
	}
	await anvil.mine();
	let value = 0n;
	const pay = async (): Promise<void> => {
		value += 1n;
		const to = devAccount(2 + Number(value % 3n)).address;
		await token.transfer({ to, value });
	};
	let returning: SignedTransaction | undefined;
	return {
		anvil,
		token,
		async grow(blocks) {
			for (let block = 0; block < blocks; block += 1) {
				await pay();
				await anvil.mine();
			}
		},
		async growForkable() {
			const to = devAccount(5).address;
			returning = await token.transfer({ from: ANCHOR_PAYER, to, value: 77n });
			await anvil.mine();
			const lost = await token.transfer({ from: ANCHOR_PAYER, to, value: 88n });
			await anvil.mine();
			await pay();
			await anvil.mine();
			return { returning: returning.hash, lost: lost.hash };
		},
		async forkAway() {
			const to = devAccount(6).address;
			const other = await token.signTransfer({ to, value: 1_000n, nonce: await nonceBelow() });
			await anvil.reorg(FORK_DEPTH, [
				[other.raw, 0],
				...(returning === undefined ? [] : ([[returning.raw, 1]] as const)),
			]);
			await pay();
			await anvil.mine();
		},
	};

	/** Of account 0 at the block below those that are taken back. */
	async function nonceBelow(): Promise<number> {
		const height = (await anvil.blockNumber()) - BigInt(FORK_DEPTH);
		const count = await anvil.request<Hex>("eth_getTransactionCount", [
			devAccount(0).address,
			`0x${height.toString(16)}`,
		]);
		return Number(count);
	}
}
