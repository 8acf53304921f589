/** What the node says that the chain holds: what a side must have to be right. */
import type { Hex } from "viem";
import { createRpcClient } from "../scripts/support/rpc-client.ts";
import type { Wanted } from "./peers-side.ts";

interface Log {
	readonly transactionHash: Hex;
	readonly logIndex: Hex;
	readonly blockHash: Hex;
}

/** As it is now, of heights above `above`. */
export async function truthAbove(
	rpcUrl: string,
	token: Hex,
	{ above, isFork }: Pick<Wanted, "above" | "isFork">,
): Promise<Wanted> {
	const { request } = createRpcClient(rpcUrl);
	const head = await request<{ readonly number: Hex; readonly hash: Hex }>("eth_getBlockByNumber", [
		"latest",
		false,
	]);
	const fromBlock = `0x${(above + 1n).toString(16)}`;
	const logs = await request<readonly Log[]>("eth_getLogs", [
		{ address: token, fromBlock, toBlock: head.number },
	]);
	const events = logs.map(({ transactionHash, logIndex, blockHash }) => ({
		id: `${transactionHash}:${Number(logIndex)}`,
		blockHash,
	}));
	const last = events.findLast(({ blockHash }) => blockHash === head.hash);
	return { hash: head.hash, height: BigInt(head.number), last, above, isFork, events };
}
