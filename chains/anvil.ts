/**
 * The example chain: an ERC-20 token's ledger, on a local Anvil or, by the environment, any ERC-20 on
 * any node. Its memories are all in namespace `ledger`:
 *
 * - `transfer:{txHash}:{k}` (episodic): one a Transfer; k is the index among the logs of its
 *   transaction that the contract filter matched. Content {token, from, to, value, blockNumber,
 *   blockHash, logIndex}, and a sentence of text that is embedded.
 * - `holder:{token}:{address}` (semantic): {token, address, balance, transfers, lastBlock}. The
 *   balance is net since the start block, so it may be negative; the zero address is a holder too; a
 *   transfer to oneself counts once and leaves the balance.
 * - `recent:{token}:{address}` (short_term): the last ten transfer ids of the address, newest first,
 *   visible up to height lastBlock + 255.
 *
 * Numbers are decimal strings, addresses lower case.
 */
import { tokenAbi } from "../contracts/out/token.ts";
import { type ExampleChainSettings, exampleChainSettings } from "../src/config/environment.ts";
import { defineChain, type HandlerMemoryAccess } from "../src/follower/define-chain.ts";

/** What the first account of a fresh Anvil deploys first. */
const FIRST_DEPLOYMENT = "0x5fbdb2315678afecb367f032d93f642f64180aa3";
const LOCAL_ANVIL = "http://127.0.0.1:8545";

const RECENT_TRANSFERS = 10;
/** Blocks for which a recent list is visible, the last transfer's own included. */
const RECENT_BLOCKS = 256n;

interface Transfer {
	readonly id: string;
	readonly token: string;
	readonly block: bigint;
}

/** Adds `change` to the balance of one side, and the transfer to what it did lately. */
async function book(
	memory: HandlerMemoryAccess,
	transfer: Transfer,
	side: { readonly address: string; readonly change: bigint },
): Promise<void> {
	const { token, block } = transfer;
	const holderId = `holder:${token}:${side.address}`;
	const holder = (await memory.get(holderId))?.content;
	await memory.put({
		layer: "semantic",
		id: holderId,
		content: {
			token,
			address: side.address,
			balance: (BigInt(String(holder?.["balance"] ?? "0")) + side.change).toString(),
			transfers: (BigInt(String(holder?.["transfers"] ?? "0")) + 1n).toString(),
			lastBlock: block.toString(),
		},
	});
	const recentId = `recent:${token}:${side.address}`;
	const recent = (await memory.get(recentId))?.content["transfers"];
	const earlier = Array.isArray(recent) ? recent : [];
	await memory.put({
		layer: "short_term",
		id: recentId,
		content: {
			token,
			address: side.address,
			transfers: [transfer.id, ...earlier].slice(0, RECENT_TRANSFERS),
			lastBlock: block.toString(),
		},
		expiresAtBlock: block + RECENT_BLOCKS,
	});
}

/** The ledger of the token that the settings name. */
export function tokenLedger(settings: ExampleChainSettings) {
	return defineChain({
		id: settings.chainId,
		name: "anvil",
		rpc: {
			urls: settings.rpcUrls ?? [LOCAL_ANVIL],
			pollIntervalMs: settings.pollIntervalMs,
		},
		// A local chain is watched as it changes; others ask for the tags twice a minute.
		finality: { depthBlocks: settings.finalityDepth, everyMs: 2_000 },
		startBlock: settings.startBlock ?? 0n,
		namespaces: ["ledger"],
		contracts: { Token: { abi: tokenAbi, address: settings.token ?? FIRST_DEPLOYMENT } },
		handlers: {
			"Token:Transfer": async ({ event, block, memory }) => {
				const token = event.address;
				const from = event.args.from.toLowerCase();
				const to = event.args.to.toLowerCase();
				const { value } = event.args;
				const id = `transfer:${event.transactionHash}:${event.matchedIndex}`;
				await memory.put({
					layer: "episodic",
					id,
					content: {
						token,
						from,
						to,
						value: value.toString(),
						blockNumber: block.number.toString(),
						blockHash: block.hash,
						logIndex: event.logIndex.toString(),
					},
					text: `${from} transferred ${value} of token ${token} to ${to} in block ${block.number}`,
				});
				const transfer = { id, token, block: block.number };
				if (from === to) {
					await book(memory, transfer, { address: from, change: 0n });
					return;
				}
				await book(memory, transfer, { address: from, change: -value });
				await book(memory, transfer, { address: to, change: value });
			},
		},
	});
}

export default tokenLedger(exampleChainSettings());
