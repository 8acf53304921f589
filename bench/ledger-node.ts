/**
 * An Anvil with the example token and a fixed number of transfers in every block, on the main branch
 * and on forks alike. Nonces are counted here, so that a whole branch can be signed in advance.
 */
import { createHash } from "node:crypto";
import type { Hex } from "viem";
import { startAnvil } from "../scripts/support/anvil.ts";
import { devAccount } from "../scripts/support/dev-accounts.ts";
import { deployToken, type Token } from "../scripts/support/token.ts";

/** One by each of as many accounts. */
export const TRANSFERS_PER_BLOCK = 4;
/** Recipients, in turn: every block overwrites some holders and recent lists of earlier blocks. */
const HOLDERS = 1_000;
const FUNDS = 10n ** 24n;

export interface LedgerNode {
	readonly rpcUrl: string;
	readonly wsUrl: string;
	readonly token: Hex;
	/** Mines blocks of transfers; answers the hash of the last. */
	mine(blocks: number): Promise<Hex>;
	/** Mines blocks without transactions; answers the hash of the last. */
	mineEmpty(blocks: number): Promise<Hex>;
	/** Signs `mine`'s next block in advance; the function mines it and answers its hash. */
	readyBlock(): Promise<() => Promise<Hex>>;
	/** The same for a fork that replaces the last `depth` blocks by as many others. */
	readyFork(depth: number): Promise<() => Promise<Hex>>;
	head(): Promise<Hex>;
	stop(): Promise<void>;
}

export interface LedgerNodeOptions {
	/** Anvil's own if left out. */
	readonly chainId?: number;
	/** Recipients in turn; 1,000 if left out. */
	readonly holders?: number;
}

export async function startLedgerNode({
	chainId,
	holders = HOLDERS,
}: LedgerNodeOptions = {}): Promise<LedgerNode> {
	const anvil = await startAnvil(chainId === undefined ? {} : { chainId });
	try {
		const token = await deployToken(anvil.rpcUrl);
		const nonces = await fund(anvil, token);
		let sent = 0;
		const signBlock = async (behind: number): Promise<readonly Hex[]> => {
			const signed = nonces.map((nonce, from) => {
				sent += 1;
				return token.signTransfer({
					from,
					nonce: nonce - behind,
					to: recipient(sent, holders),
					value: BigInt(sent),
				});
			});
			return (await Promise.all(signed)).map(({ raw }) => raw);
		};
		const head = async () =>
			(await anvil.request<{ hash: Hex }>("eth_getBlockByNumber", ["latest", false])).hash;
		const readyBlock = async () => {
			for (const raw of await signBlock(0)) await anvil.request("eth_sendRawTransaction", [raw]);
			for (const [account, nonce] of nonces.entries()) nonces[account] = nonce + 1;
			return async () => {
				await anvil.mine();
				return head();
			};
		};
		return {
			rpcUrl: anvil.rpcUrl,
			wsUrl: anvil.wsUrl,
			token: token.address,
			readyBlock,
			head,
			mine: async (blocks) => {
				for (let block = 0; block < blocks; block += 1) await (await readyBlock())();
				return head();
			},
			mineEmpty: async (blocks) => {
				for (let block = 0; block < blocks; block += 1) await anvil.mine();
				return head();
			},
			readyFork: async (depth) => {
				const transfers: [Hex, number][] = [];
				for (let offset = 0; offset < depth; offset += 1) {
					for (const raw of await signBlock(depth - offset)) transfers.push([raw, offset]);
				}
				return async () => {
					await anvil.reorg(depth, transfers);
					return head();
				};
			},
			stop: () => anvil.stop(),
		};
	} catch (error) {
		await anvil.stop();
		throw error;
	}
}

/** Gives every sender tokens; answers their next nonces. */
async function fund(
	anvil: Awaited<ReturnType<typeof startAnvil>>,
	token: Token,
): Promise<number[]> {
	const senders = Array.from({ length: TRANSFERS_PER_BLOCK }, (_, i) => devAccount(i).address);
	for (const to of senders) await token.mint({ to, value: FUNDS });
	await anvil.mine();
	return Promise.all(
		senders.map(async (sender) =>
			Number(await anvil.request<Hex>("eth_getTransactionCount", [sender, "latest"])),
		),
	);
}

/** A stride that shares no factor with the number of holders visits them all. */
function recipient(transfer: number, holders: number): Hex {
	const holder = (transfer * 379) % holders;
	return `0x${createHash("sha256").update(`holder ${holder}`).digest("hex").slice(0, 40)}`;
}
