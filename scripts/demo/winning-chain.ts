/**
 * A second node that is given the winning chain and nothing else, block by block. Nodes with one
 * genesis that get the same transactions, time and base fee make the same block, down to the hash.
 */
import type { Hex } from "viem";
import { type Anvil, startAnvil } from "../support/anvil.ts";
import { ToolError } from "../support/tool-error.ts";

interface Block {
	readonly hash: Hex;
	readonly timestamp: Hex;
	readonly baseFeePerGas: Hex;
	readonly transactions: readonly Hex[];
}

/** A node that stands at the genesis block of `original`. */
export async function startTwin(original: Anvil): Promise<Anvil> {
	const genesis = await blockAt(original, 0);
	return startAnvil({ genesisTimestamp: Number(genesis.timestamp) });
}

/** Mines block `height` of `original` on `twin`, which stands at the block before. */
export async function copyBlock(original: Anvil, twin: Anvil, height: number): Promise<void> {
	const block = await blockAt(original, height);
	for (const hash of block.transactions) {
		const raw = await original.request<Hex>("eth_getRawTransactionByHash", [hash]);
		await twin.request("eth_sendRawTransaction", [raw]);
	}
	// A reorganisation leaves Anvil with another base fee than its first run had.
	await twin.request("anvil_setNextBlockBaseFeePerGas", [block.baseFeePerGas]);
	await twin.mineAt(Number(block.timestamp));
	const copy = await blockAt(twin, height);
	if (copy.hash === block.hash) return;
	throw new ToolError("demo_failed", {
		message: `block ${height} is ${block.hash}, and its copy ${copy.hash}`,
		hint: "the two nodes must be of one version; run npm ci",
	});
}

function blockAt(node: Anvil, height: number): Promise<Block> {
	return node.request<Block>("eth_getBlockByNumber", [`0x${height.toString(16)}`, false]);
}
