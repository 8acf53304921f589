/** The example chain's file on providers of a test: its handlers, its token, nothing of its node. */
import { readFileSync } from "node:fs";
import anvilChain from "../../../chains/anvil.ts";
import { chainSpec } from "../../../src/config/chains.ts";
import type { Hex } from "../../../src/domain/ids.ts";
import type { ChainSpec } from "../../../src/follower/chain-spec.ts";
import type { ChainDefinition } from "../../../src/follower/define-chain.ts";

const CODE = readFileSync(new URL("../../../chains/anvil.ts", import.meta.url));

export interface LedgerSpecOptions {
	readonly id: number;
	readonly name: string;
	readonly urls: readonly string[];
	readonly token: Hex;
	readonly pollIntervalMs: number;
	readonly timeoutMs: number;
	readonly file?: Pick<ChainDefinition, "trust" | "reorg" | "finality"> | undefined;
}

export function ledgerSpec(options: LedgerSpecOptions): ChainSpec {
	const { id, name, urls, token, pollIntervalMs, timeoutMs, file } = options;
	const definition = {
		...anvilChain,
		...file,
		id,
		name,
		rpc: { urls, pollIntervalMs, timeoutMs },
		startBlock: 0n,
		contracts: { Token: { ...anvilChain.contracts.Token, address: token } },
	};
	return chainSpec(definition, { file: "anvil.ts", code: CODE });
}
