/**
 * A chain whose forks change much: every transfer makes as many memories as it is told to, over several
 * collections, each with a text that names the block's hash, so that no text of one branch is one of another.
 */
import { tokenAbi } from "../contracts/out/token.ts";
import { chainSpec } from "../src/config/chains.ts";
import type { Hex } from "../src/domain/ids.ts";
import type { ChainSpec } from "../src/follower/chain-spec.ts";
import { defineChain } from "../src/follower/define-chain.ts";

/** A gate may be shut for long; a held request must not time out. */
const TIMEOUT_MS = 600_000;

export interface ManyMemories {
	readonly rpcUrl: string;
	readonly token: Hex;
	readonly pollIntervalMs: number;
	readonly memoriesEach: number;
	readonly collections: number;
}

export function manyMemoriesChain(options: ManyMemories): ChainSpec {
	const { rpcUrl, token, pollIntervalMs, memoriesEach, collections } = options;
	const definition = defineChain({
		id: 31_337,
		name: "anvil",
		rpc: { urls: [rpcUrl], pollIntervalMs, timeoutMs: TIMEOUT_MS },
		namespaces: ["ledger"],
		contracts: { Token: { abi: tokenAbi, address: token } },
		handlers: {
			"Token:Transfer": async ({ event, block, memory }) => {
				const { from, to, value } = event.args;
				for (let index = 0; index < memoriesEach; index += 1) {
					const place = `${block.number}:${event.logIndex}:${index}`;
					await memory.put({
						layer: index % 2 === 0 ? "episodic" : "semantic",
						id: `leg:${place}`,
						content: { from, to, value: value.toString(), block: block.number.toString(), index },
						text: `leg ${place}: ${from} moved ${value} to ${to} in block ${block.hash}`,
						collection: `part${index % collections}`,
					});
				}
			},
		},
	});
	const code = new TextEncoder().encode(`many memories ${memoriesEach} ${collections}`);
	return chainSpec(definition, { file: "bench", code });
}
